// Receiver index → session or pending handshake.
//
// An index is a slot number in its low 20 bits and random high bits, so a look-up is one indexed
// load and one comparison, and an index is not reused soon after it was freed.
//
// Thread safety: Find from any worker; everything else from the slow path only.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/base/random.h"
#include "dataplane/wg/session.h"

namespace vireo::wg {

class SessionTable {
 public:
  explicit SessionTable(RandomSource& random) : random_(random) {}
  ~SessionTable();

  // Takes a free slot for a handshake that is under way; nullopt-like 0xffffffff when 2^20 are in
  // use. `owner` is handed back by Owner().
  static constexpr std::uint32_t kNoIndex = UINT32_MAX;
  [[nodiscard]] std::uint32_t Allocate(void* owner);
  // Who allocated the index, or nullptr if it is not (or no longer) in use.
  [[nodiscard]] void* Owner(std::uint32_t index) const;
  // Makes the session visible to workers under its local_index. REQUIRES: allocated.
  void Publish(Session& session);
  // Frees the index; workers that still hold the session are waited for by the caller
  // (quiescence) before it is deleted.
  void Free(std::uint32_t index);

  // The session that the index names, or nullptr.
  [[nodiscard]] Session* Find(std::uint32_t index) const {
    Session* session = InSlot(index);
    return session != nullptr && session->local_index == index ? session : nullptr;
  }
  // The session in the slot that the index names, or nullptr; does not touch the session, which
  // may have another index.
  [[nodiscard]] Session* InSlot(std::uint32_t index) const {
    const Chunk* chunk = chunks_[(index & kSlotMask) >> kChunkBits].load(std::memory_order_acquire);
    if (chunk == nullptr) [[unlikely]]
      return nullptr;
    return chunk->sessions[index & kChunkMask].load(std::memory_order_acquire);
  }
  // Brings the slot into the cache before Find.
  void Prefetch(std::uint32_t index) const {
    const Chunk* chunk = chunks_[(index & kSlotMask) >> kChunkBits].load(std::memory_order_relaxed);
    if (chunk != nullptr) __builtin_prefetch(&chunk->sessions[index & kChunkMask]);
  }

 private:
  static constexpr unsigned kSlotBits = 20;
  static constexpr unsigned kChunkBits = 10;
  static constexpr std::uint32_t kSlotMask = (1u << kSlotBits) - 1;
  static constexpr std::uint32_t kChunkMask = (1u << kChunkBits) - 1;

  struct Chunk {
    std::array<std::atomic<Session*>, 1u << kChunkBits> sessions{};
    std::array<void*, 1u << kChunkBits> owners{};
    std::array<std::uint32_t, 1u << kChunkBits> indices{};
  };

  RandomSource& random_;
  std::array<std::atomic<Chunk*>, 1u << (kSlotBits - kChunkBits)> chunks_{};
  std::vector<std::uint32_t> free_slots_;
  std::uint32_t slots_ = 0;
};

}  // namespace vireo::wg
