#include "dataplane/table/endpoint_table.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

namespace vireo {

EndpointTable::EndpointTable(std::uint64_t seed, Retire retire)
    : seed_(seed),
      retire_(std::move(retire)),
      owned_(std::make_shared<Array>(kMinCapacity)),
      array_(owned_.get()) {}

std::size_t EndpointTable::bytes() const {
  return sizeof(Array) + (owned_->mask + 1) * sizeof(Slot);
}

EndpointTable::Slot& EndpointTable::SlotOf(Array& array, std::uint64_t key) const {
  for (std::size_t i = Hash(key);; ++i) {
    Slot& slot = array.slots[i & array.mask];
    const std::uint64_t held = slot.key.load(std::memory_order_relaxed);
    if (held == key || held == kNoKey) return slot;
  }
}

// One more key must leave a quarter of the slots empty, so that searches end.
void EndpointTable::MakeRoom() {
  const std::size_t capacity = owned_->mask + 1;
  if ((used_ + 1) * 4 <= capacity * 3) return;
  auto larger = std::make_shared<Array>(std::max(kMinCapacity, std::bit_ceil((living_ + 1) * 2)));
  for (std::size_t i = 0; i < capacity; ++i) {
    const Slot& from = owned_->slots[i];
    const std::uint64_t place = from.place.load(std::memory_order_relaxed);
    if (place == 0) continue;
    const std::uint64_t key = from.key.load(std::memory_order_relaxed);
    Slot& to = SlotOf(*larger, key);
    to.place.store(place, std::memory_order_relaxed);
    to.key.store(key, std::memory_order_relaxed);
  }
  used_ = living_;
  array_.store(larger.get(), std::memory_order_release);
  retire_(std::exchange(owned_, std::move(larger)));
}

void EndpointTable::Put(NetworkId network, const net::MacAddress& mac, Place place) {
  assert(network != 0 && place.kind != Place::Kind::kNowhere);
  const std::uint64_t key = KeyOf(network, mac);
  Slot* slot = &SlotOf(*owned_, key);
  if (slot->key.load(std::memory_order_relaxed) == kNoKey) {
    MakeRoom();
    slot = &SlotOf(*owned_, key);
    // The place first: whoever sees the key finds it.
    slot->place.store(Pack(place), std::memory_order_relaxed);
    slot->key.store(key, std::memory_order_release);
    ++used_;
    ++living_;
    return;
  }
  living_ += slot->place.load(std::memory_order_relaxed) == 0;
  slot->place.store(Pack(place), std::memory_order_relaxed);
}

void EndpointTable::Remove(NetworkId network, const net::MacAddress& mac) {
  Slot& slot = SlotOf(*owned_, KeyOf(network, mac));
  if (slot.key.load(std::memory_order_relaxed) == kNoKey) return;
  living_ -= slot.place.load(std::memory_order_relaxed) != 0;
  slot.place.store(0, std::memory_order_relaxed);
}

}  // namespace vireo
