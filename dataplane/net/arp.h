// The Address Resolution Protocol for IPv4 over Ethernet (RFC 826), with address probes and
// announcements (RFC 5227). Pure functions on what follows the Ethernet header and its VLAN tag.
#pragma once

#include <optional>
#include <span>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"
#include "dataplane/net/headers.h"

namespace vireo::net {

enum class ArpOperation : std::uint16_t { kRequest = 1, kReply = 2 };

struct ArpMessage {
  ArpOperation operation = ArpOperation::kRequest;
  MacAddress sender_mac;
  IpAddress sender_ip;  // 0.0.0.0 in a probe
  MacAddress target_mac;
  IpAddress target_ip;

  // Asks whether anybody has `target_ip`, without claiming it yet (RFC 5227 §1.1).
  [[nodiscard]] bool IsProbe() const { return sender_ip.IsUnspecified(); }
  // Tells everybody who has `sender_ip`: an announcement, in either of the two forms that are sent
  // (RFC 5227 §3).
  [[nodiscard]] bool IsGratuitous() const { return sender_ip == target_ip; }
};

// Bytes of an ARP message; frames are padded by whoever sends them.
inline constexpr std::size_t kArpSize = sizeof(ArpPacket);

// Reads a message; bytes behind it are padding. nullopt if it is cut short, is not IPv4 over
// Ethernet, has another operation, or a sender that no host can be: a multicast, broadcast or zero
// MAC, or a multicast, broadcast or loopback address.
[[nodiscard]] std::optional<ArpMessage> ParseArp(ConstBytes packet);

// REQUIRES: both addresses are IPv4.
void BuildArp(const ArpMessage& message, std::span<std::byte, kArpSize> out);

// The messages that a host sends: who has `target`, told to everybody or to one ...
[[nodiscard]] ArpMessage MakeArpRequest(const MacAddress& our_mac, const IpAddress& our_ip,
                                        const IpAddress& target);
// ... the answer to a request for `our_ip` (a probe is answered in the same way) ...
[[nodiscard]] ArpMessage MakeArpReply(const ArpMessage& request, const MacAddress& our_mac);
// ... and the announcement of `our_ip`, to be broadcast (RFC 5227 §2.3: in the form of a request).
[[nodiscard]] ArpMessage MakeArpAnnouncement(const MacAddress& our_mac, const IpAddress& our_ip);

}  // namespace vireo::net
