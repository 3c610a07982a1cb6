// What became of a handshake message: one list makes the enum, its name and its text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vireo::wg {

// X(constant, "name", "what it means"). The first three are the messages that did something; every
// other one left all state as it was and, but for kCookieSent, was answered by silence.
#define VIREO_HANDSHAKE_VERDICTS(X)                                                               \
  X(kInitiationAccepted, "initiation_accepted", "new session prepared, response sent")            \
  X(kResponseAccepted, "response_accepted", "handshake complete, session in use")                 \
  X(kCookieAccepted, "cookie_accepted", "cookie kept for our next handshake message")             \
  X(kCookieSent, "cookie_sent", "under load and without a valid mac2: cookie reply sent")         \
  X(kDown, "down", "interface is down")                                                           \
  X(kNoPrivateKey, "no_private_key", "no private key is set")                                     \
  X(kMalformed, "malformed", "type, reserved bytes or size is not a handshake message's")         \
  X(kMac1Wrong, "mac1_wrong", "sender does not know our public key, or the message is damaged")   \
  X(kRateLimited, "rate_limited", "under load and more than 20 a second from this address")       \
  X(kUndecryptable, "undecryptable", "an encrypted field does not authenticate")                  \
  X(kKeyRejected, "key_rejected", "Diffie-Hellman result is zero: a key of low order")            \
  X(kPeerUnknown, "peer_unknown", "static key is not a configured peer's")                        \
  X(kSuiteMismatch, "suite_mismatch", "peer is configured for the other cipher suite")            \
  X(kTimestampReplayed, "timestamp_replayed", "initiation is not newer than the last one")        \
  X(kTooSoon, "too_soon", "less than 20 ms after the peer's last accepted initiation")            \
  X(kIndexUnknown, "index_unknown", "receiver index names nothing of ours that waits for this")   \
  X(kCookieUnexpected, "cookie_unexpected", "cookie reply without a handshake message to answer") \
  X(kExhausted, "exhausted", "all session indices are in use")

enum class HandshakeVerdict : std::uint8_t {
#define X(constant, name, text) constant,
  VIREO_HANDSHAKE_VERDICTS(X)
#undef X
};

inline constexpr std::size_t kHandshakeVerdicts = 0
#define X(constant, name, text) +1
    VIREO_HANDSHAKE_VERDICTS(X)
#undef X
    ;

[[nodiscard]] std::string_view Name(HandshakeVerdict verdict);
[[nodiscard]] std::string_view Text(HandshakeVerdict verdict);
// True for the messages that were taken and verified.
[[nodiscard]] constexpr bool Accepted(HandshakeVerdict verdict) {
  return verdict <= HandshakeVerdict::kCookieAccepted;
}

}  // namespace vireo::wg
