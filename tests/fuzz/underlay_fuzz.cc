// What anybody on the underlay can send to an Ethernet port: the input is a list of frames, each a
// byte of kind and time, two bytes of size, and its bytes.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dataplane/net/icmp.h"
#include "dataplane/net/inner.h"
#include "dataplane/net/reassembly.h"
#include "dataplane/slow/neighbours.h"

namespace {

using namespace vireo;

void Require(bool condition) {
  if (!condition) std::abort();
}

class Output final : public Neighbours::Output {
 public:
  void SendFrame(ConstBytes frame) override { Require(!frame.empty() && frame.size() <= 90); }
  void Resolved(const net::IpAddress&, const net::MacAddress& mac) override {
    Require(!mac.IsMulticast());
  }
  void Unreachable(const net::IpAddress&) override {}
  void Conflict(const net::IpAddress&, const net::MacAddress&) override {}
  void SendPacket(Neighbours::PacketHandle, const net::MacAddress&) override { ++finished; }
  void DropPacket(Neighbours::PacketHandle) override { ++finished; }
  std::size_t finished = 0;
};

// Every packet that is built must be read by its own parser, and cause no error about itself.
void TryIcmp(ConstBytes packet, net::Family family) {
  const auto source =
      net::IpAddress::Parse(family == net::Family::kIpv4 ? "192.0.2.1" : "2001:db8::1");
  std::array<std::byte, net::kIcmpv6ErrorMaxSize> error;
  std::array<std::byte, net::kIcmpv6ErrorMaxSize> second;
  const auto kind = net::IcmpError::kTimeExceeded;
  const std::size_t size = net::BuildIcmpError(packet, kind, 1280, *source, error);
  if (size == 0) return;
  const ConstBytes built = ConstBytes(error).first(size);
  Require(net::ParseInner(built).size == size);
  Require(net::BuildIcmpError(built, kind, 1280, *source, second) == 0);
}

void TryInner(std::vector<std::byte> packet, std::uint8_t outer_tos) {
  const net::InnerPacket inner = net::ParseInner(packet);
  if (inner) {
    Require(inner.size <= packet.size() && inner.header_size <= inner.size);
    TryIcmp(packet, inner.family);
    (void)net::DecapsulateEcn(packet.data(), inner, outer_tos);
    (void)net::DecrementTtl(packet.data(), inner.family);
  }
  const std::size_t size = net::EchoReplyInPlace(packet);
  Require(size <= packet.size());
}

struct Router {
  net::MacAddress mac{{2, 0, 0, 0, 0, 1}};
  LinkRoutes routes{
      mac,
      {{*net::IpAddress::Parse("192.0.2.1"), 24}, {*net::IpAddress::Parse("2001:db8::1"), 64}},
      {}};
  Output output;
  Neighbours neighbours{{mac, 0}, &routes, &output};
  net::Reassembler reassembler;
  Time now{std::chrono::hours(1)};
  std::size_t sent = 0;
  std::size_t fragments = 0;
  std::size_t fragments_finished = 0;

  void Take(std::uint8_t kind, std::vector<std::byte> bytes) {
    now += std::chrono::milliseconds(100) * (kind >> 3);
    switch (kind & 7) {
      case 0:
        (void)neighbours.ReceiveArp(bytes, now);
        break;
      case 1:
        (void)neighbours.ReceiveIcmpv6(bytes, {{2, 0, 0, 0, 0, 9}}, now);
        break;
      case 2:
        SendTo(bytes);
        break;
      case 3:
        TryInner(std::move(bytes), kind);
        break;
      default:
        Reassemble(bytes);
        break;
    }
    neighbours.Poll(now);
    const auto next = neighbours.NextDeadline();
    Require(!next || *next > now);
    Require(neighbours.entries() <= 1024);
  }

  void SendTo(const std::vector<std::byte>& bytes) {
    if (bytes.empty()) return;
    net::IpAddress to = routes.addresses()[static_cast<std::size_t>(bytes[0]) & 1].address;
    to.bytes[to.size() - 1] = static_cast<std::uint8_t>(bytes.back());
    const auto hop = routes.Find(to);
    if (!hop) return;
    ++sent;
    neighbours.Send(hop->neighbour, nullptr, now);
  }

  void Reassemble(const std::vector<std::byte>& bytes) {
    const auto outcome = reassembler.Add(bytes, now);
    ++fragments;
    fragments_finished += outcome.joined + outcome.invalid + outcome.timed_out;
    Require(reassembler.bytes() <= (1 << 20) && reassembler.packets() <= 256);
    if (outcome.verdict == net::Reassembler::Verdict::kWhole) {
      Require(net::ParseInner(outcome.packet).size == outcome.packet.size());
    }
  }

  // Nothing is forgotten: every packet and every fragment ended somewhere.
  void End() {
    now += std::chrono::hours(1);
    for (int i = 0; i < 10; ++i) {
      neighbours.Poll(now);
      now += std::chrono::seconds(1);
    }
    fragments_finished += reassembler.Expire(now);
    Require(output.finished == sent);
    Require(fragments_finished == fragments && reassembler.bytes() == 0);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Router router;
  while (size >= 3) {
    const std::uint8_t kind = data[0];
    const std::size_t length = std::min<std::size_t>(data[1] << 8 | data[2], size - 3);
    const auto* bytes = reinterpret_cast<const std::byte*>(data + 3);
    router.Take(kind, {bytes, bytes + length});
    data += 3 + length;
    size -= 3 + length;
  }
  router.End();
  return 0;
}
