// A packet pool seen as the UMEM of AF_XDP sockets, so that frames land straight in packets.
//
// Theory of operation. The UMEM is all memory of the pool, registered with unaligned chunks. The
// chunk of a packet is a part of its buffer at a fixed distance from the mbuf, so either is found
// from the other by one addition:
//
//   object header | rte_mbuf | PacketMeta | headroom (kHeadroom) | data room | tailroom
//                                 ^ chunk: XDP's own 256 bytes    ^ frame     ^ end of the chunk
//
// XDP keeps XDP_PACKET_HEADROOM (256) bytes in front of a frame and writes to them only for a
// program that moves the front or adds metadata, which ours does not; so they may overlap
// PacketMeta and kHeadroom. That puts a received frame exactly kHeadroom behind the buffer's start.
// A kernel chunk has at least 2048 bytes; for a pool with a smaller data room it starts further
// in front.
//
// Invariants: chunks of two packets never overlap, and start at least 2048 bytes apart.
#pragma once

#include <rte_mempool.h>

#include <cassert>
#include <cstdint>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/port/packet.h"

namespace vireo {

class PacketMemory {
 public:
  // REQUIRES: `pool` is of MakePacketPool and outlives the result. Errors: kInvalidArgument (data
  // room below 1600 bytes).
  static Result<PacketMemory> Of(rte_mempool* pool);

  [[nodiscard]] rte_mempool* pool() const { return pool_; }
  // What the kernel is to register.
  [[nodiscard]] std::byte* base() const { return base_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint32_t chunk_size() const { return chunk_size_; }
  [[nodiscard]] std::uint32_t chunk_headroom() const { return chunk_headroom_; }
  // The largest frame that can be received, bytes.
  [[nodiscard]] std::uint16_t frame_size() const { return frame_size_; }
  // A chunk may lie across two pages that a NIC sees apart, so a driver cannot receive into it
  // directly.
  [[nodiscard]] bool chunks_cross_pages() const { return chunks_cross_pages_; }

  // Byte offset of the packet's chunk in the UMEM.
  [[nodiscard]] std::uint64_t ChunkOf(const Packet* packet) const {
    return static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(packet) + chunk_distance_ -
                                      base_);
  }
  [[nodiscard]] Packet* PacketOf(std::uint64_t chunk) const {
    return reinterpret_cast<Packet*>(base_ + chunk - chunk_distance_);
  }
  // Where the packet's data starts, from its chunk's start.
  [[nodiscard]] std::uint64_t DataOffset(const Packet* packet) const {
    return static_cast<std::uint64_t>(kBuffer - chunk_distance_) + packet->data_off;
  }
  // The data_off of a frame at `offset` in its chunk.
  [[nodiscard]] std::uint16_t DataOff(std::uint64_t offset) const {
    return static_cast<std::uint16_t>(offset -
                                      static_cast<std::uint64_t>(kBuffer - chunk_distance_));
  }

 private:
  PacketMemory() = default;

  // Distance from an mbuf to its buffer.
  static constexpr std::int32_t kBuffer = sizeof(rte_mbuf) + sizeof(PacketMeta);

  rte_mempool* pool_ = nullptr;
  std::byte* base_ = nullptr;
  std::uint64_t size_ = 0;
  std::int32_t chunk_distance_ = 0;
  std::uint32_t chunk_size_ = 0;
  std::uint32_t chunk_headroom_ = 0;
  std::uint16_t frame_size_ = 0;
  bool chunks_cross_pages_ = false;
};

// Which packets of a pool the kernel holds: a bit each. Not thread-safe.
class KernelPackets {
 public:
  explicit KernelPackets(const PacketMemory& memory);

  // REQUIRES: the kernel does not hold the packet whose chunk starts at `chunk`.
  void Give(std::uint64_t chunk) {
    std::uint64_t& word = words_[chunk / kBytesPerWord];
    assert((word & Bit(chunk)) == 0);
    word |= Bit(chunk);
  }
  // REQUIRES: the kernel holds it.
  void Take(std::uint64_t chunk) {
    std::uint64_t& word = words_[chunk / kBytesPerWord];
    assert((word & Bit(chunk)) != 0);
    word &= ~Bit(chunk);
  }
  // Frees all that the kernel holds, once it has no more access. Returns how many there were.
  std::size_t FreeAll(const PacketMemory& memory);

 private:
  static constexpr std::uint64_t kMinChunk = 2048;
  static constexpr std::uint64_t kBytesPerWord = kMinChunk * 64;
  static std::uint64_t Bit(std::uint64_t chunk) {
    return std::uint64_t{1} << (chunk / kMinChunk % 64);
  }

  std::vector<std::uint64_t> words_;
};

}  // namespace vireo
