// One-shot AEAD straight on OpenSSL, sharing nothing with the code under test.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "dataplane/crypto/aead.h"

namespace vireo::test {

using Bytes = std::vector<std::byte>;

// `text` encrypted, with the tag appended.
inline Bytes ReferenceSeal(CipherSuite suite, ConstBytes key, ConstBytes nonce,
                           ConstBytes additional, ConstBytes text) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const EVP_CIPHER* const cipher =
      suite == CipherSuite::kAes256Gcm ? EVP_aes_256_gcm() : EVP_chacha20_poly1305();
  Bytes out(text.size() + kAeadTagSize);
  int n = 0;
  bool ok = EVP_EncryptInit_ex(context.get(), cipher, nullptr, Raw(key), Raw(nonce)) == 1;
  if (!additional.empty()) {
    ok &= EVP_EncryptUpdate(context.get(), nullptr, &n, Raw(additional),
                            static_cast<int>(additional.size())) == 1;
  }
  if (!text.empty()) {
    ok &= EVP_EncryptUpdate(context.get(), Raw(MutableBytes(out)), &n, Raw(text),
                            static_cast<int>(text.size())) == 1;
  }
  unsigned char* const tag = Raw(MutableBytes(out)) + text.size();
  ok &= EVP_EncryptFinal_ex(context.get(), tag, &n) == 1;
  ok &= EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, tag) == 1;
  if (!ok) throw std::runtime_error("OpenSSL refused");
  return out;
}

}  // namespace vireo::test
