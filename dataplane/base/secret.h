// Keys in memory: compared in constant time, zeroed when dropped, without a printer.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>

#include "dataplane/base/bytes.h"

namespace vireo {

// Overwrites memory in a way the compiler may not remove.
inline void SecureZero(void* data, std::size_t size) {
  if (size == 0) return;  // data may be null then
  std::memset(data, 0, size);
  asm volatile("" : : "r"(data) : "memory");
}

// True if both hold the same bytes; takes the same time wherever they differ. REQUIRES equal sizes.
inline bool ConstantTimeEqual(ConstBytes a, ConstBytes b) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= std::to_integer<unsigned>(a[i] ^ b[i]);
  }
  return difference == 0;
}

// N secret bytes, zero at first. Copies are independent and each zeroes itself.
template <std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;

  Secret() = default;
  explicit Secret(std::span<const std::byte, N> bytes) {
    std::memcpy(bytes_.data(), bytes.data(), N);
  }
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { Clear(); }

  [[nodiscard]] std::span<const std::byte, N> bytes() const { return bytes_; }
  [[nodiscard]] std::span<std::byte, N> bytes() { return bytes_; }
  [[nodiscard]] bool IsZero() const {
    static constexpr std::array<std::byte, N> kZero{};
    return ConstantTimeEqual(bytes_, kZero);
  }
  void Clear() { SecureZero(bytes_.data(), N); }

  friend bool operator==(const Secret& a, const Secret& b) {
    return ConstantTimeEqual(a.bytes_, b.bytes_);
  }

 private:
  alignas(16) std::array<std::byte, N> bytes_{};
};

}  // namespace vireo
