// Curve25519 keys as WireGuard uses them.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/encoding.h"
#include "dataplane/base/secret.h"

namespace vireo::wg {

inline constexpr std::size_t kKeySize = 32;

// Clamped before use (RFC 7748 §5), so any 32 bytes do; all zero means "none".
using PrivateKey = Secret<kKeySize>;
// All zero means "none": the handshake then mixes in zeros, as every WireGuard does.
using PresharedKey = Secret<kKeySize>;

// A peer's name. Any 32 bytes can be configured; one of low order never completes a handshake.
struct PublicKey {
  static constexpr std::size_t kSize = kKeySize;

  std::array<std::byte, kSize> bytes{};

  // 44 characters of base64, as `wg` prints them.
  static std::optional<PublicKey> FromBase64(std::string_view text) {
    PublicKey key;
    if (!vireo::FromBase64(text, key.bytes)) return std::nullopt;
    return key;
  }
  [[nodiscard]] std::string ToBase64() const { return vireo::ToBase64(bytes); }

  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;
};

// The public half of a private key. The zero key ("none") gives the zero public key.
[[nodiscard]] PublicKey PublicKeyOf(const PrivateKey& key);

}  // namespace vireo::wg

// Keys are configured, not learnt from the network, so collisions cannot be forced from outside.
template <>
struct std::hash<vireo::wg::PublicKey> {
  std::size_t operator()(const vireo::wg::PublicKey& key) const noexcept {
    std::uint64_t words[4];
    static_assert(sizeof words == sizeof key.bytes);
    std::memcpy(words, key.bytes.data(), sizeof words);
    std::uint64_t mixed = 0;
    for (const std::uint64_t word : words) mixed = (mixed ^ word) * 0x9e3779b97f4a7c15u;
    return mixed ^ mixed >> 32;
  }
};
