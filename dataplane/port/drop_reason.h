// Why a packet was dropped: one list makes the enum, the counter, the trace's text and the row in
// docs/drops.md. A packet that is not transmitted or handed to the slow path ends in exactly one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vireo {

// X(constant, "name", "stage", "what it means and what to do")
#define VIREO_DROP_REASONS(X)                                                                      \
  /* frames of an Ethernet port */                                                                 \
  X(kFrameTooShort, "frame_too_short", "classify", "frame ends inside its headers")                \
  X(kVlanUnknown, "vlan_unknown", "classify",                                                      \
    "VLAN tag that no port has; add the VLAN or fix the switch")                                   \
  X(kEtherTypeUnknown, "ethertype_unknown", "classify", "neither IPv4, IPv6 nor ARP")              \
  X(kNotForUs, "not_for_us", "classify", "destination MAC or address is not ours")                 \
  X(kIpHeaderInvalid, "ip_header_invalid", "classify",                                             \
    "outer IP version, length or checksum is wrong")                                               \
  X(kFragmentInvalid, "fragment_invalid", "classify",                                              \
    "outer fragments overlap or lie about sizes")                                                  \
  X(kFragmentTimeout, "fragment_timeout", "classify",                                              \
    "outer fragments were missing after 1 s, or too many were waiting")                            \
  X(kUdpInvalid, "udp_invalid", "classify", "outer UDP length or checksum is wrong")               \
  X(kPortClosed, "port_closed", "classify", "no WireGuard on that UDP port")                       \
  /* WireGuard messages */                                                                         \
  X(kMessageInvalid, "message_invalid", "classify",                                                \
    "type, reserved bytes or size is not WireGuard's")                                             \
  X(kSessionUnknown, "session_unknown", "decrypt",                                                 \
    "receiver index names no session; the peer has an old one")                                    \
  X(kSessionExpired, "session_expired", "decrypt",                                                 \
    "session is older than 180 s or out of messages")                                              \
  X(kAuthenticationFailed, "authentication_failed", "decrypt", "wrong tag: forged or damaged")     \
  X(kReplayed, "replayed", "decrypt", "counter was seen before or is behind the window")           \
  X(kHandshakeQueueFull, "handshake_queue_full", "classify",                                       \
    "slow path has too many handshakes waiting")                                                   \
  X(kHandshakeRejected, "handshake_rejected", "slow",                                              \
    "handshake message that the engine refused (mac, unknown key, replay, rate)")                  \
  /* inner packets */                                                                              \
  X(kInnerInvalid, "inner_invalid", "authorize", "decrypted payload is not a whole IP packet")     \
  X(kSourceNotAllowed, "source_not_allowed", "authorize",                                          \
    "inner source is not in the peer's allowed IPs")                                               \
  X(kEcnInvalid, "ecn_invalid", "authorize",                                                       \
    "outer congestion mark on an inner packet that cannot carry it (RFC 6040)")                    \
  X(kAdmitInvalid, "admit_invalid", "admit",                                                       \
    "packet from an access port is not a whole IP packet")                                         \
  X(kSourceSpoofed, "source_spoofed", "admit",                                                     \
    "source address of an access packet belongs to a peer")                                        \
  X(kNoRoute, "no_route", "forward", "no peer or port has the destination; check allowed IPs")     \
  X(kTtlExpired, "ttl_expired", "forward", "TTL or hop limit reached zero")                        \
  X(kTooBig, "too_big", "forward, encapsulate",                                                    \
    "larger than the MTU of the way out and may not be fragmented")                                \
  X(kLoopedBack, "looped_back", "forward", "would go out to the peer it came from")                \
  X(kNoEndpoint, "no_endpoint", "encapsulate",                                                     \
    "peer has no endpoint yet; set one or wait for its handshake")                                 \
  X(kNoSession, "no_session", "encapsulate",                                                       \
    "no handshake completed and the staging queue overflowed or was given up")                     \
  X(kNoHeadroom, "no_headroom", "encapsulate", "no room for headers and no buffer to copy to")     \
  X(kNeighbourUnresolved, "neighbour_unresolved", "transmit",                                      \
    "next hop does not answer ARP or ND")                                                          \
  /* frames of tenant networks */                                                                  \
  X(kPortUnattached, "port_unattached", "bridge", "port of frames that is attached to no network") \
  X(kSourceMacSpoofed, "source_mac_spoofed", "bridge",                                             \
    "source MAC is not that of an endpoint on the port")                                           \
  X(kRateExceeded, "rate_exceeded", "meter", "port sends faster than its network's peak rate")     \
  X(kBroadcastRateExceeded, "broadcast_rate_exceeded", "meter",                                    \
    "port sends more frames to everybody than its network allows")                                 \
  X(kVxlanInvalid, "vxlan_invalid", "decapsulate",                                                 \
    "sizes or flags are not those of VXLAN (RFC 7348)")                                            \
  X(kNetworkUnknown, "network_unknown", "decapsulate",                                             \
    "VNI of a network that this router does not have")                                             \
  X(kRouterNotMember, "router_not_member", "decapsulate, bridge",                                  \
    "the other router does not have the network; add it there, or find out who sends")             \
  X(kPolicyForbids, "policy_forbids", "decapsulate, bridge",                                       \
    "the network's policy forbids this router or the other one to have it")                        \
  X(kSourceNotAtRouter, "source_not_at_router", "decapsulate",                                     \
    "source is not an endpoint behind the sending router")                                         \
  X(kDestinationUnknown, "destination_unknown", "bridge",                                          \
    "no endpoint of the network has the destination MAC, and the network does not flood")          \
  X(kNotHere, "not_here", "bridge", "came through a tunnel for an endpoint that is not here")      \
  X(kHairpin, "hairpin", "bridge", "destination is on the port that the frame came from")          \
  X(kNoMember, "no_member", "bridge", "frame to everybody in a network that nobody else is in")    \
  X(kCopiesFull, "copies_full", "bridge", "too many copies of frames to everybody at once")        \
  X(kVtepSpoofed, "vtep_spoofed", "decapsulate",                                                   \
    "message for our tunnel end point that is not from the sending router's own")                  \
  X(kOverlayControlInvalid, "overlay_control_invalid", "slow",                                     \
    "message between routers that cannot be read or is not theirs to send")                        \
  X(kHoldFull, "hold_full", "bridge", "too many frames wait for an endpoint that is moving")       \
  X(kHoldExpired, "hold_expired", "bridge",                                                        \
    "frame for a moving endpoint that was away for too long")                                      \
  X(kSourceAddressSpoofed, "source_address_spoofed", "admit, decapsulate",                         \
    "source IP address is not one of the endpoint's that sent the frame")                          \
  X(kArpSpoofed, "arp_spoofed", "admit, decapsulate",                                              \
    "ARP is malformed or its sender is not the endpoint that sent the frame")                      \
  X(kNdSpoofed, "nd_spoofed", "admit, decapsulate",                                                \
    "neighbour discovery is malformed or claims what is not the endpoint's that sent the frame")   \
  X(kGatewaySpoofed, "gateway_spoofed", "admit, decapsulate",                                      \
    "router advertisement, redirect or DHCP answer, which only the gateway may send here")         \
  X(kTargetUnknown, "target_unknown", "serve",                                                     \
    "ARP or ND for an address that no endpoint of the network has")                                \
  X(kNotServed, "not_served", "slow", "for the gateway, but malformed or nothing that it answers") \
  X(kNotRouted, "not_routed", "route",                                                             \
    "not a unicast IP packet, or past the gateway of a routed network")                            \
  X(kNoSubnet, "no_subnet", "route", "no subnet of the tenant has the destination address")        \
  X(kAddressUnknown, "address_unknown", "route",                                                   \
    "no endpoint has the destination address in its subnet")                                       \
  /* resources */                                                                                  \
  X(kNoBuffer, "no_buffer", "receive", "packet pool is empty")                                     \
  X(kSlowPathFull, "slow_path_full", "any", "slow path's queue is full")                           \
  X(kTransmitFull, "transmit_full", "transmit",                                                    \
    "port did not take the packet; it is slower than the offered load")                            \
  X(kPortGone, "port_gone", "any", "port was removed while its packets waited")                    \
  X(kShutdown, "shutdown", "any", "peer was removed while its packets waited")

enum class DropReason : std::uint8_t {
#define X(constant, name, stage, text) constant,
  VIREO_DROP_REASONS(X)
#undef X
};

inline constexpr std::size_t kDropReasons = 0
#define X(constant, name, stage, text) +1
    VIREO_DROP_REASONS(X)
#undef X
    ;

[[nodiscard]] std::string_view Name(DropReason reason);
[[nodiscard]] std::string_view Stage(DropReason reason);
[[nodiscard]] std::string_view Text(DropReason reason);

}  // namespace vireo
