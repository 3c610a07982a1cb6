// Bounded lock-free queues between workers and the slow path: rte_ring with a type.
#pragma once

#include <rte_errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace vireo {

enum class Producers : std::uint8_t { kOne, kMany };

// One consumer. Elements are copied in and out.
template <typename T>
class Ring {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0);

 public:
  // Room for at least `capacity` elements. `name` must be unique in the process.
  // Aborts the process if memory is short: rings are made at start only.
  Ring(const char* name, unsigned capacity, Producers producers)
      : ring_(rte_ring_create_elem(name, sizeof(T), capacity, SOCKET_ID_ANY,
                                   RING_F_SC_DEQ | RING_F_EXACT_SZ |
                                       (producers == Producers::kOne ? RING_F_SP_ENQ : 0u))) {
    if (ring_ == nullptr) rte_panic("ring %s: %s\n", name, rte_strerror(rte_errno));
  }
  ~Ring() { rte_ring_free(ring_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // False if full.
  [[nodiscard]] bool Push(const T& element) {
    return rte_ring_enqueue_elem(ring_, const_cast<T*>(&element), sizeof(T)) == 0;
  }
  // Takes up to out.size() elements; returns how many.
  [[nodiscard]] unsigned Pop(std::span<T> out) {
    return rte_ring_dequeue_burst_elem(ring_, out.data(), sizeof(T),
                                       static_cast<unsigned>(out.size()), nullptr);
  }
  [[nodiscard]] unsigned size() const { return rte_ring_count(ring_); }
  [[nodiscard]] unsigned capacity() const { return rte_ring_get_capacity(ring_); }
  [[nodiscard]] bool empty() const { return rte_ring_empty(ring_) != 0; }

 private:
  rte_ring* ring_;
};

}  // namespace vireo
