// What tenants' hosts send and does not fit its way: IPv4 packets to cut into fragments, and starts
// of TCP connections whose segment size is lowered. The input is two bytes of MTU and a packet.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "dataplane/net/inner.h"
#include "dataplane/net/ipv4_fragment.h"
#include "dataplane/net/mss_clamp.h"

namespace {

using namespace vireo;

void Require(bool condition) {
  if (!condition) std::abort();
}

// The fragments are whole IPv4 packets that fit and hold the payload, each byte once and in order.
void Cut(const std::vector<std::byte>& packet, std::uint16_t mtu) {
  net::Ipv4Fragmenter fragmenter;
  const net::InnerPacket ip = net::ParseInner(packet);
  if (!ip.is_v4() || !fragmenter.Start(ip, mtu)) return;
  const std::size_t count = fragmenter.count();
  std::size_t made = 0;
  std::vector<std::byte> payload;
  while (!fragmenter.done()) {
    std::vector<std::byte> out(mtu);
    out.resize(fragmenter.Next(out.data()));
    const net::InnerPacket fragment = net::ParseInner(out);
    Require(fragment.is_v4() && fragment.size == out.size());
    Require(net::Ipv4ChecksumRight(*reinterpret_cast<const net::Ipv4Header*>(out.data())));
    payload.insert(payload.end(), out.begin() + fragment.header_size, out.end());
    ++made;
  }
  Require(made == count);
  Require(std::equal(payload.begin(), payload.end(), packet.begin() + ip.header_size,
                     packet.begin() + ip.size));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto mtu = static_cast<std::uint16_t>(data[0] << 8 | data[1]);
  const auto* bytes = reinterpret_cast<const std::byte*>(data + 2);
  std::vector<std::byte> packet(bytes, bytes + size - 2);
  const net::InnerPacket ip = net::ParseInner(packet);
  if (!ip) return 0;
  if (ip.is_v4()) {
    // A checksum that a fuzzer would not guess.
    net::SetIpv4Checksum(reinterpret_cast<net::Ipv4Header*>(packet.data()));
    Cut(packet, mtu);
  }
  const std::vector<std::byte> before = packet;
  const bool clamped = net::ClampMss(packet.data(), ip, mtu);
  Require(clamped == (packet != before));
  Require(!net::ClampMss(packet.data(), ip, mtu));
  return 0;
}
