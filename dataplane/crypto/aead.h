// Authenticated encryption of transport packets, in bursts.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/cipher_suite.h"
#include "dataplane/base/secret.h"

namespace vireo {

inline constexpr std::size_t kAeadKeySize = 32;
inline constexpr std::size_t kAeadTagSize = 16;
inline constexpr std::size_t kAeadTailroom = 64;

// One direction's key, expanded once so that the packet path only reads it. Immutable after
// construction, hence readable from every worker. Zeroed when dropped, the schedule included.
class AeadKey {
 public:
  AeadKey(CipherSuite suite, std::span<const std::byte, kAeadKeySize> key);
  ~AeadKey();
  AeadKey(const AeadKey&) = delete;
  AeadKey& operator=(const AeadKey&) = delete;

  [[nodiscard]] CipherSuite suite() const { return suite_; }
  [[nodiscard]] std::span<const std::byte, kAeadKeySize> raw() const { return raw_.bytes(); }
  // libipsec-mb's GCM key schedule (1 KiB, aligned to 64), or nullptr for ChaCha20-Poly1305 or
  // where that backend cannot run on the CPU.
  [[nodiscard]] const void* gcm_schedule() const { return gcm_schedule_; }

 private:
  Secret<kAeadKeySize> raw_;
  void* gcm_schedule_ = nullptr;
  CipherSuite suite_;
};

// One packet of a burst. Works in place: `length` bytes of plaintext or ciphertext at `data`, the
// 16-byte tag right behind; `length` may be 0. No additional data (WireGuard has none on transport
// messages). A backend may overwrite the kAeadTailroom bytes behind the tag: they must belong to
// the packet's buffer and hold nothing.
struct AeadJob {
  const AeadKey* key;
  std::uint64_t counter;
  std::byte* data;
  std::uint32_t length;
  bool ok;  // set by OpenBurst
};

// Seals and opens bursts; keys, suites and lengths may differ within one. The keys of a burst need
// to live only as long as the call.
// Thread: one object a thread (it owns scratch memory). Neither call allocates.
// REQUIRES at most kMaxBurst jobs a call.
class Aead {
 public:
  virtual ~Aead() = default;
  // Encrypts in place and writes the tag. `ok` is left alone.
  virtual void SealBurst(std::span<AeadJob> jobs) = 0;
  // Verifies and decrypts in place; `ok` says whether the tag was right. After a wrong tag the
  // bytes at `data` are unspecified and must not be used.
  virtual void OpenBurst(std::span<AeadJob> jobs) = 0;
  [[nodiscard]] virtual std::string_view name() const = 0;

  static constexpr std::size_t kMaxBurst = 64;
};

enum class AeadBackend { kBest, kIpsecMb, kOpenssl };
// Makes an object for one thread's use. kBest is libipsec-mb where the CPU has AVX2, AES-NI and
// PCLMULQDQ, else OpenSSL. nullptr if the backend asked for cannot run here.
[[nodiscard]] std::unique_ptr<Aead> MakeAead(AeadBackend backend = AeadBackend::kBest);

}  // namespace vireo
