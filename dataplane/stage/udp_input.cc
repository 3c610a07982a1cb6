#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/inner.h"
#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

using net::UdpHeader;

bool Owns(const PortEntry& entry, const net::IpAddress& address) {
  for (const net::IpAddress& owned : entry.addresses) {
    if (owned == address) return true;
  }
  return false;
}

net::IpAddress AddressAt(const net::InnerPacket& ip, const std::byte* at) {
  return ip.is_v4() ? net::IpAddress::V4(ConstBytes(at, 4))
                    : net::IpAddress::V6(ConstBytes(at, 16));
}

// The checksum over pseudo header and datagram is right; zero means "none", which only IPv4 allows
// (RFC 768, RFC 8200 §8.1).
bool UdpChecksumRight(const net::InnerPacket& ip, ConstBytes datagram) {
  if (reinterpret_cast<const UdpHeader*>(datagram.data())->checksum.raw() == 0) return ip.is_v4();
  const auto length = static_cast<std::uint32_t>(datagram.size());
  net::InternetSum sum =
      ip.is_v4() ? net::PseudoHeader(*reinterpret_cast<const net::Ipv4Header*>(ip.start),
                                     net::kProtocolUdp, length)
                 : net::PseudoHeader(*reinterpret_cast<const net::Ipv6Header*>(ip.start),
                                     net::kProtocolUdp, length);
  return sum.Add(datagram).IsValid();
}

enum class DatagramVerdict : std::uint8_t { kGoesOn, kGone };

DatagramVerdict DropDatagram(Worker& worker, Packet* packet, DropReason reason) {
  worker.Drop(packet, reason);
  return DatagramVerdict::kGone;
}

DatagramVerdict ToSlowPath(Worker& worker, Packet* packet) {
  worker.Punt(packet);
  return DatagramVerdict::kGone;
}

DatagramVerdict Strip(Worker& worker, Packet* packet) {
  PacketMeta& meta = Meta(packet);
  const PortEntry& entry = worker.snapshot->ports[meta.in_port];
  const net::InnerPacket ip = net::ParseInner(Bytes(packet));
  if (!ip || (ip.is_v4() && !net::Ipv4ChecksumRight(*HeaderAt<net::Ipv4Header>(packet)))) {
    return DropDatagram(worker, packet, DropReason::kIpHeaderInvalid);
  }
  SetSize(packet, static_cast<std::uint16_t>(ip.size));
  const net::IpAddress destination = AddressAt(ip, ip.destination());
  if (!Owns(entry, destination)) {
    // Neighbour discovery asks by multicast; everything else to a group is none of our business.
    if (destination.IsMulticast() && ip.protocol == net::kProtocolIcmpv6) {
      return ToSlowPath(worker, packet);
    }
    return DropDatagram(worker, packet, DropReason::kNotForUs);
  }
  if (meta.kind == PacketKind::kReassembled && ip.protocol != net::kProtocolUdp) {
    return DropDatagram(worker, packet,
                        DropReason::kPortClosed);  // a ping in pieces is not answered
  }
  if (net::IsFragment(ip) || ip.protocol == net::kProtocolIcmp ||
      ip.protocol == net::kProtocolIcmpv6) {
    return ToSlowPath(worker, packet);
  }
  if (ip.protocol != net::kProtocolUdp)
    return DropDatagram(worker, packet, DropReason::kPortClosed);

  const ConstBytes datagram = ConstBytes(Bytes(packet)).subspan(ip.header_size);
  if (datagram.size() < sizeof(UdpHeader))
    return DropDatagram(worker, packet, DropReason::kUdpInvalid);
  const auto* udp = reinterpret_cast<const UdpHeader*>(datagram.data());
  const std::size_t length = udp->length.value();
  if (length < sizeof(UdpHeader) || length > datagram.size() ||
      !UdpChecksumRight(ip, datagram.first(length))) {
    return DropDatagram(worker, packet, DropReason::kUdpInvalid);
  }
  if (udp->destination_port.value() != entry.listen_port) {
    return DropDatagram(worker, packet, DropReason::kPortClosed);
  }
  meta.remote = {AddressAt(ip, ip.source()), udp->source_port.value(), 0};
  meta.outer_tos = ip.tos();
  StripFront(packet, static_cast<std::uint16_t>(ip.header_size + sizeof(UdpHeader)));
  SetSize(packet, static_cast<std::uint16_t>(length - sizeof(UdpHeader)));
  return DatagramVerdict::kGoesOn;
}

}  // namespace

void UdpInputBurst(Worker& worker, Burst& burst) {
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    if (Strip(worker, packet) == DatagramVerdict::kGoesOn) burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

}  // namespace vireo
