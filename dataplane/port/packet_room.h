// Makes what a DPDK driver received into a packet as port.h promises it: one buffer, unshared,
// kHeadroom in front and kTailroom behind.
//
// Drivers put data RTE_PKTMBUF_HEADROOM (128) into the buffer, a constant of DPDK's build, and
// net_af_xdp 256 bytes behind that. Moving the data costs a copy within the cache; it does not
// happen with ports that place data themselves.
#pragma once

#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/port/packet.h"

namespace vireo {

// Moves the data of a one-segment packet where it has both rooms. False if the buffer is too small.
inline bool GiveRoom(Packet* packet) {
  if (Headroom(packet) >= kHeadroom && Tailroom(packet) >= kTailroom) [[likely]]
    return true;
  if (kHeadroom + Size(packet) + kTailroom > packet->buf_len) return false;
  const std::byte* data = Data(packet);
  packet->data_off = kHeadroom;
  std::memmove(Data(packet), data, Size(packet));
  return true;
}

// The same for any packet of a driver: a chain is copied to a packet of `pool` and freed. Returns
// nullptr, and frees the packet, if it is larger than the pool's packets or none is left.
inline Packet* OneBuffer(Packet* packet, rte_mempool* pool) {
  if (packet->nb_segs == 1) [[likely]] {
    if (GiveRoom(packet)) [[likely]]
      return packet;
    rte_pktmbuf_free(packet);
    return nullptr;
  }
  Packet* copy = rte_pktmbuf_alloc(pool);
  if (copy != nullptr) {
    ResetPacket(copy);
    if (packet->pkt_len + kHeadroom + kTailroom <= copy->buf_len) {
      const auto size = static_cast<std::uint16_t>(packet->pkt_len);
      const void* bytes = rte_pktmbuf_read(packet, 0, size, Data(copy));
      if (bytes != Data(copy)) std::memcpy(Data(copy), bytes, size);
      SetSize(copy, size);
    } else {
      rte_pktmbuf_free(copy);
      copy = nullptr;
    }
  }
  rte_pktmbuf_free(packet);
  return copy;
}

}  // namespace vireo
