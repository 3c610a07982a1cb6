// What anybody inside a tunnel, or the kernel, can hand a TUN or TAP port: superpackets to cut and
// packets to join, bare or in frames. The input is a list of packets, each a byte of kind, a byte
// of segment size, two bytes of size, and its bytes; those of one input are joined together.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "dataplane/net/coalesce.h"
#include "dataplane/net/inner.h"
#include "dataplane/net/segment.h"
#include "tests/support/packet_bytes.h"

namespace {

using namespace vireo;

void Require(bool condition) {
  if (!condition) std::abort();
}

// The packet without what may change on the way: the id of an atomic IPv4 packet (RFC 6864 §4.1),
// and which of its two zeros a checksum has.
std::vector<std::byte> Normal(std::vector<std::byte> packet) {
  const net::InnerPacket inner = net::ParseInner(packet);
  if (!inner) return packet;
  if (inner.is_v4()) {
    auto* ip = reinterpret_cast<net::Ipv4Header*>(packet.data());
    if ((ip->fragment.value() & net::kIpv4DontFragment) != 0) {
      if (!net::Ipv4ChecksumRight(*ip)) return packet;
      ip->id = 0;
      net::SetIpv4Checksum(ip);
    }
  }
  const bool tcp = inner.protocol == net::kProtocolTcp;
  const std::size_t at = inner.header_size + (tcp ? 16u : 6u);
  if ((tcp || inner.protocol == net::kProtocolUdp) && at + 2 <= packet.size() &&
      packet[at] == std::byte{0xff} && packet[at + 1] == std::byte{0xff}) {
    packet[at] = packet[at + 1] = std::byte{0};
  }
  return packet;
}

std::vector<std::byte> Behind(const std::vector<std::byte>& packet, std::size_t link) {
  return {packet.begin() + static_cast<std::ptrdiff_t>(link), packet.end()};
}

// Cuts what the coalescer joined: the packets that went in must come out, each exactly once.
class Kernel final : public net::PacketSink {
 public:
  explicit Kernel(std::size_t link_size) : link_size_(link_size) {}

  void Write(const net::Offload& offload, std::span<const ConstBytes> parts,
             std::span<void* const> owners) override {
    std::vector<std::byte> packet;
    for (const ConstBytes& part : parts) packet.insert(packet.end(), part.begin(), part.end());
    Require(packet.size() <= net::Coalescer::kMaxSize || owners.size() == 1);
    std::size_t segments = 1;
    if (offload.segmentation != net::Segmentation::kNone) {
      net::Segmenter segmenter;
      Require(segmenter.Start(packet, offload, link_size_));
      for (segments = 0; !segmenter.done(); ++segments) {
        std::vector<std::byte> segment(segmenter.next_size());
        segmenter.Next(segment.data());
        Same(segment, owners[segments]);
      }
    } else {
      Same(packet, owners[0]);
    }
    Require(segments == owners.size());
    written += owners.size();
  }

  std::size_t written = 0;

 private:
  void Same(const std::vector<std::byte>& packet, void* owner) const {
    const auto& sent = *static_cast<const std::vector<std::byte>*>(owner);
    const std::size_t link = std::min(link_size_, packet.size());
    Require(std::equal(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(link),
                       sent.begin()));
    Require(Normal(Behind(packet, link)) == Normal(Behind(sent, link)));
  }

  const std::size_t link_size_;
};

net::Offload ReadOffload(std::uint8_t kind, std::uint8_t size, ConstBytes packet) {
  const net::InnerPacket inner = net::ParseInner(packet);
  net::Offload offload;
  offload.segmentation = static_cast<net::Segmentation>((kind >> 1) % 3);
  offload.needs_checksum = (kind & 8) != 0;
  offload.segment_size = static_cast<std::uint16_t>(size * ((kind & 16) != 0 ? 1 : 16));
  offload.transport_offset = inner ? inner.header_size : static_cast<std::uint16_t>(kind);
  const bool udp = offload.segmentation == net::Segmentation::kUdp;
  offload.checksum_offset = (kind & 32) != 0 ? size : (udp ? 6 : 16);
  offload.header_size = static_cast<std::uint16_t>(offload.transport_offset + (udp ? 8 : 20));
  return offload;
}

// Lengths and checksums that a fuzzer would not guess.
void Repair(std::vector<std::byte>& packet) {
  if (packet.size() < 68) return;
  const unsigned version = std::to_integer<unsigned>(packet[0]) >> 4;
  if (version == 4) packet[0] = std::byte{0x45};
  if (version != 4 && version != 6) return;
  const std::size_t length = packet.size() - (version == 4 ? 0 : 40);
  test::Put16(packet, version == 4 ? 2 : 4, static_cast<std::uint16_t>(length));
  if (version == 4) net::SetIpv4Checksum(reinterpret_cast<net::Ipv4Header*>(packet.data()));
  if (test::Protocol(packet) == net::kProtocolUdp) {
    const std::size_t udp = packet.size() - test::TransportOffset(packet);
    test::Put16(packet, test::TransportOffset(packet) + 4, static_cast<std::uint16_t>(udp));
  }
  test::SetTransportChecksum(packet);
}

// Behind the link header that its version asks for.
std::vector<std::byte> InFrame(const std::vector<std::byte>& packet, std::size_t link_size) {
  if (link_size == 0) return packet;
  std::vector<std::byte> frame(link_size, std::byte{2});
  const bool v6 = !packet.empty() && std::to_integer<unsigned>(packet[0]) >> 4 == 6;
  test::Put16(frame, 12, v6 ? net::kEtherTypeIpv6 : net::kEtherTypeIpv4);
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

// Every segment of a packet that is taken is whole, and none is longer than the packet.
void Cut(std::uint8_t kind, std::uint8_t size, const std::vector<std::byte>& packet,
         std::size_t link_size) {
  net::Segmenter segmenter;
  net::Offload offload = ReadOffload(kind, size, packet);
  const std::vector<std::byte> framed = InFrame(packet, link_size);
  offload.transport_offset = static_cast<std::uint16_t>(offload.transport_offset + link_size);
  if (!segmenter.Start(framed, offload, link_size)) {
    Require(segmenter.done());
    return;
  }
  std::vector<std::byte> segment;
  while (!segmenter.done()) {
    segment.resize(segmenter.next_size());
    Require(segment.size() <= framed.size());
    segmenter.Next(segment.data());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Joining rewrites headers in place, so the coalescer gets copies and the originals are kept.
  std::deque<std::vector<std::byte>> originals, copies;
  const bool ethernet = size % 4 >= 2;
  const std::size_t link_size = ethernet ? sizeof(net::EthernetHeader) : 0;
  Kernel kernel(link_size);
  net::Coalescer coalescer(size % 2 != 0 ? net::UdpCoalescing::kOn : net::UdpCoalescing::kOff,
                           ethernet ? net::Framing::kEthernet : net::Framing::kIp);
  while (size >= 4) {
    const std::uint8_t kind = data[0];
    const std::uint8_t segment_size = data[1];
    const std::size_t length = std::min<std::size_t>(data[2] << 8 | data[3], size - 4);
    const auto* bytes = reinterpret_cast<const std::byte*>(data + 4);
    std::vector<std::byte> packet(bytes, bytes + length);
    if ((kind & 64) != 0) Repair(packet);
    if ((kind & 1) != 0) {
      Cut(kind, segment_size, packet, link_size);
    } else {
      originals.push_back(InFrame(packet, link_size));
      copies.push_back(originals.back());
      coalescer.Add(copies.back(), &originals.back(), kernel);
    }
    data += 4 + length;
    size -= 4 + length;
  }
  coalescer.Flush(kernel);
  Require(kernel.written == originals.size());
  return 0;
}
