// A worker's few packets in hand, so that a port allocates in bulk and not one by one.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "dataplane/port/packet.h"

namespace vireo {

// Not thread-safe: part of one queue of a port.
class PacketStash {
 public:
  static constexpr std::size_t kBulk = 32;

  // Borrows `pool`, which must outlive the stash.
  explicit PacketStash(rte_mempool* pool) : pool_(pool) {}
  PacketStash(const PacketStash&) = delete;
  PacketStash& operator=(const PacketStash&) = delete;
  ~PacketStash() {
    if (count_ != 0) rte_pktmbuf_free_bulk(packets_.data(), static_cast<unsigned>(count_));
  }

  // An empty packet with kHeadroom in front and Meta() reset, now the caller's; nullptr if the pool
  // is empty.
  Packet* Take() {
    if (count_ == 0 && !Fill()) return nullptr;
    Packet* packet = packets_[--count_];
    ResetPacket(packet);
    Meta(packet) = {};
    return packet;
  }

 private:
  bool Fill() {
    for (const std::size_t want : {kBulk, std::size_t{1}}) {
      if (rte_pktmbuf_alloc_bulk(pool_, packets_.data(), static_cast<unsigned>(want)) == 0) {
        count_ = want;
        return true;
      }
    }
    return false;
  }

  rte_mempool* pool_;
  std::size_t count_ = 0;
  std::array<Packet*, kBulk> packets_;
};

// The largest frame that fits an empty packet of `pool`, bytes.
inline std::size_t DataRoom(rte_mempool* pool) {
  return std::size_t{rte_pktmbuf_data_room_size(pool)} - kHeadroom - kTailroom;
}

}  // namespace vireo
