// The cipher suites a peer can be configured with.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace vireo {

// A property of the peer's configuration on both sides, never negotiated in band.
enum class CipherSuite : std::uint8_t {
  kChaCha20Poly1305,  // WireGuard: nonce = 32-bit zero, 64-bit little-endian counter
  kAes256Gcm,         // nonce = 32-bit zero, 64-bit big-endian counter
};

// "chacha20poly1305", "aes256gcm": as configuration, UAPI and control socket write them.
[[nodiscard]] constexpr std::string_view Name(CipherSuite suite) {
  return suite == CipherSuite::kAes256Gcm ? "aes256gcm" : "chacha20poly1305";
}

[[nodiscard]] constexpr std::optional<CipherSuite> ParseCipherSuite(std::string_view name) {
  for (const CipherSuite suite : {CipherSuite::kChaCha20Poly1305, CipherSuite::kAes256Gcm}) {
    if (name == Name(suite)) return suite;
  }
  return std::nullopt;
}

}  // namespace vireo
