#include "dataplane/net/arp.h"

#include <cassert>

namespace vireo::net {
namespace {

constexpr std::uint16_t kHardwareEthernet = 1;

bool IsHostMac(const MacAddress& mac) { return !mac.IsMulticast() && mac != MacAddress{}; }

// 0.0.0.0 is fine here: it is a probe's sender.
bool MaySend(std::uint32_t ip) {
  const std::uint32_t first = ip >> 24;
  return first < 224 && first != 127 && (first != 0 || ip == 0);
}

}  // namespace

std::optional<ArpMessage> ParseArp(ConstBytes packet) {
  if (packet.size() < kArpSize) return std::nullopt;
  ArpPacket wire;
  std::memcpy(&wire, packet.data(), sizeof wire);
  if (wire.hardware_type.value() != kHardwareEthernet ||
      wire.protocol_type.value() != kEtherTypeIpv4 || wire.hardware_size != 6 ||
      wire.protocol_size != 4) {
    return std::nullopt;
  }
  const std::uint16_t operation = wire.operation.value();
  if (operation != 1 && operation != 2) return std::nullopt;
  if (!IsHostMac(wire.sender_mac) || !MaySend(wire.sender_ip.value())) return std::nullopt;
  return ArpMessage{static_cast<ArpOperation>(operation), wire.sender_mac,
                    IpAddress::V4(wire.sender_ip.value()), wire.target_mac,
                    IpAddress::V4(wire.target_ip.value())};
}

void BuildArp(const ArpMessage& message, std::span<std::byte, kArpSize> out) {
  assert(message.sender_ip.is_v4() && message.target_ip.is_v4());
  ArpPacket wire;
  wire.hardware_type = kHardwareEthernet;
  wire.protocol_type = kEtherTypeIpv4;
  wire.hardware_size = 6;
  wire.protocol_size = 4;
  wire.operation = static_cast<std::uint16_t>(message.operation);
  wire.sender_mac = message.sender_mac;
  wire.sender_ip = message.sender_ip.v4_host_order();
  wire.target_mac = message.target_mac;
  wire.target_ip = message.target_ip.v4_host_order();
  std::memcpy(out.data(), &wire, sizeof wire);
}

ArpMessage MakeArpRequest(const MacAddress& our_mac, const IpAddress& our_ip,
                          const IpAddress& target) {
  return {ArpOperation::kRequest, our_mac, our_ip, MacAddress{}, target};
}

ArpMessage MakeArpReply(const ArpMessage& request, const MacAddress& our_mac) {
  return {ArpOperation::kReply, our_mac, request.target_ip, request.sender_mac, request.sender_ip};
}

ArpMessage MakeArpAnnouncement(const MacAddress& our_mac, const IpAddress& our_ip) {
  return {ArpOperation::kRequest, our_mac, our_ip, MacAddress{}, our_ip};
}

}  // namespace vireo::net
