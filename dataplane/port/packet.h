// The packet handle: an mbuf, and what Vireo knows about it.
//
// Layout of a buffer: rte_mbuf (128 bytes) | PacketMeta (64) | headroom (kHeadroom) | data room.
// Every packet of the packet path is one contiguous, unshared buffer (nb_segs 1, refcnt 1); a port
// that gets a chain from its driver linearizes it first. `data()` is the current protocol layer:
// stages strip and prepend headers by moving it.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"
#include "dataplane/port/drop_reason.h"

namespace vireo {

namespace wg {
struct Session;
struct PeerPath;
}  // namespace wg
struct UnderlayPath;

using Packet = rte_mbuf;

// Room in front of received data: VXLAN 8 + UDP 8 + IPv4 20 + Ethernet 14, WireGuard 16, outer
// UDP 8 + IPv6 40 + VLAN 4 + Ethernet 14, rounded up to cache lines.
inline constexpr std::uint16_t kHeadroom = 192;
// What sealing needs of it: WireGuard 16, outer UDP 8 + IPv6 40 + VLAN 4 + Ethernet 14.
inline constexpr std::uint16_t kSealHeadroom = 82;
// Room that must stay free behind the data of a packet that may be sealed: padding 15, tag 16, and
// kAeadTailroom 64.
inline constexpr std::uint16_t kTailroom = 96;

// What a packet is for the stages that follow.
enum class PacketKind : std::uint8_t {
  kInner,           // data() is an IP packet of the overlay (or empty: a keepalive to send)
  kTransport,       // data() is a WireGuard transport message
  kHandshake,       // data() is a WireGuard handshake or cookie message
  kOwned,           // an inner packet for an address of ours: the slow path answers
  kUnresolved,      // an inner packet whose neighbour on out_port is not known: the slow path asks
  kReassembled,     // an outer IP packet that came in fragments, from the slow path
  kRaw,             // data() is a finished frame of the port it goes to
  kFrame,           // a frame that the router made for `network`, whose VNI is `nexthop`
  kOverlayControl,  // data() is a message of another router to ours, `peer` sent it
  kTenant,       // a frame of a tenant network for its gateway or services: the slow path answers
  kTenantError,  // like kError, of a tenant's frame
  kError,        // dropped already, for Meta().reason; the slow path may tell the source by ICMP
};

// Lives beside the mbuf; whoever holds the packet may write it. Reset by the receiving port.
struct alignas(64) PacketMeta {
  net::UdpEndpoint remote;     // uplink: who sent it (receive) or where a handshake goes (transmit)
  std::uint16_t in_port = 0;   // PortId it came in by
  std::uint16_t out_port = 0;  // PortId it goes out by, set by forward and encapsulate
  PacketKind kind = PacketKind::kInner;
  DropReason reason{};             // kError only
  std::uint8_t tunnel_tos = 0;     // DSCP that its network has in the outer header, upper six bits
  std::uint8_t outer_tos = 0;      // received: TOS / traffic class of the outer header
  std::uint32_t trace = 0;         // 0: not traced; else an identity within the trace
  std::uint32_t nexthop = 0;       // index into the snapshot's next hops, set by forward
  std::uint16_t network = 0;       // NetworkId of a tenant's frame, 0: none
  std::uint16_t move : 15 = 0;     // Place::move that the frame waited for, 0: none
  bool dont_fragment : 1 = false;  // of what goes to an uplink: the underlay must pass it whole
  std::uint32_t gate = 0;          // whose gate it waited for, see MoveGates
  // kError, kTenantError: the IP packet that would have fitted its way, bytes; 0: not known.
  std::uint16_t fits = 0;
  // Where its copies are noted, if capture_burst is the present one.
  std::uint16_t capture_note = 0;
  std::uint32_t capture_burst = 0;  // Capturer's; 0: it has no copies
  wg::PeerPath* peer = nullptr;     // who sent it (decrypt), then who is to get it (forward)
};
static_assert(sizeof(PacketMeta) == 64);

inline PacketMeta& Meta(Packet* packet) {
  return *static_cast<PacketMeta*>(rte_mbuf_to_priv(packet));
}

inline std::byte* Data(Packet* packet) { return rte_pktmbuf_mtod(packet, std::byte*); }
inline std::uint16_t Size(const Packet* packet) { return packet->data_len; }
inline MutableBytes Bytes(Packet* packet) { return {Data(packet), Size(packet)}; }
template <typename Header>
Header* HeaderAt(Packet* packet, std::size_t offset = 0) {
  return reinterpret_cast<Header*>(Data(packet) + offset);
}

inline std::uint16_t Headroom(const Packet* packet) { return packet->data_off; }
inline std::uint16_t Tailroom(const Packet* packet) {
  return static_cast<std::uint16_t>(packet->buf_len - packet->data_off - packet->data_len);
}
inline void SetSize(Packet* packet, std::uint16_t size) {
  packet->data_len = size;
  packet->pkt_len = size;
}
// REQUIRES: size <= Size(packet).
inline void StripFront(Packet* packet, std::uint16_t size) {
  packet->data_off = static_cast<std::uint16_t>(packet->data_off + size);
  SetSize(packet, static_cast<std::uint16_t>(packet->data_len - size));
}
// REQUIRES: size <= Headroom(packet). Returns the new front.
inline std::byte* Prepend(Packet* packet, std::uint16_t size) {
  packet->data_off = static_cast<std::uint16_t>(packet->data_off - size);
  SetSize(packet, static_cast<std::uint16_t>(packet->data_len + size));
  return Data(packet);
}
// An empty packet with full headroom again. The buffer is otherwise left as it is.
inline void ResetPacket(Packet* packet) {
  packet->data_off = kHeadroom;
  SetSize(packet, 0);
}

// Gives the buffer back to its pool.
inline void FreePacket(Packet* packet) { rte_pktmbuf_free(packet); }

// An empty packet with kHeadroom and fresh metadata, or nullptr if the pool is empty.
[[nodiscard]] inline Packet* AllocatePacket(rte_mempool* pool) {
  Packet* packet = rte_pktmbuf_alloc(pool);
  if (packet == nullptr) return nullptr;
  ResetPacket(packet);
  Meta(packet) = PacketMeta{};
  return packet;
}

// A copy from the same pool with full headroom, metadata included; nullptr if the pool is empty or
// its buffers are too small.
[[nodiscard]] Packet* CopyPacket(Packet* packet);

// Where packets come from. Any registered thread may allocate and free (rte_mempool caches).
// `data_room` is the largest frame in bytes, tailroom added by the pool.
// Returns nullptr when memory is short.
rte_mempool* MakePacketPool(const char* name, unsigned packets, std::uint16_t data_room);

// The largest frame that the pool's packets hold, bytes.
[[nodiscard]] std::uint16_t DataRoomOf(const rte_mempool* pool);

struct PoolUsage {
  unsigned packets = 0;
  unsigned free = 0;
  std::size_t packet_bytes = 0;  // of memory, headers included
};
[[nodiscard]] PoolUsage UsageOf(const rte_mempool* pool);

}  // namespace vireo
