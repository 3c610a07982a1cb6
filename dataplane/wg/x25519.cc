#include "dataplane/wg/x25519.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <cassert>

#include "dataplane/wg/openssl.h"

namespace vireo::wg {
namespace {

using openssl::Require;
using KeyContext = openssl::Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Key = openssl::Owned<EVP_PKEY, EVP_PKEY_free>;

Key ImportPublic(const PublicKey& key) {
  return Key(Require(EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr,
                                                    Raw(ConstBytes(key.bytes)), key.bytes.size()),
                     "import of an X25519 public key"));
}

}  // namespace

void KeyPair::Free::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

KeyPair::KeyPair(const PrivateKey& key)
    : key_(Require(EVP_PKEY_new_raw_private_key_ex(nullptr, "X25519", nullptr,
                                                   Raw(ConstBytes(key.bytes())), key.kSize),
                   "import of an X25519 private key")) {
  std::size_t size = public_key_.bytes.size();
  Require(EVP_PKEY_get_raw_public_key(key_.get(), Raw(MutableBytes(public_key_.bytes)), &size),
          "EVP_PKEY_get_raw_public_key");
}

KeyPair KeyPair::Generate(RandomSource& random) {
  PrivateKey key;
  random.Fill(key.bytes());
  return KeyPair(key);
}

bool KeyPair::Agree(const PublicKey& theirs, SharedSecret& shared) const {
  const Key peer = ImportPublic(theirs);
  const KeyContext context(
      Require(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr), "EVP_PKEY_CTX_new"));
  Require(EVP_PKEY_derive_init(context.get()) > 0, "EVP_PKEY_derive_init");
  Require(EVP_PKEY_derive_set_peer_ex(context.get(), peer.get(), 0) > 0,
          "EVP_PKEY_derive_set_peer");
  std::size_t size = shared.kSize;
  // OpenSSL refuses an all-zero result itself; the second test does not rely on that.
  const bool derived =
      EVP_PKEY_derive(context.get(), Raw(MutableBytes(shared.bytes())), &size) > 0 &&
      size == shared.kSize && !shared.IsZero();
  if (!derived) {
    shared.Clear();
    ERR_clear_error();
  }
  return derived;
}

PublicKey PublicKeyOf(const PrivateKey& key) {
  return key.IsZero() ? PublicKey{} : KeyPair(key).public_key();
}

}  // namespace vireo::wg
