#include "dataplane/wg/cipher.h"

#include <sodium.h>

#include <cassert>

#include "dataplane/base/secret.h"
#include "dataplane/wg/openssl.h"

namespace vireo::wg {
namespace {

using openssl::Require;
using CipherContext = openssl::Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

constexpr unsigned char kZeroNonce[12] = {};

const EVP_CIPHER* Cipher(CipherSuite suite) {
  static const EVP_CIPHER* chacha = Require(EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr),
                                            "fetch of ChaCha20-Poly1305");
  static const EVP_CIPHER* aes =
      Require(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr), "fetch of AES-256-GCM");
  return suite == CipherSuite::kAes256Gcm ? aes : chacha;
}

int Length(ConstBytes bytes) { return static_cast<int>(bytes.size()); }

}  // namespace

void SealField(CipherSuite suite, std::span<const std::byte, kAeadKeySize> key,
               ConstBytes plaintext, ConstBytes additional, MutableBytes out) {
  assert(out.size() == plaintext.size() + kAeadTagSize);
  const CipherContext context(Require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new"));
  EVP_CIPHER_CTX* c = context.get();
  int written = 0;
  Require(EVP_EncryptInit_ex2(c, Cipher(suite), Raw(ConstBytes(key)), kZeroNonce, nullptr) &&
              EVP_EncryptUpdate(c, nullptr, &written, Raw(additional), Length(additional)) &&
              (plaintext.empty() ||
               EVP_EncryptUpdate(c, Raw(out), &written, Raw(plaintext), Length(plaintext))) &&
              EVP_EncryptFinal_ex(c, Raw(out.subspan(plaintext.size())), &written) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize,
                                  out.data() + plaintext.size()),
          "encryption of a handshake field");
}

bool OpenField(CipherSuite suite, std::span<const std::byte, kAeadKeySize> key,
               ConstBytes ciphertext, ConstBytes additional, MutableBytes out) {
  assert(ciphertext.size() == out.size() + kAeadTagSize);
  const CipherContext context(Require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new"));
  EVP_CIPHER_CTX* c = context.get();
  unsigned char tag[kAeadTagSize];
  std::memcpy(tag, ciphertext.data() + out.size(), sizeof tag);
  unsigned char none[kAeadTagSize];
  int written = 0;
  Require(EVP_DecryptInit_ex2(c, Cipher(suite), Raw(ConstBytes(key)), kZeroNonce, nullptr) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) &&
              EVP_DecryptUpdate(c, nullptr, &written, Raw(additional), Length(additional)) &&
              (out.empty() || EVP_DecryptUpdate(c, Raw(out), &written, Raw(ciphertext),
                                                static_cast<int>(out.size()))),
          "decryption of a handshake field");
  if (EVP_DecryptFinal_ex(c, none, &written) > 0) return true;
  SecureZero(out.data(), out.size());
  ERR_clear_error();
  return false;
}

void SealX(std::span<const std::byte, kAeadKeySize> key,
           std::span<const std::byte, kXNonceSize> nonce, ConstBytes plaintext,
           ConstBytes additional, MutableBytes out) {
  assert(out.size() == plaintext.size() + kAeadTagSize);
  crypto_aead_xchacha20poly1305_ietf_encrypt(Raw(out), nullptr, Raw(plaintext), plaintext.size(),
                                             Raw(additional), additional.size(), nullptr,
                                             Raw(ConstBytes(nonce)), Raw(ConstBytes(key)));
}

bool OpenX(std::span<const std::byte, kAeadKeySize> key,
           std::span<const std::byte, kXNonceSize> nonce, ConstBytes ciphertext,
           ConstBytes additional, MutableBytes out) {
  assert(ciphertext.size() == out.size() + kAeadTagSize);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          Raw(out), nullptr, nullptr, Raw(ciphertext), ciphertext.size(), Raw(additional),
          additional.size(), Raw(ConstBytes(nonce)), Raw(ConstBytes(key))) == 0) {
    return true;
  }
  SecureZero(out.data(), out.size());
  return false;
}

}  // namespace vireo::wg
