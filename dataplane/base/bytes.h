// Byte spans, and integers that carry their byte order in the type.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace vireo {

using ConstBytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

// The bytes of `text`, without a terminator. The span lives as long as the text.
inline ConstBytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// C libraries want unsigned char; these are the only two places that cast.
inline const unsigned char* Raw(ConstBytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* Raw(MutableBytes bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// An unsigned integer stored in wire order, without alignment: made to be a member of a packed
// wire struct that is laid over packet bytes.
template <std::unsigned_integral T, std::endian kOrder>
class WireInt {
 public:
  WireInt() = default;
  constexpr WireInt(T value) { *this = value; }  // NOLINT(google-explicit-constructor)

  constexpr WireInt& operator=(T value) {
    const T wire = kOrder == std::endian::native ? value : Swap(value);
    std::memcpy(bytes_, &wire, sizeof wire);
    return *this;
  }

  [[nodiscard]] T value() const {
    T wire;
    std::memcpy(&wire, bytes_, sizeof wire);
    return kOrder == std::endian::native ? wire : Swap(wire);
  }

  // The value as it lies in memory, for checksums that sum wire words.
  [[nodiscard]] T raw() const {
    T wire;
    std::memcpy(&wire, bytes_, sizeof wire);
    return wire;
  }

  friend bool operator==(const WireInt& a, const WireInt& b) { return a.raw() == b.raw(); }

 private:
  static constexpr T Swap(T value) {
    if constexpr (sizeof(T) == 1) return value;
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  }

  unsigned char bytes_[sizeof(T)];
};

using Be16 = WireInt<std::uint16_t, std::endian::big>;
using Be32 = WireInt<std::uint32_t, std::endian::big>;
using Be64 = WireInt<std::uint64_t, std::endian::big>;
using Le16 = WireInt<std::uint16_t, std::endian::little>;
using Le32 = WireInt<std::uint32_t, std::endian::little>;
using Le64 = WireInt<std::uint64_t, std::endian::little>;
static_assert(sizeof(Be16) == 2 && alignof(Be32) == 1);

}  // namespace vireo
