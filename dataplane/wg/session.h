// One keypair of a WireGuard session: what a worker needs to seal and open its packets.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/base/clock.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/wg/limits.h"
#include "dataplane/wg/replay.h"

namespace vireo::wg {

struct PeerPath;

// Cache lines: a worker reads the first for every packet, the second to seal, the third and one of
// the window's to open.
//
// Made by the slow path when a handshake completes, published by PeerPath::current and the
// SessionTable, freed after every worker has passed a quiescent point. Workers change only the
// atomics.
struct alignas(64) Session {
  Session(CipherSuite cipher, std::span<const std::byte, kAeadKeySize> send,
          std::span<const std::byte, kAeadKeySize> receive)
      : suite(cipher),
        rekey_after_messages(cipher == CipherSuite::kAes256Gcm ? kRekeyAfterMessagesAesGcm
                                                               : kRekeyAfterMessages),
        send_key(cipher, send),
        receive_key(cipher, receive) {}

  // Constant after publication.
  PeerPath* peer = nullptr;
  std::uint32_t local_index = 0;   // the peer writes it into what it sends us
  std::uint32_t remote_index = 0;  // we write it into what we send
  bool initiator = false;          // we sent the initiation: we are the one that rekeys by age
  CipherSuite suite;
  // Workers write, slow path reads.
  // True once something authenticated came on it; always true for the initiator. Until then the
  // responder must not send on it.
  std::atomic<bool> confirmed{false};
  // Some worker saw that it is time for a new handshake (set once).
  std::atomic<bool> wants_rekey{false};
  // Constant after publication.
  Time created{};
  std::uint64_t rekey_after_messages;

  // What sealing touches. Workers write the next counter to send, with Reserve: a block at a time.
  alignas(64) std::atomic<std::uint64_t> send_counter{0};
  AeadKey send_key;

  // What opening touches. Workers write the window.
  alignas(64) AeadKey receive_key;
  ReplayWindow replay;

  // The first of `count` counters that nobody else gets.
  std::uint64_t Reserve(std::uint64_t count, Sharing sharing) {
    if (sharing == Sharing::kShared) {
      return send_counter.fetch_add(count, std::memory_order_relaxed);
    }
    const std::uint64_t first = send_counter.load(std::memory_order_relaxed);
    send_counter.store(first + count, std::memory_order_relaxed);
    return first;
  }

  [[nodiscard]] bool Expired(Time now) const { return now - created >= kRejectAfterTime; }

  // Bring in what the next packet of the session needs.
  void PrefetchSeal() const {
    __builtin_prefetch(this);
    __builtin_prefetch(&send_counter, 1);
  }
  void PrefetchOpen() const {
    __builtin_prefetch(this);
    __builtin_prefetch(&receive_key, 1);
  }
};

}  // namespace vireo::wg
