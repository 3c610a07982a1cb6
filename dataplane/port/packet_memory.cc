#include "dataplane/port/packet_memory.h"

#include <linux/bpf.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace vireo {
namespace {

constexpr std::int32_t kXdpHeadroom = 256;  // XDP_PACKET_HEADROOM
constexpr std::int32_t kMinChunkSize = 2048;
static_assert(kXdpHeadroom >= kHeadroom);

}  // namespace

Result<PacketMemory> PacketMemory::Of(rte_mempool* pool) {
  const auto page = static_cast<std::int32_t>(sysconf(_SC_PAGESIZE));
  const std::int32_t data_room = rte_pktmbuf_data_room_size(pool) - kHeadroom - kTailroom;
  const std::int32_t frame = kBuffer + kHeadroom;  // from the mbuf
  // A chunk larger than a page is refused by the kernel.
  const std::int32_t frame_size = std::min(data_room, page - kXdpHeadroom);
  const std::int32_t chunk_size = std::max(kMinChunkSize, kXdpHeadroom + frame_size);
  const std::int32_t distance = frame + frame_size - chunk_size;
  if (rte_pktmbuf_priv_size(pool) != sizeof(PacketMeta) ||
      distance < -static_cast<std::int32_t>(pool->header_size)) {
    return Error{ErrorCode::kInvalidArgument,
                 "packets of " + std::to_string(data_room) +
                     " bytes are too small for AF_XDP; make the packet size at least 1600"};
  }

  PacketMemory memory;
  memory.pool_ = pool;
  memory.frame_size_ = static_cast<std::uint16_t>(frame_size);
  memory.chunk_size_ = static_cast<std::uint32_t>(chunk_size);
  memory.chunk_distance_ = distance;
  memory.chunk_headroom_ = static_cast<std::uint32_t>(frame - kXdpHeadroom - distance);

  struct Range {
    std::uintptr_t begin = UINTPTR_MAX, end = 0;
  } range;
  rte_mempool_mem_iter(
      pool,
      [](rte_mempool*, void* argument, rte_mempool_memhdr* chunk, unsigned) {
        auto& all = *static_cast<Range*>(argument);
        const auto begin = reinterpret_cast<std::uintptr_t>(chunk->addr);
        all.begin = std::min(all.begin, begin);
        all.end = std::max(all.end, begin + chunk->len);
      },
      &range);
  const std::uintptr_t mask = static_cast<std::uintptr_t>(page) - 1;
  range.begin &= ~mask;
  memory.base_ = reinterpret_cast<std::byte*>(range.begin);
  memory.size_ = ((range.end + mask) & ~mask) - range.begin;

  // DPDK places objects that fit a page within one.
  const std::uint32_t object = pool->header_size + pool->elt_size + pool->trailer_size;
  memory.chunks_cross_pages_ =
      rte_eal_has_hugepages() == 0 && object > static_cast<std::uint32_t>(page);
  return memory;
}

KernelPackets::KernelPackets(const PacketMemory& memory)
    : words_(memory.size() / kBytesPerWord + 1) {}

std::size_t KernelPackets::FreeAll(const PacketMemory& memory) {
  struct Walk {
    KernelPackets& self;
    const PacketMemory& memory;
    std::vector<Packet*> held;
  } walk{*this, memory, {}};
  rte_mempool_obj_iter(
      memory.pool(),
      [](rte_mempool*, void* argument, void* object, unsigned) {
        auto& w = *static_cast<Walk*>(argument);
        auto* packet = static_cast<Packet*>(object);
        const std::uint64_t chunk = w.memory.ChunkOf(packet);
        if ((w.self.words_[chunk / kBytesPerWord] & Bit(chunk)) != 0) w.held.push_back(packet);
      },
      &walk);
  for (Packet* packet : walk.held) {
    Take(memory.ChunkOf(packet));
    rte_mempool_put(memory.pool(), packet);
  }
  return walk.held.size();
}

}  // namespace vireo
