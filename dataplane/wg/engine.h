// The WireGuard protocol of one device: handshakes, timers, keypairs, cookies, roaming.
//
// Theory of operation. The engine makes sessions; workers seal and open packets with them. Three
// things connect the two: PeerPath::current and the SessionTable, which the engine writes and
// workers read; PeerPath::activity, which workers write and the engine's timers read; and the
// events below (On...), which the slow path takes from the workers' queues and hands in here.
// Whatever the engine wants done, it asks of its Host.
//
// Timers are not armed one by one. For each peer with something to wait for, a heap holds one
// deadline: the earliest moment at which anything can be due, given that whatever a worker may
// still arm is due 10 s after that at the soonest. Poll looks at the peers whose deadline came,
// does what is due and computes the next deadline. So idle peers cost nothing, active ones one look
// in up to 10 s, and nothing is ever late.
//
// Events are hints: each carries a state that is also kept in the session's flags, so an event that
// is late, doubled or about a session that is gone does no harm, and one that was lost is made up
// for at the next look.
//
// Thread safety: none; everything here runs on the slow path's thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>

#include "dataplane/base/clock.h"
#include "dataplane/base/random.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/wg/cookie.h"
#include "dataplane/wg/deadline_heap.h"
#include "dataplane/wg/handshake_verdict.h"
#include "dataplane/wg/limits.h"
#include "dataplane/wg/peer.h"
#include "dataplane/wg/rate_limiter.h"
#include "dataplane/wg/session_table.h"

namespace vireo::wg {

// The outer IPv4 TOS or IPv6 traffic class of initiations and responses (AF41); cookie replies and
// data have 0.
inline constexpr std::uint8_t kHandshakeTos = 0x88;

class Engine {
 public:
  // What the engine asks of its surroundings. Called only from within the engine's own functions.
  // REQUIRES: an implementation does not call the engine back, except for const accessors.
  class Host {
   public:
    virtual ~Host() = default;

    // Sends one UDP payload. `peer` is nullptr for cookie replies, which go to strangers too.
    virtual void SendMessage(Peer* peer, const net::UdpEndpoint& to, ConstBytes message,
                             std::uint8_t tos) = 0;

    // Seals an empty packet with path().current, which is set and fresh, and sends it. Counts as
    // any other sent packet does (byte counters, rekey check), but not as data.
    virtual void SendKeepalive(Peer& peer) = 0;

    // path().current has just become usable: sends what was staged for the peer. False if nothing
    // was.
    virtual bool FlushStaged(Peer& peer) = 0;
    virtual void DropStaged(Peer& peer) = 0;

    // peer.endpoint() is new: publish a new UnderlayPath.
    virtual void EndpointChanged(Peer& peer) = 0;
    // peer.suite() is new.
    virtual void SuiteChanged(Peer&) {}

    // Nothing leads to the session any more: delete it, which zeroes it, once every worker has
    // passed a quiescent point.
    virtual void Retire(std::unique_ptr<Session> session) = 0;

    // Initiations will carry timestamps up to `mark`: write it where it survives a restart, and
    // pass it as Options::timestamp_mark then. Called before the first of them is sent, and about
    // once a minute while handshakes are going on.
    virtual void TimestampReserved(WallTime mark) = 0;
  };

  struct Options {
    // The last TimestampReserved() of an earlier run. Without it, peers refuse our handshakes after
    // a restart until the wall clock is past the last timestamp that they saw from us.
    WallTime timestamp_mark{};
  };

  // The references must outlive the engine. It starts down, without a private key.
  Engine(const Clock& clock, RandomSource& random, SessionTable& sessions, Host& host,
         Options options);
  // Removes all peers: their sessions go to Host::Retire.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Sets the device's identity; the zero key takes it away. A new key drops all sessions; a
  // handshake that was under way starts again at once. A peer that has our own public key stays
  // configured and never handshakes: remove it before (`Find(PublicKeyOf(key))`) to be as Linux is.
  void SetPrivateKey(const PrivateKey& key);
  [[nodiscard]] const PrivateKey& private_key() const { return private_key_; }
  // Zero without a private key.
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }

  // Down: all keys and staged packets are dropped, nothing is sent or accepted. Up: peers with a
  // persistent keepalive handshake at once.
  void SetUp(bool up);
  [[nodiscard]] bool up() const { return up_; }

  // Errors: kAlreadyExists; kInvalidArgument for our own public key (UAPI ignores such a peer
  // silently). `path` must stay until the peer is removed and, as sessions point to it, until all
  // that were retired are gone.
  Result<Peer*> AddPeer(const PublicKey& key, PeerPath& path);
  // Drops its sessions and staged packets; `peer` is gone afterwards.
  void RemovePeer(Peer& peer);
  // nullptr if there is none.
  [[nodiscard]] Peer* Find(const PublicKey& key) const;
  // In the order of their keys.
  [[nodiscard]] const std::map<PublicKey, std::unique_ptr<Peer>>& peers() const { return peers_; }

  // Used by the next handshake; sessions stay.
  void SetPresharedKey(Peer& peer, const PresharedKey& key);
  // A handshake that waits for an endpoint starts at once.
  void SetEndpoint(Peer& peer, const net::UdpEndpoint& endpoint);
  // 0: off. Switching it on sends a keepalive, or starts a handshake, at once.
  void SetPersistentKeepalive(Peer& peer, std::chrono::seconds interval);
  // A change drops the peer's sessions.
  void SetSuite(Peer& peer, CipherSuite suite);

  // Takes an initiation, a response or a cookie reply: one UDP payload as received.
  HandshakeVerdict OnHandshakeMessage(const net::UdpEndpoint& from, ConstBytes message);
  // Call before OnHandshakeMessage with the number of messages that wait behind it: from an eighth
  // of the capacity on, and for a second after, the device is under load.
  void SetHandshakeQueue(std::size_t depth, std::size_t capacity);
  [[nodiscard]] bool under_load() const;

  // A packet was staged for a peer without a usable session. Also restarts the 90 s after which a
  // handshake is given up. If a session has become usable meanwhile, flushes.
  void OnPacketStaged(Peer& peer);
  // A worker has set Session::confirmed of the session with that local index: the first
  // authenticated packet on a session that we answered.
  void OnSessionConfirmed(std::uint32_t local_index);
  // A worker has set Session::wants_rekey.
  void OnRekeyWanted(std::uint32_t local_index);
  // An authenticated transport packet of the peer came from there.
  void OnEndpointSeen(Peer& peer, const net::UdpEndpoint& from);

  // Does everything that is due by now.
  void Poll();
  // When Poll has something to do; Time::max() if nothing is waited for. Any other call may bring
  // it forward; workers never do.
  [[nodiscard]] Time NextDeadline() const;

 private:
  struct OpenedInitiation;
  using Refusal = std::optional<HandshakeVerdict>;  // nullopt: go on

  // engine.cc: peers and their keys.
  void MoveEndpoint(Peer& peer, const net::UdpEndpoint& to);
  void Publish(Peer& peer, Keypairs::Dropped dropped);
  void DropPending(Peer& peer);
  void DropKeys(Peer& peer);
  void StopPeer(Peer& peer);
  void RestartHandshake(Peer& peer);

  // handshake.cc: messages in and out.
  [[nodiscard]] Refusal CheckMacs(const net::UdpEndpoint& from, ConstBytes message);
  HandshakeVerdict OnInitiation(const net::UdpEndpoint& from, ConstBytes message);
  HandshakeVerdict OnResponse(const net::UdpEndpoint& from, ConstBytes message);
  HandshakeVerdict OnCookieReply(ConstBytes message);
  [[nodiscard]] Refusal OpenInitiation(ConstBytes message, OpenedInitiation& opened);
  HandshakeVerdict Respond(const net::UdpEndpoint& from, ConstBytes message,
                           OpenedInitiation& opened);
  [[nodiscard]] bool CanHandshake(Peer& peer);
  void SendInitiation(Peer& peer);
  void SendHandshake(Peer& peer, MutableBytes message);
  void TakeHandshake(Peer& peer, const net::UdpEndpoint& from, ConstBytes message);
  [[nodiscard]] WallTime ReserveTimestamp(Peer& peer);
  [[nodiscard]] std::unique_ptr<Session> MakeSession(Peer& peer, const noise::TransportKeys& keys,
                                                     std::uint32_t local_index,
                                                     std::uint32_t remote_index, bool initiator);

  // timers.cc: what is due, and when.
  void WantHandshake(Peer& peer);
  void TryInitiate(Peer& peer);
  void GiveUp(Peer& peer);
  void CompleteHandshake(Peer& peer);
  void ConfirmNext(Peer& peer);
  void Keepalive(Peer& peer);
  void Service(Peer& peer);
  void ServiceSessions(Peer& peer, Time now);
  void Reschedule(Peer& peer);
  [[nodiscard]] Time DeadlineOf(const Peer& peer) const;
  [[nodiscard]] static Time PersistentKeepaliveDue(const Peer& peer);
  // Not too old and not out of messages.
  [[nodiscard]] static bool Usable(const Session& session, Time now);
  [[nodiscard]] Duration Jitter();

  const Clock& clock_;
  RandomSource& random_;
  SessionTable& sessions_;
  Host& host_;

  bool up_ = false;
  PrivateKey private_key_;
  PublicKey public_key_;
  std::unique_ptr<KeyPair> identity_;  // nullptr without a private key
  std::map<PublicKey, std::unique_ptr<Peer>> peers_;
  std::array<std::size_t, 2> suite_users_{};  // configured peers by suite
  DeadlineHeap deadlines_;

  CookieChecker checker_;
  RateLimiter limiter_;
  Time under_load_until_{};

  WallTime highest_timestamp_;   // that any peer may have seen from us
  WallTime reserved_timestamp_;  // that the host has written down
};

}  // namespace vireo::wg
