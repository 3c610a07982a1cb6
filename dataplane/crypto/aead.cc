#include "dataplane/crypto/aead.h"

namespace vireo {

std::string_view Name(CipherSuite suite) {
  return suite == CipherSuite::kAes256Gcm ? "aes256gcm" : "chacha20poly1305";
}

}  // namespace vireo
