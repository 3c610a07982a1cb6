// Aead over OpenSSL's EVP interface, for CPUs that libipsec-mb does not suit.
//
// A cipher context serves one suite in one direction, and is re-keyed only where the key differs
// from that of the packet before it in the same burst. At the end of a burst the contexts it used
// get a key of zeros: they would otherwise keep the last session's key after the session is gone,
// and a new key at an old key's address would pass for it.
#include <openssl/evp.h>

#include <cassert>
#include <cstdlib>

#include "dataplane/crypto/aead_backend.h"

namespace vireo {
namespace {

enum class Direction : int { kOpen = 0, kSeal = 1 };  // as EVP_CipherInit_ex2 counts

constexpr std::array<unsigned char, kAeadKeySize> kZeroKey{};

// A call on a context set up right fails only if OpenSSL's own state is broken.
void Check(int result) {
  if (result != 1) std::abort();
}

class CipherContext {
 public:
  CipherContext(const char* algorithm, Direction direction) : direction_(direction) {
    EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, algorithm, nullptr);
    if (cipher != nullptr && context_ != nullptr) {
      ready_ = Init(cipher, kZeroKey.data(), nullptr) == 1;
    }
    EVP_CIPHER_free(cipher);  // the context holds a reference of its own
  }

  [[nodiscard]] bool ready() const { return ready_; }

  void Start(const AeadKey& key, const AeadNonce& nonce, ConstBytes additional) {
    Check(Init(nullptr, &key == key_ ? nullptr : Raw(key.raw()), nonce.bytes()));
    key_ = &key;
    if (!additional.empty()) {
      int ignored;
      Check(EVP_CipherUpdate(context_.get(), nullptr, &ignored, Raw(additional),
                             static_cast<int>(additional.size())));
    }
  }

  void Seal(std::byte* data, std::uint32_t length) {
    auto* const text = reinterpret_cast<unsigned char*>(data);
    Transform(text, length);
    int ignored;
    Check(EVP_CipherFinal_ex(context_.get(), text + length, &ignored));
    Check(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, text + length));
  }

  [[nodiscard]] bool Open(std::byte* data, std::uint32_t length) {
    auto* const text = reinterpret_cast<unsigned char*>(data);
    Check(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, text + length));
    Transform(text, length);
    int ignored;
    return EVP_CipherFinal_ex(context_.get(), text + length, &ignored) == 1;
  }

  void ForgetKey() {
    if (key_ == nullptr) return;
    Check(Init(nullptr, kZeroKey.data(), nullptr));
    key_ = nullptr;
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  int Init(const EVP_CIPHER* cipher, const unsigned char* key, const unsigned char* nonce) {
    return EVP_CipherInit_ex2(context_.get(), cipher, key, nonce, static_cast<int>(direction_),
                              nullptr);
  }

  void Transform(unsigned char* text, std::uint32_t length) {
    if (length == 0) return;
    int ignored;
    Check(EVP_CipherUpdate(context_.get(), text, &ignored, text, static_cast<int>(length)));
  }

  std::unique_ptr<EVP_CIPHER_CTX, Free> context_{EVP_CIPHER_CTX_new()};
  const AeadKey* key_ = nullptr;  // whose key the context has; only during a burst
  Direction direction_;
  bool ready_ = false;
};

// Both suites in one direction.
class Contexts {
 public:
  explicit Contexts(Direction direction)
      : chacha_("ChaCha20-Poly1305", direction), gcm_("AES-256-GCM", direction) {}

  [[nodiscard]] bool ready() const { return chacha_.ready() && gcm_.ready(); }
  [[nodiscard]] CipherContext& For(CipherSuite suite) {
    return suite == CipherSuite::kAes256Gcm ? gcm_ : chacha_;
  }
  void ForgetKeys() {
    chacha_.ForgetKey();
    gcm_.ForgetKey();
  }

 private:
  CipherContext chacha_;
  CipherContext gcm_;
};

class OpensslAead final : public PacketAead {
 public:
  [[nodiscard]] bool ready() const { return seal_.ready() && open_.ready(); }

  void SealBurst(std::span<AeadJob> jobs) override {
    assert(jobs.size() <= kMaxBurst);
    for (const AeadJob& job : jobs) {
      SealOne(job, AeadNonce(job.key->suite(), job.counter), {});
    }
    seal_.ForgetKeys();
  }

  void OpenBurst(std::span<AeadJob> jobs) override {
    assert(jobs.size() <= kMaxBurst);
    for (AeadJob& job : jobs) {
      job.ok = OpenOne(job, AeadNonce(job.key->suite(), job.counter), {});
    }
    open_.ForgetKeys();
  }

  [[nodiscard]] std::string_view name() const override { return "openssl"; }

  void SealPacket(const AeadKey& key, const AeadNonce& nonce, ConstBytes additional,
                  MutableBytes data) override {
    SealOne(JobOf(key, data), nonce, additional);
    seal_.ForgetKeys();
  }

  bool OpenPacket(const AeadKey& key, const AeadNonce& nonce, ConstBytes additional,
                  MutableBytes data) override {
    const bool ok = OpenOne(JobOf(key, data), nonce, additional);
    open_.ForgetKeys();
    return ok;
  }

 private:
  static AeadJob JobOf(const AeadKey& key, MutableBytes data) {
    return {&key, 0, data.data(), static_cast<std::uint32_t>(data.size() - kAeadTagSize), false};
  }

  void SealOne(const AeadJob& job, const AeadNonce& nonce, ConstBytes additional) {
    CipherContext& context = seal_.For(job.key->suite());
    context.Start(*job.key, nonce, additional);
    context.Seal(job.data, job.length);
  }

  bool OpenOne(const AeadJob& job, const AeadNonce& nonce, ConstBytes additional) {
    CipherContext& context = open_.For(job.key->suite());
    context.Start(*job.key, nonce, additional);
    return context.Open(job.data, job.length);
  }

  Contexts seal_{Direction::kSeal};
  Contexts open_{Direction::kOpen};
};

}  // namespace

std::unique_ptr<PacketAead> MakeOpensslAead() {
  auto aead = std::make_unique<OpensslAead>();
  return aead->ready() ? std::move(aead) : nullptr;
}

}  // namespace vireo
