#include "dataplane/port/packet.h"

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mbuf_pool_ops.h>

#include <cstring>

namespace vireo {

Packet* CopyPacket(Packet* packet) {
  Packet* copy = AllocatePacket(packet->pool);
  if (copy == nullptr) return nullptr;
  if (Tailroom(copy) < Size(packet) + kTailroom) {
    FreePacket(copy);
    return nullptr;
  }
  SetSize(copy, Size(packet));
  std::memcpy(Data(copy), Data(packet), Size(packet));
  Meta(copy) = Meta(packet);
  return copy;
}

// What rte_pktmbuf_pool_create does, but for the flags. Without hugepages it would put every packet
// at the start of a page of its own, since pages are not contiguous for a device: half as much
// memory again, and the headers of all packets in the same few sets of the first-level cache. No
// device does DMA into such memory, so packets are laid end to end.
rte_mempool* MakePacketPool(const char* name, unsigned packets, std::uint16_t data_room) {
  const auto room = static_cast<std::uint16_t>(kHeadroom + data_room + kTailroom);
  const unsigned cache = packets >= 4096 ? 256 : 64;
  const unsigned size = sizeof(rte_mbuf) + sizeof(PacketMeta) + room;
  const unsigned flags = rte_eal_has_hugepages() != 0 ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
  rte_mempool* pool =
      rte_mempool_create_empty(name, packets, size, cache, sizeof(rte_pktmbuf_pool_private),
                               static_cast<int>(rte_socket_id()), flags);
  if (pool == nullptr) return nullptr;
  rte_pktmbuf_pool_private layout{};
  layout.mbuf_data_room_size = room;
  layout.mbuf_priv_size = sizeof(PacketMeta);
  rte_pktmbuf_pool_init(pool, &layout);
  if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), nullptr) != 0 ||
      rte_mempool_populate_default(pool) < 0) {
    rte_mempool_free(pool);
    return nullptr;
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

std::uint16_t DataRoomOf(const rte_mempool* pool) {
  return static_cast<std::uint16_t>(rte_pktmbuf_data_room_size(const_cast<rte_mempool*>(pool)) -
                                    kHeadroom - kTailroom);
}

PoolUsage UsageOf(const rte_mempool* pool) {
  return {pool->size, rte_mempool_avail_count(pool), pool->elt_size};
}

}  // namespace vireo
