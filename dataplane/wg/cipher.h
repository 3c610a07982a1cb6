// The AEADs of handshake messages: one field at a time, with additional data.
#pragma once

#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead.h"

namespace vireo::wg {

// Encrypts under a key that is used once, hence with nonce zero. `out` is plaintext.size() + 16
// bytes: the ciphertext, then the tag.
void SealField(CipherSuite suite, std::span<const std::byte, kAeadKeySize> key,
               ConstBytes plaintext, ConstBytes additional, MutableBytes out);
// `out` is ciphertext.size() - 16 bytes. False, and `out` zero, if the tag is wrong.
[[nodiscard]] bool OpenField(CipherSuite suite, std::span<const std::byte, kAeadKeySize> key,
                             ConstBytes ciphertext, ConstBytes additional, MutableBytes out);

// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), for cookies; sizes as above.
inline constexpr std::size_t kXNonceSize = 24;
void SealX(std::span<const std::byte, kAeadKeySize> key,
           std::span<const std::byte, kXNonceSize> nonce, ConstBytes plaintext,
           ConstBytes additional, MutableBytes out);
[[nodiscard]] bool OpenX(std::span<const std::byte, kAeadKeySize> key,
                         std::span<const std::byte, kXNonceSize> nonce, ConstBytes ciphertext,
                         ConstBytes additional, MutableBytes out);

}  // namespace vireo::wg
