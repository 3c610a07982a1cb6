// The engine's timers: what is due for a peer, and when the next thing can be.
#include <algorithm>

#include "dataplane/wg/engine.h"

namespace vireo::wg {
namespace {

// Unanswered data starts a handshake after this and the jitter.
constexpr Duration kNewHandshakeTimeout = kKeepaliveTimeout + kRekeyTimeout;
// The first initiation, one every 5 s while 90 s have not gone by, and one for the road, as Linux.
constexpr unsigned kMaxInitiations = kRekeyAttemptTime / kRekeyTimeout + 2;
// How often a session that we answered is looked at, in case its confirmation's event was lost.
constexpr Duration kUnconfirmedCheck = std::chrono::seconds(1);

std::int64_t Nanoseconds(Time time) { return time.time_since_epoch().count(); }

// `after` a time of PeerActivity; kNever if that is "no".
Time DueAfter(const std::atomic<std::int64_t>& since, Duration after) {
  const std::int64_t armed = since.load(std::memory_order_relaxed);
  return armed == 0 ? kNever : Time(Duration(armed)) + after;
}

bool NeedsRekey(const Session& session, Time now) {
  return session.wants_rekey.load(std::memory_order_relaxed) ||
         session.send_counter.load(std::memory_order_relaxed) > session.rekey_after_messages ||
         (session.initiator && now - session.created >= kRekeyAfterTime);
}

}  // namespace

void Engine::Poll() {
  const Time now = clock_.Now();
  while (deadlines_.EarliestDeadline() <= now) Service(*deadlines_.Earliest());
  if (limiter_.NextSweep() <= now) limiter_.Sweep(now);
}

Time Engine::NextDeadline() const {
  return std::min(deadlines_.EarliestDeadline(), limiter_.NextSweep());
}

// Everything that is due for the peer. Leaves it with a deadline in the future.
void Engine::Service(Peer& peer) {
  const Time now = clock_.Now();
  if (peer.zero_keys_at_ <= now) DropKeys(peer);
  if (peer.initiate_at_ <= now) {
    if (peer.attempts_ >= kMaxInitiations) {
      GiveUp(peer);
    } else {
      TryInitiate(peer);
    }
  }
  ServiceSessions(peer, now);
  PeerActivity& activity = peer.path_.activity;
  if (DueAfter(activity.unanswered_since, kNewHandshakeTimeout + peer.jitter_) <= now) {
    // The next data packet arms it again.
    activity.unanswered_since.store(0, std::memory_order_relaxed);
    peer.jitter_ = Jitter();
    WantHandshake(peer);
  }
  if (DueAfter(activity.unacknowledged_since, kKeepaliveTimeout) <= now ||
      PersistentKeepaliveDue(peer) <= now) {
    Keepalive(peer);
  }
  Reschedule(peer);
}

// Makes up for events that were lost or that could not be acted upon when they came.
void Engine::ServiceSessions(Peer& peer, Time now) {
  const Session* next = peer.keypairs_.next();
  if (next != nullptr && next->confirmed.load(std::memory_order_acquire)) ConfirmNext(peer);
  const Session* current = peer.keypairs_.current();
  if (current != nullptr && !current->Expired(now) && peer.initiate_at_ == kNever &&
      current->wants_rekey.load(std::memory_order_relaxed)) {
    WantHandshake(peer);
  }
}

// A handshake has a reason, and a fresh 90 s for it.
void Engine::WantHandshake(Peer& peer) {
  if (!up_) return;
  peer.attempts_ = 0;
  if (peer.initiate_at_ == kNever) TryInitiate(peer);
}

// Sends an initiation, or sees to it that one is sent as soon as it may be. One that cannot be sent
// at all, for want of an endpoint or a private key, counts as one that was lost.
void Engine::TryInitiate(Peer& peer) {
  const Time now = clock_.Now();
  const Time allowed = peer.handshake_sent_ ? *peer.handshake_sent_ + kRekeyTimeout : now;
  if (now < allowed) {
    peer.initiate_at_ = allowed;
    return;
  }
  SendInitiation(peer);
  ++peer.attempts_;
  peer.initiate_at_ = now + kRekeyTimeout + Jitter();
}

void Engine::GiveUp(Peer& peer) {
  DropPending(peer);
  peer.initiate_at_ = kNever;
  peer.attempts_ = 0;
  peer.path_.activity.unacknowledged_since.store(0, std::memory_order_relaxed);
  // A worker that still has use for the session asks again.
  if (Session* current = peer.keypairs_.current()) current->wants_rekey.store(false);
  host_.DropStaged(peer);
}

// A new session is in use, whichever side began it.
void Engine::CompleteHandshake(Peer& peer) {
  DropPending(peer);
  peer.initiate_at_ = kNever;
  peer.attempts_ = 0;
  peer.last_handshake_ = clock_.WallNow();
}

void Engine::ConfirmNext(Peer& peer) {
  Publish(peer, peer.keypairs_.ConfirmNext());
  CompleteHandshake(peer);
  host_.FlushStaged(peer);
}

void Engine::Keepalive(Peer& peer) {
  const Time now = clock_.Now();
  PeerActivity& activity = peer.path_.activity;
  const Session* current = peer.keypairs_.current();
  if (current != nullptr && Usable(*current, now)) {
    host_.SendKeepalive(peer);
    if (peer.initiate_at_ == kNever && NeedsRekey(*current, now)) WantHandshake(peer);
  } else {
    WantHandshake(peer);
  }
  // Also where nothing could be sent: the next one is due an interval from now.
  activity.AnythingSent(Nanoseconds(now));
}

void Engine::Reschedule(Peer& peer) { deadlines_.Set(peer, DeadlineOf(peer)); }

Time Engine::DeadlineOf(const Peer& peer) const {
  if (!up_) return kNever;
  const Time now = clock_.Now();
  const PeerActivity& activity = peer.path_.activity;
  Time due = std::min({peer.initiate_at_, peer.zero_keys_at_,
                       DueAfter(activity.unanswered_since, kNewHandshakeTimeout + peer.jitter_),
                       DueAfter(activity.unacknowledged_since, kKeepaliveTimeout),
                       PersistentKeepaliveDue(peer)});
  const Session* current = peer.keypairs_.current();
  // Whatever a worker arms from now on is due then at the soonest.
  if (current != nullptr && !current->Expired(now)) due = std::min(due, now + kKeepaliveTimeout);
  const Session* next = peer.keypairs_.next();
  if (next != nullptr && !next->Expired(now)) due = std::min(due, now + kUnconfirmedCheck);
  return due;
}

Time Engine::PersistentKeepaliveDue(const Peer& peer) {
  if (peer.persistent_keepalive_.count() == 0 || !peer.endpoint_) return kNever;
  const Time last(Duration(peer.path_.activity.last_traversal.load(std::memory_order_relaxed)));
  return last + peer.persistent_keepalive_;
}

bool Engine::Usable(const Session& session, Time now) {
  return !session.Expired(now) &&
         session.send_counter.load(std::memory_order_relaxed) < kRejectAfterMessages;
}

Duration Engine::Jitter() {
  const auto range = static_cast<std::uint64_t>(kRekeyTimeoutJitterMax.count()) + 1;
  return Duration(static_cast<Duration::rep>(random_.Next64() % range));
}

}  // namespace vireo::wg
