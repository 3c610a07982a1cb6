// What the backends of Aead have in common; only they and their tests include it.
#pragma once

#include <emmintrin.h>

#include <array>
#include <cstring>
#include <memory>

#include "dataplane/crypto/aead.h"

namespace vireo {

// 12 bytes of nonce in 16, written with one store: libipsec-mb reads it with one load, and the CPU
// cannot forward two stores to one load (25 ns in a burst of one packet).
struct alignas(16) AeadNonce {
  static constexpr std::size_t kSize = 12;

  AeadNonce() = default;
  // 32 zero bits, then the counter: little-endian for ChaCha20-Poly1305 (WireGuard paper §5.4.6),
  // big-endian for AES-GCM (Noise rev. 34 §12.4).
  AeadNonce(CipherSuite suite, std::uint64_t counter) {
    const std::uint64_t wire =
        suite == CipherSuite::kAes256Gcm ? __builtin_bswap64(counter) : counter;
    const __m128i nonce =
        _mm_set_epi64x(static_cast<long long>(wire >> 32), static_cast<long long>(wire << 32));
    _mm_store_si128(reinterpret_cast<__m128i*>(words), nonce);
  }
  explicit AeadNonce(std::span<const std::byte, kSize> nonce) {
    words[1] = 0;
    std::memcpy(words, nonce.data(), kSize);
  }

  [[nodiscard]] const unsigned char* bytes() const {
    return reinterpret_cast<const unsigned char*>(words);
  }

  std::uint64_t words[2];
};
static_assert(std::endian::native == std::endian::little);

// The same code one packet at a time, with a nonce and additional data of the caller's: what public
// test vectors need.
class PacketAead : public Aead {
 public:
  // `data` is the text, with the tag in its last 16 bytes. In place, as in bursts.
  // REQUIRES data.size() >= kAeadTagSize.
  virtual void SealPacket(const AeadKey& key, const AeadNonce& nonce, ConstBytes additional,
                          MutableBytes data) = 0;
  // True if the tag was right.
  [[nodiscard]] virtual bool OpenPacket(const AeadKey& key, const AeadNonce& nonce,
                                        ConstBytes additional, MutableBytes data) = 0;
};

// nullptr if the CPU lacks what they need, or the library cannot be set up.
[[nodiscard]] std::unique_ptr<PacketAead> MakeIpsecMbAead();
[[nodiscard]] std::unique_ptr<PacketAead> MakeOpensslAead();

// libipsec-mb's key schedule for AES-256-GCM, or nullptr where that backend cannot run.
// Thread-safe. Free it with FreeGcmSchedule.
[[nodiscard]] void* ExpandGcmSchedule(std::span<const std::byte, kAeadKeySize> key);
void FreeGcmSchedule(void* schedule);  // zeroes it; nullptr is allowed

struct alignas(16) AeadTag {
  std::uint64_t words[2];
};

// Compares in constant time.
inline bool TagMatches(const AeadTag& computed, const std::byte* received) {
  AeadTag tag;
  std::memcpy(&tag, received, sizeof tag);
  return ((computed.words[0] ^ tag.words[0]) | (computed.words[1] ^ tag.words[1])) == 0;
}

}  // namespace vireo
