// Where each endpoint of the tenant networks is: a hash table with one writer and any number of
// readers that never wait.
//
// Theory of operation. Open addressing with linear probing, at most three quarters full. A slot is
// a key and a place, each one atomic word. A key, once in a slot, stays until the whole array is
// replaced: removing an endpoint only clears its place. So a reader that found a key reads the
// place of that endpoint and no other, whatever the writer does meanwhile. An array that is full of
// keys, living or not, is copied to one that fits the living; readers get it by one store, and the
// old one is freed when no worker can hold it.
//
// Memory: 16 bytes a slot; 21 to 43 an endpoint as long as none are removed. An array that lost
// most of its endpoints keeps its size until it is full of keys again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "dataplane/net/address.h"

namespace vireo {

// Index of a tenant network on this router, from 1 on; 0: none. Not its VNI.
using NetworkId = std::uint16_t;

// Where an endpoint is: on a port of this router, or behind another router.
struct Place {
  enum class Kind : std::uint8_t {
    kNowhere,  // no such endpoint
    kPort,     // `index` is a PortId
    kRouter,   // `index` is the slot of the router's peer
  };
  Kind kind = Kind::kNowhere;
  std::uint32_t index = 0;

  bool operator==(const Place&) const = default;
};

// Threads: Find and Prefetch from workers, the rest from the slow path.
class EndpointTable {
 public:
  // Frees an array that was replaced once no worker can hold it.
  using Retire = std::function<void(std::shared_ptr<const void>)>;

  // `seed`: random, so that nobody can choose MACs that collide.
  EndpointTable(std::uint64_t seed, Retire retire);

  [[nodiscard]] Place Find(NetworkId network, const net::MacAddress& mac) const {
    const Array& array = *array_.load(std::memory_order_acquire);
    const std::uint64_t key = KeyOf(network, mac);
    for (std::size_t i = Hash(key);; ++i) {
      const Slot& slot = array.slots[i & array.mask];
      const std::uint64_t held = slot.key.load(std::memory_order_acquire);
      if (held == key) return Unpack(slot.place.load(std::memory_order_relaxed));
      if (held == kNoKey) return {};
    }
  }
  void Prefetch(NetworkId network, const net::MacAddress& mac) const {
    const Array& array = *array_.load(std::memory_order_acquire);
    __builtin_prefetch(&array.slots[Hash(KeyOf(network, mac)) & array.mask]);
  }

  // REQUIRES: network != 0, and a place that is not kNowhere.
  void Put(NetworkId network, const net::MacAddress& mac, Place place);
  void Remove(NetworkId network, const net::MacAddress& mac);
  [[nodiscard]] std::size_t size() const { return living_; }
  // Of the array in use.
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct Slot {
    std::atomic<std::uint64_t> key{kNoKey};
    std::atomic<std::uint64_t> place{0};
  };
  struct Array {
    explicit Array(std::size_t capacity)
        : mask(capacity - 1), slots(std::make_unique<Slot[]>(capacity)) {}
    std::size_t mask;
    std::unique_ptr<Slot[]> slots;
  };

  static constexpr std::uint64_t kNoKey = 0;  // no network is 0
  static constexpr std::size_t kMinCapacity = 64;

  static std::uint64_t KeyOf(NetworkId network, const net::MacAddress& mac);
  static std::uint64_t Pack(Place place) {
    return static_cast<std::uint64_t>(place.kind) << 32 | place.index;
  }
  static Place Unpack(std::uint64_t packed) {
    return {static_cast<Place::Kind>(packed >> 32), static_cast<std::uint32_t>(packed)};
  }
  [[nodiscard]] std::size_t Hash(std::uint64_t key) const {
    key = (key ^ seed_) * 0x9e3779b97f4a7c15u;
    key = (key ^ key >> 32) * 0xd6e8feb86659fd93u;
    return key ^ key >> 32;
  }
  // The key's slot, or the empty one where it would be.
  Slot& SlotOf(Array& array, std::uint64_t key) const;
  void MakeRoom();

  const std::uint64_t seed_;
  const Retire retire_;
  std::shared_ptr<Array> owned_;  // what array_ points to
  std::atomic<Array*> array_;
  std::size_t living_ = 0;
  std::size_t used_ = 0;  // slots with a key
};

inline std::uint64_t EndpointTable::KeyOf(NetworkId network, const net::MacAddress& mac) {
  std::uint64_t key = network;
  for (const std::uint8_t byte : mac.bytes) key = key << 8 | byte;
  return key;
}

}  // namespace vireo
