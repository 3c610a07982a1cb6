#include "dataplane/wg/session_table.h"

#include <utility>

namespace vireo::wg {

SessionTable::~SessionTable() {
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
}

std::uint32_t SessionTable::Allocate(void* owner) {
  if (free_slots_.empty()) {
    if (slots_ > kSlotMask) return kNoIndex;
    // A chunk of slots at a time, so that taking a random one spreads indices from the start.
    chunks_[slots_ >> kChunkBits].store(new Chunk, std::memory_order_release);
    for (std::uint32_t i = 0; i <= kChunkMask; ++i) free_slots_.push_back(slots_++);
  }
  const std::uint64_t random = random_.Next64();
  std::swap(free_slots_[random % free_slots_.size()], free_slots_.back());
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  std::uint32_t index = static_cast<std::uint32_t>(random >> 32) << kSlotBits | slot;
  if (index == kNoIndex) index = slot;
  Chunk& chunk = *chunks_[slot >> kChunkBits].load(std::memory_order_relaxed);
  chunk.owners[slot & kChunkMask] = owner;
  chunk.indices[slot & kChunkMask] = index;
  return index;
}

void* SessionTable::Owner(std::uint32_t index) const {
  const Chunk* chunk = chunks_[(index & kSlotMask) >> kChunkBits].load(std::memory_order_relaxed);
  if (chunk == nullptr || chunk->indices[index & kChunkMask] != index) return nullptr;
  return chunk->owners[index & kChunkMask];
}

void SessionTable::Publish(Session& session) {
  Chunk& chunk =
      *chunks_[(session.local_index & kSlotMask) >> kChunkBits].load(std::memory_order_relaxed);
  chunk.sessions[session.local_index & kChunkMask].store(&session, std::memory_order_release);
}

void SessionTable::Free(std::uint32_t index) {
  const std::uint32_t slot = index & kSlotMask;
  Chunk& chunk = *chunks_[slot >> kChunkBits].load(std::memory_order_relaxed);
  if (chunk.indices[slot & kChunkMask] != index || chunk.owners[slot & kChunkMask] == nullptr) {
    return;
  }
  chunk.sessions[slot & kChunkMask].store(nullptr, std::memory_order_release);
  chunk.owners[slot & kChunkMask] = nullptr;
  free_slots_.push_back(slot);
}

}  // namespace vireo::wg
