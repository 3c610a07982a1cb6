// Diffie-Hellman on Curve25519 (RFC 7748).
#pragma once

#include <memory>

#include "dataplane/base/random.h"
#include "dataplane/wg/keys.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace vireo::wg {

using SharedSecret = Secret<kKeySize>;

// A private key, ready for use, and its public key. The private half lives in memory that OpenSSL
// zeroes when the object goes.
class KeyPair {
 public:
  explicit KeyPair(const PrivateKey& key);
  // A fresh one.
  static KeyPair Generate(RandomSource& random);

  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }

  // The shared secret with the owner of `theirs`. False, and `shared` zero, if the result is all
  // zero because `theirs` is of low order.
  [[nodiscard]] bool Agree(const PublicKey& theirs, SharedSecret& shared) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const;
  };
  std::unique_ptr<EVP_PKEY, Free> key_;
  PublicKey public_key_;
};

}  // namespace vireo::wg
