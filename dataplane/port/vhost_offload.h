// What a VM leaves to us to do about a frame, and we to it, in librte_vhost's terms: flags of the
// buffers (RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS).
#pragma once

#include <span>

#include "dataplane/net/segment.h"
#include "dataplane/port/packet.h"

namespace vireo {

// The VM wants it cut into segments.
[[nodiscard]] inline bool IsLarge(const Packet* packet) {
  return (packet->ol_flags & RTE_MBUF_F_RX_LRO) != 0;
}
// The VM has left the transport checksum to us.
[[nodiscard]] inline bool IsUnsummed(const Packet* packet) {
  return (packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

struct FrameOffload {
  net::Offload offload;
  std::size_t link_size = 0;  // bytes in front of the IP packet

  explicit operator bool() const { return link_size != 0; }
};

// The work of a frame whose buffer says that it is large or unsummed. False if the frame is no TCP
// or UDP over IP, or is cut off. `frame` is all of it in one piece.
[[nodiscard]] FrameOffload OffloadOf(const Packet* packet, ConstBytes frame);

// Finishes the checksum in place. False as OffloadOf. REQUIRES: one buffer.
[[nodiscard]] bool FinishChecksum(Packet* packet);

// Chains what net::Coalescer has joined into one packet for the VM to take as a whole; `owners` are
// the packets. Returns the first.
Packet* Chain(const net::Offload& offload, std::span<const ConstBytes> parts,
              std::span<void* const> owners);

}  // namespace vireo
