#include "dataplane/crypto/aead.h"

#include "dataplane/crypto/aead_backend.h"

namespace vireo {

AeadKey::AeadKey(CipherSuite suite, std::span<const std::byte, kAeadKeySize> key)
    : raw_(key), suite_(suite) {
  if (suite == CipherSuite::kAes256Gcm) gcm_schedule_ = ExpandGcmSchedule(key);
}

AeadKey::~AeadKey() { FreeGcmSchedule(gcm_schedule_); }

std::unique_ptr<Aead> MakeAead(AeadBackend backend) {
  if (backend != AeadBackend::kOpenssl) {
    std::unique_ptr<Aead> aead = MakeIpsecMbAead();
    if (aead != nullptr || backend == AeadBackend::kIpsecMb) return aead;
  }
  return MakeOpensslAead();
}

}  // namespace vireo
