// The Noise handshake IKpsk2 over X25519 and BLAKE2s, with prologue, payloads and cipher as
// parameters (Noise Protocol Framework, revision 34).
//
// Theory of operation. WireGuard is this pattern with one prologue, a TAI64N as the first payload
// and nothing as the second. Every key of this pattern encrypts exactly one field, so the nonce is
// always zero and no counter is kept.
//
//     <- s
//     ...
//     -> e, es, s, ss, payload      ephemeral (32), static (48), payload + 16 bytes
//     <- e, ee, se, psk, payload    ephemeral (32), payload + 16 bytes
//
// Invariants. A function that returns false leaves the object fit only for destruction, except
// Initiator::ReadResponse, which never changes it: a forged response must not end a handshake.
// All secrets are zeroed with the objects that hold them.
#pragma once

#include <optional>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/secret.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/wg/blake2s.h"
#include "dataplane/wg/keys.h"
#include "dataplane/wg/x25519.h"

namespace vireo::wg::noise {

inline constexpr std::size_t kTagSize = kAeadTagSize;
inline constexpr std::size_t kEncryptedStaticSize = kKeySize + kTagSize;
// Both messages without their payloads.
inline constexpr std::size_t kInitiationOverhead = kKeySize + kEncryptedStaticSize + kTagSize;
inline constexpr std::size_t kResponseOverhead = kKeySize + kTagSize;

// "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s" or "Noise_IKpsk2_25519_AESGCM_BLAKE2s".
[[nodiscard]] std::string_view ProtocolName(CipherSuite suite);

// What a finished handshake leaves: one key a direction.
struct TransportKeys {
  Secret<kKeySize> send;
  Secret<kKeySize> receive;
};

// Chaining key, transcript hash and the key of the next field (Noise §5.2).
class SymmetricState {
 public:
  SymmetricState(CipherSuite suite, std::string_view prologue);

  void MixHash(ConstBytes bytes);
  void MixKey(ConstBytes input);
  void MixKeyAndHash(ConstBytes input);
  // out.size() = plaintext.size() + kTagSize.
  void EncryptAndHash(ConstBytes plaintext, MutableBytes out);
  // out.size() = ciphertext.size() - kTagSize. False if the tag is wrong.
  [[nodiscard]] bool DecryptAndHash(ConstBytes ciphertext, MutableBytes out);
  // Initiator to responder, responder to initiator.
  void Split(Secret<kKeySize>& first, Secret<kKeySize>& second) const;

  [[nodiscard]] const Hash& hash() const { return hash_; }
  [[nodiscard]] CipherSuite suite() const { return suite_; }

 private:
  Secret<kHashSize> chaining_key_;
  Secret<kKeySize> key_;
  Hash hash_;
  CipherSuite suite_;
};

// The side that sends first; lives until the response came.
class Initiator {
 public:
  Initiator(CipherSuite suite, std::string_view prologue, const PublicKey& responder,
            KeyPair ephemeral);

  // Writes the first message; `out` is payload.size() + kInitiationOverhead bytes. `static_static`
  // is Agree() of the two static keys, which callers may keep. False if a Diffie-Hellman result is
  // zero.
  [[nodiscard]] bool WriteInitiation(const PublicKey& own, const SharedSecret& static_static,
                                     ConstBytes payload, MutableBytes out);

  // Reads the second message; `payload` is message.size() - kResponseOverhead bytes. nullopt if it
  // does not authenticate or a Diffie-Hellman result is zero.
  [[nodiscard]] std::optional<TransportKeys> ReadResponse(const KeyPair& own,
                                                          const PresharedKey& preshared,
                                                          ConstBytes message, MutableBytes payload,
                                                          Hash* transcript = nullptr) const;

  [[nodiscard]] CipherSuite suite() const { return state_.suite(); }

 private:
  PublicKey responder_;
  KeyPair ephemeral_;
  SymmetricState state_;
};

// The side that answers. Reading is in two steps, as the initiator's static key decides what the
// second needs.
class Responder {
 public:
  Responder(CipherSuite suite, std::string_view prologue, const PublicKey& own);

  // Step 1: the initiator's static key, from the first kKeySize + kEncryptedStaticSize bytes of the
  // message. `ephemeral_static` is our Agree() with the message's ephemeral key: it does not depend
  // on the suite, so a caller that has to try two computes it once. False if it does not decrypt.
  [[nodiscard]] bool ReadStatic(ConstBytes message, const SharedSecret& ephemeral_static,
                                PublicKey& initiator);
  // Step 2: the payload; `encrypted` is payload.size() + kTagSize bytes.
  [[nodiscard]] bool ReadPayload(ConstBytes encrypted, const SharedSecret& static_static,
                                 MutableBytes payload);

  // Writes the second message; `out` is payload.size() + kResponseOverhead bytes. nullopt if a
  // Diffie-Hellman result is zero.
  [[nodiscard]] std::optional<TransportKeys> WriteResponse(const KeyPair& ephemeral,
                                                           const PresharedKey& preshared,
                                                           ConstBytes payload, MutableBytes out,
                                                           Hash* transcript = nullptr);

 private:
  PublicKey initiator_;
  PublicKey initiator_ephemeral_;
  SymmetricState state_;
};

}  // namespace vireo::wg::noise
