// A plain AEAD with a counter as nonce, as Noise's transport messages use it: the tests' own, made
// of OpenSSL calls only, so that it checks rather than repeats the product's code.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead.h"

namespace vireo::test {

class CounterAead {
 public:
  CounterAead(CipherSuite suite, ConstBytes key)
      : suite_(suite), key_(key.begin(), key.end()), context_(EVP_CIPHER_CTX_new()) {}

  [[nodiscard]] std::vector<std::byte> Seal(std::uint64_t counter, ConstBytes plaintext,
                                            ConstBytes additional = {}) {
    std::vector<std::byte> out(plaintext.size() + kAeadTagSize);
    Start(counter, true, additional);
    int written = 0;
    EVP_EncryptUpdate(context_.get(), Raw(MutableBytes(out)), &written, Raw(plaintext),
                      static_cast<int>(plaintext.size()));
    EVP_EncryptFinal_ex(context_.get(), Raw(MutableBytes(out)) + written, &written);
    EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize,
                        out.data() + plaintext.size());
    return out;
  }

  [[nodiscard]] std::optional<std::vector<std::byte>> Open(std::uint64_t counter, ConstBytes sealed,
                                                           ConstBytes additional = {}) {
    if (sealed.size() < kAeadTagSize) return std::nullopt;
    const std::size_t size = sealed.size() - kAeadTagSize;
    std::vector<std::byte> out(size + 1);
    std::vector<std::byte> tag(sealed.begin() + static_cast<std::ptrdiff_t>(size), sealed.end());
    Start(counter, false, additional);
    int written = 0;
    EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, tag.data());
    EVP_DecryptUpdate(context_.get(), Raw(MutableBytes(out)), &written, Raw(sealed),
                      static_cast<int>(size));
    if (EVP_DecryptFinal_ex(context_.get(), Raw(MutableBytes(out)), &written) <= 0) {
      return std::nullopt;
    }
    out.resize(size);
    return out;
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  void Start(std::uint64_t counter, bool encrypt, ConstBytes additional) {
    unsigned char nonce[12] = {};
    const bool aes = suite_ == CipherSuite::kAes256Gcm;
    for (int i = 0; i < 8; ++i) {
      nonce[aes ? 11 - i : 4 + i] = static_cast<unsigned char>(counter >> (8 * i));
    }
    EVP_CipherInit_ex(context_.get(), aes ? EVP_aes_256_gcm() : EVP_chacha20_poly1305(), nullptr,
                      Raw(ConstBytes(key_)), nonce, encrypt);
    if (additional.empty()) return;
    int written = 0;
    EVP_CipherUpdate(context_.get(), nullptr, &written, Raw(additional),
                     static_cast<int>(additional.size()));
  }

  CipherSuite suite_;
  std::vector<std::byte> key_;
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
};

}  // namespace vireo::test
