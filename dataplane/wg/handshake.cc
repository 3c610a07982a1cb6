// The engine's messages: what comes in, in the order of its checks, and what goes out.
#include <cstddef>
#include <utility>

#include "dataplane/wg/engine.h"

namespace vireo::wg {
namespace {

using enum HandshakeVerdict;

constexpr std::string_view kPrologue = "WireGuard v1 zx2c4 Jason@zx2c4.com";
// How far ahead timestamps are reserved, so that the mark is written down about once in that time.
constexpr auto kTimestampsAhead = std::chrono::seconds(60);
// The same while the wall clock is behind the timestamps, which then advance by their grain only.
// Little, so that a restart loop does not run away from the clock.
constexpr auto kTimestampsAheadOfClock = 8 * kTimestampGrain;

// The Noise part of each message: its fields are adjacent, as the Noise core writes them.
constexpr std::size_t kInitiationNoise = offsetof(InitiationMessage, ephemeral);
constexpr std::size_t kInitiationTimestamp = offsetof(InitiationMessage, encrypted_timestamp);
constexpr std::size_t kResponseNoise = offsetof(ResponseMessage, ephemeral);
constexpr std::size_t kInitiationNoiseSize = noise::kInitiationOverhead + kTai64nSize;
static_assert(kInitiationNoise + kInitiationNoiseSize + sizeof(MessageMacs) == kInitiationSize);
static_assert(kInitiationTimestamp == kInitiationNoise + kKeySize + noise::kEncryptedStaticSize);
static_assert(kResponseNoise + noise::kResponseOverhead + sizeof(MessageMacs) == kResponseSize);

template <typename Message>
MutableBytes BytesOf(Message& message) {
  return std::as_writable_bytes(std::span(&message, 1));
}

std::int64_t Nanoseconds(Time time) { return time.time_since_epoch().count(); }

}  // namespace

// An initiation whose every field has been verified.
struct Engine::OpenedInitiation {
  std::optional<noise::Responder> handshake;
  Peer* peer = nullptr;
  Tai64n timestamp;
};

HandshakeVerdict Engine::OnHandshakeMessage(const net::UdpEndpoint& from, ConstBytes message) {
  if (!up_) return kDown;
  const MessageKind kind = Classify(message);
  if (kind == MessageKind::kCookieReply) return OnCookieReply(message);
  if (kind != MessageKind::kInitiation && kind != MessageKind::kResponse) return kMalformed;
  if (identity_ == nullptr) return kNoPrivateKey;
  if (const Refusal refusal = CheckMacs(from, message)) return *refusal;
  return kind == MessageKind::kInitiation ? OnInitiation(from, message) : OnResponse(from, message);
}

Engine::Refusal Engine::CheckMacs(const net::UdpEndpoint& from, ConstBytes message) {
  if (!checker_.Mac1Valid(message)) return kMac1Wrong;
  if (!under_load()) return std::nullopt;
  const Time now = clock_.Now();
  if (!checker_.Mac2Valid(message, from, now)) {
    CookieReplyMessage reply = checker_.MakeReply(message, from, now);
    host_.SendMessage(nullptr, from, BytesOf(reply), 0);
    return kCookieSent;
  }
  if (!limiter_.Allow(from.address, now)) return kRateLimited;
  return std::nullopt;
}

HandshakeVerdict Engine::OnInitiation(const net::UdpEndpoint& from, ConstBytes message) {
  OpenedInitiation opened;
  if (const Refusal refusal = OpenInitiation(message, opened)) return *refusal;
  return Respond(from, message, opened);
}

Engine::Refusal Engine::OpenInitiation(ConstBytes message, OpenedInitiation& opened) {
  const ConstBytes noise = message.subspan(kInitiationNoise, kInitiationNoiseSize);
  PublicKey ephemeral;
  std::memcpy(ephemeral.bytes.data(), noise.data(), kKeySize);
  SharedSecret ephemeral_static;
  if (!identity_->Agree(ephemeral, ephemeral_static)) return kKeyRejected;

  // 1. Which suite the initiator speaks shows only in whether its static key decrypts.
  PublicKey initiator;
  CipherSuite suite{};
  for (const auto candidate : {CipherSuite::kChaCha20Poly1305, CipherSuite::kAes256Gcm}) {
    if (suite_users_[static_cast<std::size_t>(candidate)] == 0) continue;
    opened.handshake.emplace(candidate, kPrologue, public_key_);
    suite = candidate;
    if (opened.handshake->ReadStatic(noise, ephemeral_static, initiator)) break;
    opened.handshake.reset();
  }
  if (!opened.handshake) return kUndecryptable;

  // 2. The peer, and whether it may speak that suite.
  Peer* const peer = opened.peer = Find(initiator);
  if (peer == nullptr) return kPeerUnknown;
  if (peer->suite_ != suite) return kSuiteMismatch;
  if (!CanHandshake(*peer)) return kKeyRejected;

  // 3. The timestamp, which also proves that the sender owns the static key.
  if (!opened.handshake->ReadPayload(
          message.subspan(kInitiationTimestamp, kTai64nSize + noise::kTagSize),
          peer->static_static_, opened.timestamp.bytes)) {
    return kUndecryptable;
  }
  if (opened.timestamp <= peer->received_timestamp_) return kTimestampReplayed;
  if (peer->initiation_accepted_ &&
      clock_.Now() - *peer->initiation_accepted_ < kInitiationMinInterval) {
    return kTooSoon;
  }
  return std::nullopt;
}

HandshakeVerdict Engine::Respond(const net::UdpEndpoint& from, ConstBytes message,
                                 OpenedInitiation& opened) {
  Peer& peer = *opened.peer;
  const auto& initiation = *reinterpret_cast<const InitiationMessage*>(message.data());
  const std::uint32_t local_index = sessions_.Allocate(&peer);
  if (local_index == SessionTable::kNoIndex) return kExhausted;

  ResponseMessage response{};
  response.type = static_cast<std::uint32_t>(MessageType::kResponse);
  response.sender_index = local_index;
  response.receiver_index = initiation.sender_index;
  const std::optional<noise::TransportKeys> keys = opened.handshake->WriteResponse(
      KeyPair::Generate(random_), peer.preshared_key_, {},
      BytesOf(response).subspan(kResponseNoise, noise::kResponseOverhead));
  if (!keys) {
    sessions_.Free(local_index);
    return kKeyRejected;
  }

  peer.received_timestamp_ = opened.timestamp;
  peer.initiation_accepted_ = clock_.Now();
  TakeHandshake(peer, from, message);
  Publish(peer, peer.keypairs_.InstallAnswered(
                    MakeSession(peer, *keys, local_index, initiation.sender_index.value(), false)));
  SendHandshake(peer, BytesOf(response));
  Reschedule(peer);
  return kInitiationAccepted;
}

HandshakeVerdict Engine::OnResponse(const net::UdpEndpoint& from, ConstBytes message) {
  const auto& response = *reinterpret_cast<const ResponseMessage*>(message.data());
  const std::uint32_t local_index = response.receiver_index.value();
  auto* const owner = static_cast<Peer*>(sessions_.Owner(local_index));
  if (owner == nullptr || owner->pending_ == nullptr ||
      owner->pending_->local_index != local_index) {
    return kIndexUnknown;
  }
  Peer& peer = *owner;
  const std::optional<noise::TransportKeys> keys = peer.pending_->handshake.ReadResponse(
      *identity_, peer.preshared_key_, message.subspan(kResponseNoise, noise::kResponseOverhead),
      {});
  if (!keys) return kUndecryptable;

  TakeHandshake(peer, from, message);
  peer.pending_.reset();  // its index is the session's from here on
  Publish(peer, peer.keypairs_.InstallInitiated(
                    MakeSession(peer, *keys, local_index, response.sender_index.value(), true)));
  CompleteHandshake(peer);
  // The responder may not send before it has heard from us on the new session.
  if (!host_.FlushStaged(peer)) Keepalive(peer);
  Reschedule(peer);
  return kResponseAccepted;
}

HandshakeVerdict Engine::OnCookieReply(ConstBytes message) {
  const auto& reply = *reinterpret_cast<const CookieReplyMessage*>(message.data());
  // The index of our initiation, or of the session that our response offered.
  auto* const peer = static_cast<Peer*>(sessions_.Owner(reply.receiver_index.value()));
  if (peer == nullptr) return kIndexUnknown;
  switch (peer->cookies_.Take(peer->public_key_, reply, clock_.Now())) {
    case CookieJar::Taken::kAccepted:
      return kCookieAccepted;
    case CookieJar::Taken::kUnexpected:
      return kCookieUnexpected;
    case CookieJar::Taken::kUndecryptable:
      break;
  }
  return kUndecryptable;
}

bool Engine::CanHandshake(Peer& peer) {
  if (identity_ == nullptr || peer.public_key_ == public_key_) return false;
  if (peer.static_static_state_ == Peer::StaticStatic::kUnknown) {
    peer.static_static_state_ = identity_->Agree(peer.public_key_, peer.static_static_)
                                    ? Peer::StaticStatic::kValid
                                    : Peer::StaticStatic::kLowOrder;
  }
  return peer.static_static_state_ == Peer::StaticStatic::kValid;
}

void Engine::SendInitiation(Peer& peer) {
  DropPending(peer);
  if (!peer.endpoint_ || !CanHandshake(peer)) return;
  const std::uint32_t local_index = sessions_.Allocate(&peer);
  if (local_index == SessionTable::kNoIndex) return;

  InitiationMessage initiation{};
  initiation.type = static_cast<std::uint32_t>(MessageType::kInitiation);
  initiation.sender_index = local_index;
  const Tai64n timestamp = Tai64n::FromWall(ReserveTimestamp(peer));
  peer.pending_ = std::make_unique<Peer::Pending>(Peer::Pending{
      noise::Initiator(peer.suite_, kPrologue, peer.public_key_, KeyPair::Generate(random_)),
      local_index});
  if (!peer.pending_->handshake.WriteInitiation(
          public_key_, peer.static_static_, timestamp.bytes,
          BytesOf(initiation).subspan(kInitiationNoise, kInitiationNoiseSize))) {
    DropPending(peer);
    return;
  }
  SendHandshake(peer, BytesOf(initiation));
}

void Engine::SendHandshake(Peer& peer, MutableBytes message) {
  const Time now = clock_.Now();
  peer.cookies_.AddMacs(peer.public_key_, message, now);
  peer.handshake_sent_ = now;
  peer.handshake_tx_bytes_ += message.size();
  peer.path_.activity.AnythingSent(Nanoseconds(now));
  host_.SendMessage(&peer, *peer.endpoint_, message, kHandshakeTos);
}

// What every verified initiation and response does.
void Engine::TakeHandshake(Peer& peer, const net::UdpEndpoint& from, ConstBytes message) {
  peer.handshake_rx_bytes_ += message.size();
  peer.path_.activity.AnythingReceived(Nanoseconds(clock_.Now()));
  MoveEndpoint(peer, from);
}

WallTime Engine::ReserveTimestamp(Peer& peer) {
  const WallTime now = clock_.WallNow();
  const WallTime timestamp = NextTimestamp(now, peer.sent_timestamp_);
  if (timestamp > reserved_timestamp_) {
    reserved_timestamp_ = std::max(timestamp + kTimestampsAheadOfClock, now + kTimestampsAhead);
    host_.TimestampReserved(reserved_timestamp_);
  }
  peer.sent_timestamp_ = timestamp;
  highest_timestamp_ = std::max(highest_timestamp_, timestamp);
  return timestamp;
}

std::unique_ptr<Session> Engine::MakeSession(Peer& peer, const noise::TransportKeys& keys,
                                             std::uint32_t local_index, std::uint32_t remote_index,
                                             bool initiator) {
  auto session = std::make_unique<Session>(peer.suite_, keys.send.bytes(), keys.receive.bytes());
  session->peer = &peer.path_;
  session->local_index = local_index;
  session->remote_index = remote_index;
  session->initiator = initiator;
  session->created = clock_.Now();
  session->confirmed.store(initiator, std::memory_order_relaxed);
  sessions_.Publish(*session);
  peer.zero_keys_at_ = session->created + kZeroKeysAfterTime;
  return session;
}

}  // namespace vireo::wg
