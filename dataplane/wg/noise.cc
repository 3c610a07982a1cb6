#include "dataplane/wg/noise.h"

#include <cassert>
#include <cstring>
#include <utility>

#include "dataplane/wg/cipher.h"

namespace vireo::wg::noise {
namespace {

// "e" in a pattern with a preshared key also goes into the chaining key (Noise §9.2).
void MixEphemeral(SymmetricState& state, const PublicKey& ephemeral) {
  state.MixHash(ephemeral.bytes);
  state.MixKey(ephemeral.bytes);
}

// One DH token. False if the result is zero.
bool MixAgreement(SymmetricState& state, const KeyPair& ours, const PublicKey& theirs) {
  SharedSecret shared;
  if (!ours.Agree(theirs, shared)) return false;
  state.MixKey(shared.bytes());
  return true;
}

PublicKey KeyAt(ConstBytes bytes) {
  PublicKey key;
  std::memcpy(key.bytes.data(), bytes.data(), kKeySize);
  return key;
}

}  // namespace

std::string_view ProtocolName(CipherSuite suite) {
  return suite == CipherSuite::kAes256Gcm ? "Noise_IKpsk2_25519_AESGCM_BLAKE2s"
                                          : "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
}

SymmetricState::SymmetricState(CipherSuite suite, std::string_view prologue)
    : hash_(Blake2s({AsBytes(ProtocolName(suite))})), suite_(suite) {
  chaining_key_ = Secret<kHashSize>(hash_);
  MixHash(AsBytes(prologue));
}

void SymmetricState::MixHash(ConstBytes bytes) { hash_ = Blake2s({hash_, bytes}); }

void SymmetricState::MixKey(ConstBytes input) {
  Hkdf2(chaining_key_.bytes(), input, chaining_key_.bytes(), key_.bytes());
}

void SymmetricState::MixKeyAndHash(ConstBytes input) {
  Secret<kHashSize> mixed;
  Hkdf3(chaining_key_.bytes(), input, chaining_key_.bytes(), mixed.bytes(), key_.bytes());
  MixHash(mixed.bytes());
}

void SymmetricState::EncryptAndHash(ConstBytes plaintext, MutableBytes out) {
  SealField(suite_, key_.bytes(), plaintext, hash_, out);
  key_.Clear();
  MixHash(out);
}

bool SymmetricState::DecryptAndHash(ConstBytes ciphertext, MutableBytes out) {
  const bool ok = OpenField(suite_, key_.bytes(), ciphertext, hash_, out);
  key_.Clear();
  MixHash(ciphertext);
  return ok;
}

void SymmetricState::Split(Secret<kKeySize>& first, Secret<kKeySize>& second) const {
  Hkdf2(chaining_key_.bytes(), {}, first.bytes(), second.bytes());
}

Initiator::Initiator(CipherSuite suite, std::string_view prologue, const PublicKey& responder,
                     KeyPair ephemeral)
    : responder_(responder), ephemeral_(std::move(ephemeral)), state_(suite, prologue) {
  state_.MixHash(responder.bytes);
}

bool Initiator::WriteInitiation(const PublicKey& own, const SharedSecret& static_static,
                                ConstBytes payload, MutableBytes out) {
  assert(out.size() == payload.size() + kInitiationOverhead);
  const PublicKey& ephemeral = ephemeral_.public_key();
  std::memcpy(out.data(), ephemeral.bytes.data(), kKeySize);
  MixEphemeral(state_, ephemeral);                                                // e
  if (static_static.IsZero() || !MixAgreement(state_, ephemeral_, responder_)) {  // es
    return false;
  }
  state_.EncryptAndHash(own.bytes, out.subspan(kKeySize, kEncryptedStaticSize));  // s
  state_.MixKey(static_static.bytes());                                           // ss
  state_.EncryptAndHash(payload, out.subspan(kKeySize + kEncryptedStaticSize));
  return true;
}

std::optional<TransportKeys> Initiator::ReadResponse(const KeyPair& own,
                                                     const PresharedKey& preshared,
                                                     ConstBytes message, MutableBytes payload,
                                                     Hash* transcript) const {
  assert(message.size() == payload.size() + kResponseOverhead);
  SymmetricState state = state_;
  const PublicKey theirs = KeyAt(message);
  MixEphemeral(state, theirs);                              // e
  if (!MixAgreement(state, ephemeral_, theirs)) return {};  // ee
  if (!MixAgreement(state, own, theirs)) return {};         // se
  state.MixKeyAndHash(preshared.bytes());                   // psk
  if (!state.DecryptAndHash(message.subspan(kKeySize), payload)) return {};
  if (transcript != nullptr) *transcript = state.hash();
  std::optional<TransportKeys> keys(std::in_place);
  state.Split(keys->send, keys->receive);
  return keys;
}

Responder::Responder(CipherSuite suite, std::string_view prologue, const PublicKey& own)
    : state_(suite, prologue) {
  state_.MixHash(own.bytes);
}

bool Responder::ReadStatic(ConstBytes message, const SharedSecret& ephemeral_static,
                           PublicKey& initiator) {
  assert(message.size() >= kKeySize + kEncryptedStaticSize);
  initiator_ephemeral_ = KeyAt(message);
  MixEphemeral(state_, initiator_ephemeral_);  // e
  if (ephemeral_static.IsZero()) return false;
  state_.MixKey(ephemeral_static.bytes());  // es
  if (!state_.DecryptAndHash(message.subspan(kKeySize, kEncryptedStaticSize), initiator_.bytes)) {
    return false;  // s
  }
  initiator = initiator_;
  return true;
}

bool Responder::ReadPayload(ConstBytes encrypted, const SharedSecret& static_static,
                            MutableBytes payload) {
  if (static_static.IsZero()) return false;
  state_.MixKey(static_static.bytes());  // ss
  return state_.DecryptAndHash(encrypted, payload);
}

std::optional<TransportKeys> Responder::WriteResponse(const KeyPair& ephemeral,
                                                      const PresharedKey& preshared,
                                                      ConstBytes payload, MutableBytes out,
                                                      Hash* transcript) {
  assert(out.size() == payload.size() + kResponseOverhead);
  const PublicKey& ours = ephemeral.public_key();
  std::memcpy(out.data(), ours.bytes.data(), kKeySize);
  MixEphemeral(state_, ours);                                             // e
  if (!MixAgreement(state_, ephemeral, initiator_ephemeral_)) return {};  // ee
  if (!MixAgreement(state_, ephemeral, initiator_)) return {};            // se
  state_.MixKeyAndHash(preshared.bytes());                                // psk
  state_.EncryptAndHash(payload, out.subspan(kKeySize));
  if (transcript != nullptr) *transcript = state_.hash();
  std::optional<TransportKeys> keys(std::in_place);
  state_.Split(keys->receive, keys->send);
  return keys;
}

}  // namespace vireo::wg::noise
