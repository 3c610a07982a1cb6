#include "dataplane/wg/blake2s.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <cassert>

#include "dataplane/wg/openssl.h"

namespace vireo::wg {
namespace {

using openssl::Require;
using DigestContext = openssl::Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using MacContext = openssl::Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;

constexpr std::size_t kBlockSize = 64;

const EVP_MD* Digest() {
  static const EVP_MD* digest =
      Require(EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr), "fetch of BLAKE2s");
  return digest;
}

EVP_MAC* Mac() {
  static EVP_MAC* mac = Require(EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr), "fetch of BLAKE2s");
  return mac;
}

// One hash. OpenSSL zeroes the context when it frees it.
class Digester {
 public:
  Digester() : context_(Require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")) {
    Require(EVP_DigestInit_ex2(context_.get(), Digest(), nullptr), "EVP_DigestInit_ex2");
  }
  void Update(ConstBytes bytes) {
    Require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()), "EVP_DigestUpdate");
  }
  void Finish(std::span<std::byte, kHashSize> out) {
    Require(EVP_DigestFinal_ex(context_.get(), Raw(MutableBytes(out)), nullptr),
            "EVP_DigestFinal_ex");
  }

 private:
  DigestContext context_;
};

}  // namespace

Hash Blake2s(std::initializer_list<ConstBytes> parts) {
  Digester digester;
  for (const ConstBytes part : parts) digester.Update(part);
  Hash hash;
  digester.Finish(hash);
  return hash;
}

void Blake2sMac(ConstBytes key, std::initializer_list<ConstBytes> parts, MutableBytes out) {
  assert(!key.empty() && key.size() <= kHashSize && !out.empty() && out.size() <= kHashSize);
  const MacContext context(Require(EVP_MAC_CTX_new(Mac()), "EVP_MAC_CTX_new"));
  std::size_t size = out.size();
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                               OSSL_PARAM_construct_end()};
  Require(EVP_MAC_init(context.get(), Raw(key), key.size(), params), "EVP_MAC_init");
  for (const ConstBytes part : parts) {
    Require(EVP_MAC_update(context.get(), Raw(part), part.size()), "EVP_MAC_update");
  }
  Require(EVP_MAC_final(context.get(), Raw(out), &size, out.size()), "EVP_MAC_final");
}

void HmacBlake2s(ConstBytes key, std::initializer_list<ConstBytes> parts,
                 std::span<std::byte, kHashSize> out) {
  assert(key.size() <= kBlockSize);
  Secret<kBlockSize> inner;
  Secret<kBlockSize> outer;
  for (std::size_t i = 0; i < kBlockSize; ++i) {
    const std::byte k = i < key.size() ? key[i] : std::byte{0};
    inner.bytes()[i] = k ^ std::byte{0x36};
    outer.bytes()[i] = k ^ std::byte{0x5c};
  }
  Secret<kHashSize> inner_hash;
  {
    Digester digester;
    digester.Update(inner.bytes());
    for (const ConstBytes part : parts) digester.Update(part);
    digester.Finish(inner_hash.bytes());
  }
  Digester digester;
  digester.Update(outer.bytes());
  digester.Update(inner_hash.bytes());
  digester.Finish(out);
}

void Hkdf2(ConstBytes chaining_key, ConstBytes input, std::span<std::byte, kHashSize> first,
           std::span<std::byte, kHashSize> second) {
  static constexpr std::byte kOne[] = {std::byte{1}};
  static constexpr std::byte kTwo[] = {std::byte{2}};
  Secret<kHashSize> temporary;
  HmacBlake2s(chaining_key, {input}, temporary.bytes());
  HmacBlake2s(temporary.bytes(), {kOne}, first);
  HmacBlake2s(temporary.bytes(), {first, kTwo}, second);
}

void Hkdf3(ConstBytes chaining_key, ConstBytes input, std::span<std::byte, kHashSize> first,
           std::span<std::byte, kHashSize> second, std::span<std::byte, kHashSize> third) {
  static constexpr std::byte kOne[] = {std::byte{1}};
  static constexpr std::byte kTwo[] = {std::byte{2}};
  static constexpr std::byte kThree[] = {std::byte{3}};
  Secret<kHashSize> temporary;
  HmacBlake2s(chaining_key, {input}, temporary.bytes());
  HmacBlake2s(temporary.bytes(), {kOne}, first);
  HmacBlake2s(temporary.bytes(), {first, kTwo}, second);
  HmacBlake2s(temporary.bytes(), {second, kThree}, third);
}

}  // namespace vireo::wg
