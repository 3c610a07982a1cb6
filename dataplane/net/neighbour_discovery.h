// Neighbour Discovery for IPv6 over Ethernet (RFC 4861): solicitations and advertisements, read
// and written as whole IPv6 packets. Pure functions.
#pragma once

#include <optional>
#include <span>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"

namespace vireo::net {

// "Who has `target`?"
struct NeighbourSolicitation {
  IpAddress source;       // :: while the sender is checking for duplicates (RFC 4862 §5.4)
  IpAddress destination;  // the target itself, or its solicited-node group
  IpAddress target;
  std::optional<MacAddress> link_address;  // the sender's MAC
};

// "`target` is at `link_address`."
struct NeighbourAdvertisement {
  IpAddress source;
  IpAddress destination;
  IpAddress target;
  std::optional<MacAddress> link_address;  // the target's MAC
  bool router = false;
  bool solicited = false;  // answers a solicitation: proof that the target hears us
  bool override = false;   // replaces a MAC that is known already
};

// Bytes of an IPv6 packet with one of the two and one link-layer address option.
inline constexpr std::size_t kNeighbourDiscoverySize = 40 + 24 + 8;

// Read an IPv6 packet; bytes behind it are padding. nullopt unless it passes every check of
// RFC 4861 §7.1.1 (solicitation) or §7.1.2 (advertisement): hop limit 255, checksum, code, lengths,
// options, multicast targets, and the rules for unspecified and multicast addresses. Extension
// headers in front and MACs that no host can have are refused too.
[[nodiscard]] std::optional<NeighbourSolicitation> ParseNeighbourSolicitation(ConstBytes packet);
[[nodiscard]] std::optional<NeighbourAdvertisement> ParseNeighbourAdvertisement(ConstBytes packet);

// REQUIRES: IPv6 addresses, and a link_address.
void BuildNeighbourSolicitation(const NeighbourSolicitation& message,
                                std::span<std::byte, kNeighbourDiscoverySize> out);
void BuildNeighbourAdvertisement(const NeighbourAdvertisement& message,
                                 std::span<std::byte, kNeighbourDiscoverySize> out);

// The answer of `our_mac`, that has the target and is a host on this link; to all nodes if the
// asker has no address yet (RFC 4861 §7.2.4).
[[nodiscard]] NeighbourAdvertisement MakeNeighbourReply(const NeighbourSolicitation& solicitation,
                                                        const MacAddress& our_mac);
// The announcement of an address of ours to all nodes (RFC 4861 §7.2.6).
[[nodiscard]] NeighbourAdvertisement MakeNeighbourAnnouncement(const IpAddress& our_ip,
                                                               const MacAddress& our_mac);

// ff02::1:ffXX:XXXX, where the owner of `target` listens (RFC 4291 §2.7.1).
[[nodiscard]] IpAddress SolicitedNodeGroup(const IpAddress& target);
// The MAC of an IPv6 multicast group, 33:33 and its last four bytes (RFC 2464 §7).
[[nodiscard]] MacAddress GroupMac(const IpAddress& group);
// fe80::/64 with the modified EUI-64 of a MAC (RFC 2464 §5).
[[nodiscard]] IpAddress LinkLocalAddress(const MacAddress& mac);
// ff02::1.
[[nodiscard]] IpAddress AllNodesGroup();

}  // namespace vireo::net
