// Wire headers, laid over packet bytes. All are packed, alignment 1, big-endian by type.
// Sources: Ethernet IEEE 802.3/802.1Q, RFC 826, 791, 8200, 768, 9293, 792, 4443, 4861.
#pragma once

#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"

namespace vireo::net {

inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeVlan = 0x8100;
inline constexpr std::uint16_t kEtherTypeQinQ = 0x88a8;
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIpv6Fragment = 44;
inline constexpr std::uint8_t kProtocolIcmpv6 = 58;

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  Be16 type;
};
static_assert(sizeof(EthernetHeader) == 14);

struct VlanTag {
  Be16 control;  // priority 3 bits, DEI 1, VLAN id 12
  Be16 type;     // of what follows
};
static_assert(sizeof(VlanTag) == 4);

struct Ipv4Header {
  std::uint8_t version_length;  // version 4 bits, header length in 32-bit words 4 bits
  std::uint8_t tos;             // DSCP 6 bits, ECN 2 bits
  Be16 total_length;            // header and payload, bytes
  Be16 id;
  Be16 fragment;  // reserved, DF, MF, then the offset in 8-byte units
  std::uint8_t ttl;
  std::uint8_t protocol;
  Be16 checksum;
  Be32 source;
  Be32 destination;

  [[nodiscard]] unsigned header_bytes() const { return (version_length & 15u) * 4u; }
};
static_assert(sizeof(Ipv4Header) == 20);
inline constexpr std::uint16_t kIpv4DontFragment = 0x4000;
inline constexpr std::uint16_t kIpv4MoreFragments = 0x2000;
inline constexpr std::uint16_t kIpv4OffsetMask = 0x1fff;

struct Ipv6Header {
  Be32 version_class_flow;  // version 4 bits, traffic class 8, flow label 20
  Be16 payload_length;      // bytes after this header
  std::uint8_t next_header;
  std::uint8_t hop_limit;
  std::uint8_t source[16];
  std::uint8_t destination[16];

  [[nodiscard]] std::uint8_t traffic_class() const {
    return static_cast<std::uint8_t>(version_class_flow.value() >> 20);
  }
  void set_traffic_class(std::uint8_t tos) {
    version_class_flow = (version_class_flow.value() & 0xf00fffffu) | std::uint32_t{tos} << 20;
  }
};
static_assert(sizeof(Ipv6Header) == 40);

struct UdpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be16 length;  // header and payload, bytes
  Be16 checksum;
};
static_assert(sizeof(UdpHeader) == 8);

struct TcpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgment;
  std::uint8_t data_offset;  // header length in 32-bit words in the high 4 bits
  std::uint8_t flags;        // CWR ECE URG ACK PSH RST SYN FIN
  Be16 window;
  Be16 checksum;
  Be16 urgent;

  [[nodiscard]] unsigned header_bytes() const { return (data_offset >> 4) * 4u; }
};
static_assert(sizeof(TcpHeader) == 20);

struct IcmpHeader {  // ICMP and ICMPv6
  std::uint8_t type;
  std::uint8_t code;
  Be16 checksum;
  Be32 rest;
};
static_assert(sizeof(IcmpHeader) == 8);

struct ArpPacket {  // Ethernet and IPv4
  Be16 hardware_type;
  Be16 protocol_type;
  std::uint8_t hardware_size;
  std::uint8_t protocol_size;
  Be16 operation;  // 1 request, 2 reply
  MacAddress sender_mac;
  Be32 sender_ip;
  MacAddress target_mac;
  Be32 target_ip;
};
static_assert(sizeof(ArpPacket) == 28);

// Explicit congestion notification, the low two bits of TOS / traffic class (RFC 3168).
inline constexpr std::uint8_t kEcnMask = 3;
inline constexpr std::uint8_t kEcnCongestionExperienced = 3;

}  // namespace vireo::net
