// Builds the frames that the steering tests run through the XDP program.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/net/headers.h"

namespace vireo::ebpf {

using Frame = std::vector<std::uint8_t>;

// An overlay packet as it should be; a test changes what it is about. Lengths default to what fits.
struct FrameSpec {
  net::MacAddress destination{{2, 0, 0, 0, 0, 1}};
  std::vector<std::uint16_t> vlan_types{};  // EtherType of each tag, outermost first
  bool ipv6 = false;
  const char* address = nullptr;  // destination; default 192.0.2.1 or 2001:db8::1
  std::uint8_t protocol = net::kProtocolUdp;
  std::uint8_t ipv4_options = 0;    // 32-bit words
  std::uint16_t ipv4_fragment = 0;  // flags and offset
  bool ipv6_fragment = false;       // a fragment header in front of UDP
  std::uint16_t port = 51820;
  std::vector<std::uint8_t> message_start{4, 0, 0, 0};  // type and reserved bytes
  std::uint16_t message_size = 96;
  std::optional<std::uint16_t> ip_length{};  // total length, or payload length of IPv6
  std::optional<std::uint16_t> udp_length{};
  std::optional<std::size_t> cut_to{};  // bytes of the frame that are left
};

template <typename Header>
void Append(Frame& frame, const Header& header) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&header);
  frame.insert(frame.end(), bytes, bytes + sizeof header);
}

inline void AppendIpv4(Frame& frame, const FrameSpec& spec, std::uint16_t payload) {
  const auto header_size = static_cast<std::uint16_t>(20 + spec.ipv4_options * 4);
  net::Ipv4Header ip{};
  ip.version_length = static_cast<std::uint8_t>(0x40 | header_size / 4);
  ip.total_length = spec.ip_length.value_or(static_cast<std::uint16_t>(header_size + payload));
  ip.fragment = spec.ipv4_fragment;
  ip.ttl = 64;
  ip.protocol = spec.protocol;
  ip.destination =
      net::IpAddress::Parse(spec.address ? spec.address : "192.0.2.1")->v4_host_order();
  Append(frame, ip);
  frame.insert(frame.end(), spec.ipv4_options * 4u, 1);
}

inline void AppendIpv6(Frame& frame, const FrameSpec& spec, std::uint16_t payload) {
  const auto extension = static_cast<std::uint16_t>(spec.ipv6_fragment ? 8 : 0);
  net::Ipv6Header ip{};
  ip.version_class_flow = 6u << 28;
  ip.payload_length = spec.ip_length.value_or(static_cast<std::uint16_t>(extension + payload));
  ip.next_header = spec.ipv6_fragment ? net::kProtocolIpv6Fragment : spec.protocol;
  ip.hop_limit = 64;
  const auto to = net::IpAddress::Parse(spec.address ? spec.address : "2001:db8::1");
  std::memcpy(ip.destination, to->bytes.data(), 16);
  Append(frame, ip);
  if (spec.ipv6_fragment) {
    frame.push_back(spec.protocol);
    frame.insert(frame.end(), 7, 0);
  }
}

inline Frame MakeFrame(const FrameSpec& spec) {
  Frame frame;
  Append(frame, spec.destination);
  Append(frame, net::MacAddress{{2, 0, 0, 0, 0, 9}});
  for (const std::uint16_t type : spec.vlan_types) {
    Append(frame, Be16(type));
    Append(frame, Be16(std::uint16_t{7}));
  }
  Append(frame, Be16(spec.ipv6 ? net::kEtherTypeIpv6 : net::kEtherTypeIpv4));
  const auto payload = static_cast<std::uint16_t>(8 + spec.message_size);
  spec.ipv6 ? AppendIpv6(frame, spec, payload) : AppendIpv4(frame, spec, payload);
  net::UdpHeader udp{};
  udp.source_port = std::uint16_t{4321};
  udp.destination_port = spec.port;
  udp.length = spec.udp_length.value_or(payload);
  Append(frame, udp);
  frame.insert(frame.end(), spec.message_start.begin(), spec.message_start.end());
  frame.resize(frame.size() - spec.message_start.size() + spec.message_size);
  if (spec.cut_to) frame.resize(*spec.cut_to);
  return frame;
}

}  // namespace vireo::ebpf
