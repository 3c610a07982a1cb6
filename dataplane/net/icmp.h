// ICMP (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3) and ICMPv6 (RFC 4443): answers to echo requests,
// and errors about packets that cannot be forwarded. Pure functions on IP packets; how often they
// may be sent is the caller's to limit (dataplane/slow/icmp_limiter.h).
#pragma once

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"

namespace vireo::net {

// Turns an echo request into its reply, in place: addresses swapped, TTL 64, checksums mended.
// Returns the reply's size, bytes (less than packet.size() if padding follows); 0, and the packet
// unchanged, if it is no echo request that may be answered: wrong lengths or checksums, a fragment,
// IPv4 options or IPv6 extension headers, a destination or source that is not one host's.
// REQUIRES: the caller has checked that the destination is an address of ours.
[[nodiscard]] std::size_t EchoReplyInPlace(MutableBytes packet);

enum class IcmpError : std::uint8_t {
  kTimeExceeded,     // TTL or hop limit reached zero
  kPacketTooBig,     // ... and DF set, or IPv6: the sender has to make it smaller
  kNetUnreachable,   // no route
  kHostUnreachable,  // route, but nobody answers
  kAdminProhibited,  // policy
};

// Largest IP packets that errors are, bytes: RFC 1812 §4.3.2.3, RFC 4443 §2.4(c).
inline constexpr std::size_t kIcmpErrorMaxSize = 576;
inline constexpr std::size_t kIcmpv6ErrorMaxSize = 1280;

// Writes a whole IP packet from `source` to the sender of `offending`, quoting as much of it as
// fits. `offending` is an IP packet as it was received (TTL not yet decremented), perhaps with
// padding behind it; `mtu` is told in kPacketTooBig, bytes.
// Returns the bytes written; 0 if there must be no error about this packet (RFC 1122 §3.2.2,
// RFC 4443 §2.4(e)): it is an ICMP error or redirect itself, or its headers end before one can
// tell; it is a fragment but not the first; its source is not one host's; its destination is
// multicast or broadcast (but kPacketTooBig about IPv6 multicast is sent: path MTU discovery needs
// it). Also 0 if `source` is not of its family, or `out` is too small to quote the IP header.
// REQUIRES: it did not come as a link-layer broadcast or multicast, except kPacketTooBig for IPv6.
[[nodiscard]] std::size_t BuildIcmpError(ConstBytes offending, IcmpError error, std::uint32_t mtu,
                                         const IpAddress& source, MutableBytes out);

}  // namespace vireo::net
