// Packets for tests, made and checked by the plainest code there is, to hold against the real one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/net/headers.h"

namespace vireo::test {

using PacketBytes = std::vector<std::byte>;

// RFC 1071 as its text says: big-endian 16-bit words, carries added back at once.
inline std::uint16_t NaiveSum(ConstBytes bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    std::uint32_t word = std::to_integer<std::uint32_t>(bytes[i]) << 8;
    if (i + 1 < bytes.size()) word |= std::to_integer<std::uint32_t>(bytes[i + 1]);
    sum += word;
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

struct Shape {
  bool v6 = false;
  std::uint8_t protocol = net::kProtocolTcp;
  std::size_t payload = 100;
  std::size_t tcp_options = 12;  // bytes, a multiple of 4
  std::size_t ip_options = 0;    // IPv4 only, bytes, a multiple of 4
  std::uint8_t flags = 0x10;     // TCP
  std::uint8_t reserved = 0;     // TCP, the four bits behind the data offset
  std::uint8_t tos = 0;
  std::uint8_t ttl = 64;
  std::uint16_t id = 1;
  std::uint16_t fragment = 0x4000;
  std::uint32_t sequence = 1000;
  std::uint32_t ack = 77;
  std::uint16_t window = 500;
  std::uint16_t source_port = 4000;
  std::uint8_t host = 1;  // last byte of the source address
  unsigned seed = 1;      // of the payload
};

inline std::size_t TransportOffset(ConstBytes packet) {
  if (std::to_integer<unsigned>(packet[0]) >> 4 == 6) return 40;
  return (std::to_integer<std::size_t>(packet[0]) & 15) * 4;
}

inline std::uint8_t Protocol(ConstBytes packet) {
  const bool v6 = std::to_integer<unsigned>(packet[0]) >> 4 == 6;
  return std::to_integer<std::uint8_t>(packet[v6 ? 6 : 9]);
}

// The pseudo header's sum, from the packet's own bytes.
inline std::uint16_t NaivePseudo(ConstBytes packet) {
  const bool v6 = TransportOffset(packet) == 40 && std::to_integer<unsigned>(packet[0]) >> 4 == 6;
  const ConstBytes addresses = v6 ? packet.subspan(8, 32) : packet.subspan(12, 8);
  const auto length = static_cast<std::uint32_t>(packet.size() - TransportOffset(packet));
  const std::uint32_t sum = std::uint32_t{NaiveSum(addresses)} + Protocol(packet) + length;
  return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

inline bool Ipv4HeaderIsValid(ConstBytes packet) {
  if (std::to_integer<unsigned>(packet[0]) >> 4 == 6) return true;
  return NaiveSum(packet.first(TransportOffset(packet))) == 0xffff;
}

inline bool TransportIsValid(ConstBytes packet) {
  return NaiveSum(packet.subspan(TransportOffset(packet)), NaivePseudo(packet)) == 0xffff;
}

inline std::size_t ChecksumOffset(ConstBytes packet) {
  return TransportOffset(packet) + (Protocol(packet) == net::kProtocolTcp ? 16u : 6u);
}

inline void Put16(MutableBytes packet, std::size_t offset, std::uint16_t value) {
  packet[offset] = static_cast<std::byte>(value >> 8);
  packet[offset + 1] = static_cast<std::byte>(value & 0xff);
}

// Stores the transport checksum: whole, or the pseudo header's sum only.
inline void SetTransportChecksum(MutableBytes packet, bool partial = false) {
  const std::size_t offset = ChecksumOffset(packet);
  Put16(packet, offset, 0);
  const std::uint16_t pseudo = NaivePseudo(packet);
  auto checksum =
      static_cast<std::uint16_t>(~NaiveSum(packet.subspan(TransportOffset(packet)), pseudo));
  if (checksum == 0 && Protocol(packet) == net::kProtocolUdp) checksum = 0xffff;
  Put16(packet, offset, partial ? pseudo : checksum);
}

inline void SetIpChecksum(MutableBytes packet) {
  if (std::to_integer<unsigned>(packet[0]) >> 4 == 6) return;
  Put16(packet, 10, 0);
  Put16(packet, 10, static_cast<std::uint16_t>(~NaiveSum(packet.first(TransportOffset(packet)))));
}

// A TCP or UDP packet with right lengths and checksums.
inline PacketBytes Make(const Shape& shape) {
  const bool tcp = shape.protocol == net::kProtocolTcp;
  const std::size_t ip_size = shape.v6 ? 40 : 20 + shape.ip_options;
  const std::size_t transport_size = tcp ? 20 + shape.tcp_options : 8;
  PacketBytes packet(ip_size + transport_size + shape.payload);
  std::minstd_rand random(shape.seed);
  for (std::byte& byte : packet) byte = static_cast<std::byte>(random() >> 8);

  if (shape.v6) {
    net::Ipv6Header ip{};
    ip.version_class_flow = 0x60012345u | std::uint32_t{shape.tos} << 20;
    ip.payload_length = static_cast<std::uint16_t>(packet.size() - 40);
    ip.next_header = shape.protocol;
    ip.hop_limit = shape.ttl;
    ip.source[0] = ip.destination[0] = 0xfd;
    ip.source[15] = shape.host;
    ip.destination[15] = 200;
    std::memcpy(packet.data(), &ip, sizeof ip);
  } else {
    net::Ipv4Header ip{};
    ip.version_length = static_cast<std::uint8_t>(0x40 | ip_size / 4);
    ip.tos = shape.tos;
    ip.total_length = static_cast<std::uint16_t>(packet.size());
    ip.id = shape.id;
    ip.fragment = shape.fragment;
    ip.ttl = shape.ttl;
    ip.protocol = shape.protocol;
    ip.source = 0x0a000000u | shape.host;
    ip.destination = 0x0a0000c8u;
    std::memcpy(packet.data(), &ip, sizeof ip);
    for (std::size_t i = 20; i < ip_size; ++i) packet[i] = std::byte{1};  // no-operation options
  }
  if (tcp) {
    net::TcpHeader header{};
    header.source_port = shape.source_port;
    header.destination_port = 5201;
    header.sequence = shape.sequence;
    header.acknowledgment = shape.ack;
    header.data_offset = static_cast<std::uint8_t>(transport_size / 4 << 4 | shape.reserved);
    header.flags = shape.flags;
    header.window = shape.window;
    std::memcpy(packet.data() + ip_size, &header, sizeof header);
    for (std::size_t i = 20; i < transport_size; ++i) packet[ip_size + i] = std::byte{1};
  } else {
    net::UdpHeader header{};
    header.source_port = shape.source_port;
    header.destination_port = 5201;
    header.length = static_cast<std::uint16_t>(transport_size + shape.payload);
    std::memcpy(packet.data() + ip_size, &header, sizeof header);
  }
  SetIpChecksum(packet);
  SetTransportChecksum(packet);
  return packet;
}

}  // namespace vireo::test
