#include "dataplane/wg/engine.h"

#include <utility>

namespace vireo::wg {
namespace {

std::size_t SuiteIndex(CipherSuite suite) { return static_cast<std::size_t>(suite); }

}  // namespace

Engine::Engine(const Clock& clock, RandomSource& random, SessionTable& sessions, Host& host,
               Options options)
    : clock_(clock),
      random_(random),
      sessions_(sessions),
      host_(host),
      checker_(random),
      limiter_(random),
      highest_timestamp_(options.timestamp_mark),
      reserved_timestamp_(options.timestamp_mark) {}

Engine::~Engine() {
  while (!peers_.empty()) RemovePeer(*peers_.begin()->second);
}

void Engine::SetPrivateKey(const PrivateKey& key) {
  if (key == private_key_) return;
  private_key_ = key;
  identity_ = key.IsZero() ? nullptr : std::make_unique<KeyPair>(key);
  public_key_ = identity_ != nullptr ? identity_->public_key() : PublicKey{};
  checker_.SetPublicKey(public_key_);
  for (auto& [name, peer] : peers_) {
    peer->static_static_state_ = Peer::StaticStatic::kUnknown;
    peer->static_static_.Clear();
    RestartHandshake(*peer);
  }
}

void Engine::SetUp(bool up) {
  if (up == up_) return;
  up_ = up;
  for (auto& [name, peer] : peers_) {
    if (!up) {
      StopPeer(*peer);
    } else if (peer->persistent_keepalive_.count() != 0 && peer->endpoint_) {
      Keepalive(*peer);
    }
    Reschedule(*peer);
  }
}

Result<Peer*> Engine::AddPeer(const PublicKey& key, PeerPath& path) {
  if (identity_ != nullptr && key == public_key_) {
    return Error{ErrorCode::kInvalidArgument,
                 "peer " + key.ToBase64() + " is this device's own public key"};
  }
  auto [entry, added] = peers_.try_emplace(key);
  if (!added) {
    return Error{ErrorCode::kAlreadyExists, "peer " + key.ToBase64() + " exists already"};
  }
  entry->second = std::make_unique<Peer>(key, path);
  Peer& peer = *entry->second;
  ++suite_users_[SuiteIndex(peer.suite_)];
  // It may be one that was removed a moment ago and still knows our last timestamp.
  peer.sent_timestamp_ = highest_timestamp_;
  peer.jitter_ = Jitter();
  return &peer;
}

void Engine::RemovePeer(Peer& peer) {
  StopPeer(peer);
  deadlines_.Set(peer, kNever);
  --suite_users_[SuiteIndex(peer.suite_)];
  peers_.erase(peers_.find(peer.public_key_));
}

Peer* Engine::Find(const PublicKey& key) const {
  const auto found = peers_.find(key);
  return found == peers_.end() ? nullptr : found->second.get();
}

void Engine::SetPresharedKey(Peer& peer, const PresharedKey& key) { peer.preshared_key_ = key; }

void Engine::SetEndpoint(Peer& peer, const net::UdpEndpoint& endpoint) {
  MoveEndpoint(peer, endpoint);
  if (peer.initiate_at_ != kNever && peer.pending_ == nullptr) TryInitiate(peer);
  Reschedule(peer);
}

void Engine::SetPersistentKeepalive(Peer& peer, std::chrono::seconds interval) {
  const bool switched_on = peer.persistent_keepalive_.count() == 0 && interval.count() != 0;
  peer.persistent_keepalive_ = interval;
  if (switched_on && up_ && peer.endpoint_) Keepalive(peer);
  Reschedule(peer);
}

void Engine::SetSuite(Peer& peer, CipherSuite suite) {
  if (suite == peer.suite_) return;
  --suite_users_[SuiteIndex(peer.suite_)];
  ++suite_users_[SuiteIndex(suite)];
  peer.suite_ = suite;
  host_.SuiteChanged(peer);
  RestartHandshake(peer);
}

void Engine::SetHandshakeQueue(std::size_t depth, std::size_t capacity) {
  if (depth > 0 && depth >= capacity / 8) under_load_until_ = clock_.Now() + kUnderLoadAfterglow;
}

bool Engine::under_load() const { return clock_.Now() < under_load_until_; }

void Engine::OnPacketStaged(Peer& peer) {
  if (!up_) {
    host_.DropStaged(peer);
    return;
  }
  const Session* current = peer.keypairs_.current();
  const Session* next = peer.keypairs_.next();
  if (next != nullptr && next->confirmed.load(std::memory_order_acquire)) {
    ConfirmNext(peer);  // which flushes
  } else if (current != nullptr && Usable(*current, clock_.Now())) {
    host_.FlushStaged(peer);
  } else {
    WantHandshake(peer);
  }
  Reschedule(peer);
}

void Engine::OnSessionConfirmed(std::uint32_t local_index) {
  auto* const peer = static_cast<Peer*>(sessions_.Owner(local_index));
  if (peer == nullptr) return;
  const Session* next = peer->keypairs_.next();
  if (next == nullptr || next->local_index != local_index || !next->confirmed.load()) return;
  ConfirmNext(*peer);
  Reschedule(*peer);
}

void Engine::OnRekeyWanted(std::uint32_t local_index) {
  auto* const peer = static_cast<Peer*>(sessions_.Owner(local_index));
  if (peer == nullptr) return;
  const Session* current = peer->keypairs_.current();
  if (current == nullptr || current->local_index != local_index || !current->wants_rekey.load()) {
    return;
  }
  WantHandshake(*peer);
  Reschedule(*peer);
}

void Engine::OnEndpointSeen(Peer& peer, const net::UdpEndpoint& from) {
  if (!up_) return;
  MoveEndpoint(peer, from);
  Reschedule(peer);
}

void Engine::MoveEndpoint(Peer& peer, const net::UdpEndpoint& to) {
  if (peer.endpoint_ == to) return;
  peer.endpoint_ = to;
  host_.EndpointChanged(peer);
}

// Shows the workers the peer's current session, then retires those that lost their place.
void Engine::Publish(Peer& peer, Keypairs::Dropped dropped) {
  peer.path_.current.store(peer.keypairs_.current(), std::memory_order_release);
  for (std::unique_ptr<Session>& session : dropped) {
    sessions_.Free(session->local_index);
    host_.Retire(std::move(session));
  }
}

void Engine::DropPending(Peer& peer) {
  if (peer.pending_ == nullptr) return;
  sessions_.Free(peer.pending_->local_index);
  peer.pending_.reset();
}

void Engine::DropKeys(Peer& peer) {
  DropPending(peer);
  Publish(peer, peer.keypairs_.Clear());
  peer.zero_keys_at_ = kNever;
}

void Engine::StopPeer(Peer& peer) {
  DropKeys(peer);
  host_.DropStaged(peer);
  peer.cookies_.Clear();
  peer.initiate_at_ = kNever;
  peer.attempts_ = 0;
  peer.handshake_sent_.reset();
  peer.path_.activity.unanswered_since.store(0, std::memory_order_relaxed);
  peer.path_.activity.unacknowledged_since.store(0, std::memory_order_relaxed);
}

// After a change that makes all keys worthless; a handshake under way must not wait for its retry.
void Engine::RestartHandshake(Peer& peer) {
  DropKeys(peer);
  peer.handshake_sent_.reset();
  if (peer.initiate_at_ != kNever) {
    peer.initiate_at_ = kNever;
    WantHandshake(peer);
  }
  Reschedule(peer);
}

}  // namespace vireo::wg
