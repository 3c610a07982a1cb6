// A hash table of 64-bit words with one writer and any number of readers that never wait.
//
// Theory of operation. Open addressing with linear probing, at most three quarters full. A slot is
// a key of kWords atomic words and a value of one. A key, once in a slot, stays until the whole
// array is replaced: removing a key only clears its value. So a reader that found a key reads the
// value of that key and no other, whatever the writer does meanwhile. An array that is full of
// keys, living or not, is copied to one that fits the living; readers get it by one store, and the
// old one is freed when no worker can hold it.
//
// Memory: (kWords + 1) * 8 bytes a slot, 1.33 to 2.67 slots a key as long as none are removed. An
// array that lost most of its keys keeps its size until it is full of keys again.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace vireo {

// Threads: Find and Prefetch from workers, the rest from the slow path.
template <std::size_t kWords>
class WordTable {
 public:
  // The last word of a key is never 0.
  using Key = std::array<std::uint64_t, kWords>;
  // Frees an array that was replaced once no worker can hold it.
  using Retire = std::function<void(std::shared_ptr<const void>)>;

  // `seed`: random, so that nobody can choose keys that collide.
  WordTable(std::uint64_t seed, Retire retire)
      : seed_(seed),
        retire_(std::move(retire)),
        owned_(std::make_shared<Array>(kMinCapacity)),
        array_(owned_.get()) {}

  // The key's value; 0 if there is none.
  [[nodiscard]] std::uint64_t Find(const Key& key) const {
    const Array& array = *array_.load(std::memory_order_acquire);
    for (std::size_t i = Hash(key);; ++i) {
      const Slot& slot = array.slots[i & array.mask];
      const std::uint64_t last = slot.key[kWords - 1].load(std::memory_order_acquire);
      if (last == 0) return 0;
      if (last == key[kWords - 1] && SameRest(slot, key)) {
        return slot.value.load(std::memory_order_acquire);
      }
    }
  }
  // Does nothing for a small table: that is in the second-level cache, and hashing would cost more.
  void Prefetch(const Key& key) const {
    const Array& array = *array_.load(std::memory_order_acquire);
    if (array.mask < kCachedCapacity) return;
    __builtin_prefetch(&array.slots[Hash(key) & array.mask]);
  }

  // REQUIRES: a value that is not 0.
  void Put(const Key& key, std::uint64_t value) {
    assert(key[kWords - 1] != 0 && value != 0);
    Slot* slot = &SlotOf(*owned_, key);
    if (IsFree(*slot)) {
      MakeRoom();
      slot = &SlotOf(*owned_, key);
      Fill(*slot, key, value);
      ++used_;
      ++living_;
      return;
    }
    living_ += slot->value.load(std::memory_order_relaxed) == 0;
    // Release: what the value names is there for whoever reads it.
    slot->value.store(value, std::memory_order_release);
  }
  void Remove(const Key& key) {
    Slot& slot = SlotOf(*owned_, key);
    if (IsFree(slot)) return;
    living_ -= slot.value.load(std::memory_order_relaxed) != 0;
    slot.value.store(0, std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t size() const { return living_; }
  // Of the array in use.
  [[nodiscard]] std::size_t bytes() const {
    return sizeof(Array) + (owned_->mask + 1) * sizeof(Slot);
  }

 private:
  struct Slot {
    std::array<std::atomic<std::uint64_t>, kWords> key{};  // last word 0: free
    std::atomic<std::uint64_t> value{0};
  };
  struct Array {
    explicit Array(std::size_t capacity)
        : mask(capacity - 1), slots(std::make_unique<Slot[]>(capacity)) {}
    std::size_t mask;
    std::unique_ptr<Slot[]> slots;
  };

  static constexpr std::size_t kMinCapacity = 64;
  static constexpr std::size_t kCachedCapacity = 4096;

  static bool IsFree(const Slot& slot) {
    return slot.key[kWords - 1].load(std::memory_order_relaxed) == 0;
  }
  // All words but the last, which was seen to be the key's: then they are written.
  static bool SameRest(const Slot& slot, const Key& key) {
    for (std::size_t i = 0; i + 1 < kWords; ++i) {
      if (slot.key[i].load(std::memory_order_relaxed) != key[i]) return false;
    }
    return true;
  }
  // The value first, the last word last: whoever sees the key finds it whole.
  static void Fill(Slot& slot, const Key& key, std::uint64_t value) {
    slot.value.store(value, std::memory_order_relaxed);
    for (std::size_t i = 0; i + 1 < kWords; ++i) {
      slot.key[i].store(key[i], std::memory_order_relaxed);
    }
    slot.key[kWords - 1].store(key[kWords - 1], std::memory_order_release);
  }
  [[nodiscard]] std::size_t Hash(const Key& key) const {
    std::uint64_t mixed = seed_;
    for (const std::uint64_t word : key) {
      // Both halves of the product: the upper one's low bits depend on all of the word.
      const unsigned __int128 product =
          static_cast<unsigned __int128>(mixed ^ word) * 0x9e3779b97f4a7c15u;
      mixed = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    }
    return mixed;
  }
  // The key's slot, or the free one where it would be.
  Slot& SlotOf(Array& array, const Key& key) const {
    for (std::size_t i = Hash(key);; ++i) {
      Slot& slot = array.slots[i & array.mask];
      const std::uint64_t last = slot.key[kWords - 1].load(std::memory_order_relaxed);
      if (last == 0 || (last == key[kWords - 1] && SameRest(slot, key))) return slot;
    }
  }
  // One more key must leave a quarter of the slots empty, so that searches end.
  void MakeRoom() {
    const std::size_t capacity = owned_->mask + 1;
    if ((used_ + 1) * 4 <= capacity * 3) return;
    auto larger = std::make_shared<Array>(std::max(kMinCapacity, std::bit_ceil((living_ + 1) * 2)));
    for (std::size_t i = 0; i < capacity; ++i) {
      const Slot& from = owned_->slots[i];
      const std::uint64_t value = from.value.load(std::memory_order_relaxed);
      if (value == 0) continue;
      Key key;
      for (std::size_t word = 0; word < kWords; ++word) {
        key[word] = from.key[word].load(std::memory_order_relaxed);
      }
      Fill(SlotOf(*larger, key), key, value);
    }
    used_ = living_;
    array_.store(larger.get(), std::memory_order_release);
    retire_(std::exchange(owned_, std::move(larger)));
  }

  const std::uint64_t seed_;
  const Retire retire_;
  std::shared_ptr<Array> owned_;  // what array_ points to
  std::atomic<Array*> array_;
  std::size_t living_ = 0;
  std::size_t used_ = 0;  // slots with a key
};

}  // namespace vireo
