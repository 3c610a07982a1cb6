// The engine's record of one peer.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "dataplane/base/clock.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/net/address.h"
#include "dataplane/wg/cookie.h"
#include "dataplane/wg/keypairs.h"
#include "dataplane/wg/keys.h"
#include "dataplane/wg/noise.h"
#include "dataplane/wg/peer_path.h"
#include "dataplane/wg/tai64n.h"

namespace vireo::wg {

inline constexpr Time kNever = Time::max();

// Made and changed by the Engine only. Thread: slow path only.
class Peer {
 public:
  Peer(const PublicKey& key, PeerPath& path) : public_key_(key), path_(path) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Configuration.
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
  [[nodiscard]] const PresharedKey& preshared_key() const { return preshared_key_; }
  [[nodiscard]] CipherSuite suite() const { return suite_; }
  // 0: off.
  [[nodiscard]] std::chrono::seconds persistent_keepalive() const { return persistent_keepalive_; }

  // Where it is reached: as configured, or as its last authenticated message came from.
  [[nodiscard]] const std::optional<net::UdpEndpoint>& endpoint() const { return endpoint_; }

  // When the last handshake completed; nullopt: never.
  [[nodiscard]] const std::optional<WallTime>& last_handshake() const { return last_handshake_; }
  // Handshake messages only, in UDP payload bytes; transport is in path().counters.
  [[nodiscard]] std::uint64_t handshake_rx_bytes() const { return handshake_rx_bytes_; }
  [[nodiscard]] std::uint64_t handshake_tx_bytes() const { return handshake_tx_bytes_; }

  [[nodiscard]] PeerPath& path() const { return path_; }
  [[nodiscard]] const Keypairs& keypairs() const { return keypairs_; }
  // An initiation of ours waits for its response.
  [[nodiscard]] bool handshake_pending() const { return pending_ != nullptr; }
  // Initiations tried since a handshake was last asked for; 0 once it completed or was given up.
  [[nodiscard]] unsigned handshake_attempts() const { return attempts_; }

  // The slow path's own record of the peer; the engine does not look at it.
  void* owner = nullptr;

 private:
  friend class Engine;
  friend class DeadlineHeap;

  // An initiation of ours that waits for its response.
  struct Pending {
    noise::Initiator handshake;
    std::uint32_t local_index;
  };
  // The Diffie-Hellman of the two static keys is computed at first use and kept.
  enum class StaticStatic : std::uint8_t { kUnknown, kValid, kLowOrder };

  PublicKey public_key_;
  PresharedKey preshared_key_;
  std::optional<net::UdpEndpoint> endpoint_;
  std::chrono::seconds persistent_keepalive_{0};
  CipherSuite suite_ = CipherSuite::kChaCha20Poly1305;

  // Handshake.
  StaticStatic static_static_state_ = StaticStatic::kUnknown;
  SharedSecret static_static_;
  std::unique_ptr<Pending> pending_;
  CookieJar cookies_;
  Tai64n received_timestamp_;                // of the last initiation accepted
  std::optional<Time> initiation_accepted_;  // when that was
  WallTime sent_timestamp_;                  // the highest that the peer may have seen from us
  std::optional<Time> handshake_sent_;       // our last initiation or response

  Keypairs keypairs_;
  PeerPath& path_;

  // Timers; kNever if not armed.
  Time initiate_at_ = kNever;   // the next initiation of a handshake that is wanted
  Time zero_keys_at_ = kNever;  // 540 s after the last new session
  Duration jitter_{0};          // added to the 15 s after which unanswered data starts a handshake
  unsigned attempts_ = 0;

  std::optional<WallTime> last_handshake_;
  std::uint64_t handshake_rx_bytes_ = 0;
  std::uint64_t handshake_tx_bytes_ = 0;

  // DeadlineHeap's.
  Time deadline_ = kNever;
  std::uint32_t heap_position_ = std::numeric_limits<std::uint32_t>::max();
};

}  // namespace vireo::wg
