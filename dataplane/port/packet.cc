#include "dataplane/port/packet.h"

#include <rte_lcore.h>

#include <cstring>

namespace vireo {

Packet* CopyPacket(Packet* packet) {
  Packet* copy = rte_pktmbuf_alloc(packet->pool);
  if (copy == nullptr) return nullptr;
  ResetPacket(copy);
  if (Tailroom(copy) < Size(packet) + kTailroom) {
    FreePacket(copy);
    return nullptr;
  }
  SetSize(copy, Size(packet));
  std::memcpy(Data(copy), Data(packet), Size(packet));
  Meta(copy) = Meta(packet);
  return copy;
}

rte_mempool* MakePacketPool(const char* name, unsigned packets, std::uint16_t data_room) {
  const auto room = static_cast<std::uint16_t>(kHeadroom + data_room + kTailroom);
  const unsigned cache = packets >= 4096 ? 256 : 64;
  return rte_pktmbuf_pool_create(name, packets, cache, sizeof(PacketMeta), room,
                                 static_cast<int>(rte_socket_id()));
}

}  // namespace vireo
