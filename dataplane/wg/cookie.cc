#include "dataplane/wg/cookie.h"

#include <cassert>
#include <cstddef>

#include "dataplane/wg/blake2s.h"
#include "dataplane/wg/cipher.h"
#include "dataplane/wg/limits.h"

namespace vireo::wg {
namespace {

constexpr std::size_t kMacsSize = sizeof(MessageMacs);

Secret<32> DerivedKey(std::string_view label, const PublicKey& key) {
  return Secret<32>(Blake2s({AsBytes(label), key.bytes}));
}
Secret<32> Mac1Key(const PublicKey& key) { return DerivedKey("mac1----", key); }
Secret<32> CookieKey(const PublicKey& key) { return DerivedKey("cookie--", key); }

// Every initiation and response ends in its macs.
ConstBytes Mac1Of(ConstBytes message) {
  return message.subspan(message.size() - kMacsSize, kMacSize);
}
ConstBytes Mac2Of(ConstBytes message) { return message.last(kMacSize); }
ConstBytes Mac1Covers(ConstBytes message) { return message.first(message.size() - kMacsSize); }
ConstBytes Mac2Covers(ConstBytes message) { return message.first(message.size() - kMacSize); }

}  // namespace

void CookieChecker::SetPublicKey(const PublicKey& own) {
  mac1_key_ = Mac1Key(own);
  cookie_key_ = CookieKey(own);
}

bool CookieChecker::Mac1Valid(ConstBytes message) const {
  assert(message.size() > kMacsSize);
  Mac expected;
  Blake2sMac(mac1_key_.bytes(), {Mac1Covers(message)}, expected);
  return ConstantTimeEqual(expected, Mac1Of(message));
}

bool CookieChecker::Mac2Valid(ConstBytes message, const net::UdpEndpoint& from, Time now) {
  const Cookie cookie = CookieFor(from, now);
  Mac expected;
  Blake2sMac(cookie.bytes(), {Mac2Covers(message)}, expected);
  return ConstantTimeEqual(expected, Mac2Of(message));
}

CookieChecker::Cookie CookieChecker::CookieFor(const net::UdpEndpoint& from, Time now) {
  if (!secret_made_ || now - *secret_made_ >= kCookieSecretMaxAge) {
    random_.Fill(secret_.bytes());
    secret_made_ = now;
  }
  const Be16 port = from.port;
  Cookie cookie;
  Blake2sMac(secret_.bytes(), {from.address.span(), std::as_bytes(std::span(&port, 1))},
             cookie.bytes());
  return cookie;
}

CookieReplyMessage CookieChecker::MakeReply(ConstBytes message, const net::UdpEndpoint& from,
                                            Time now) {
  // The sender's index is at the same place in an initiation and in a response.
  static_assert(offsetof(InitiationMessage, sender_index) ==
                offsetof(ResponseMessage, sender_index));
  const auto* header = reinterpret_cast<const InitiationMessage*>(message.data());
  CookieReplyMessage reply;
  reply.type = static_cast<std::uint32_t>(MessageType::kCookieReply);
  reply.receiver_index = header->sender_index;
  random_.Fill(reply.nonce);
  const Cookie cookie = CookieFor(from, now);
  SealX(cookie_key_.bytes(), reply.nonce, cookie.bytes(), Mac1Of(message), reply.encrypted_cookie);
  return reply;
}

void CookieJar::AddMacs(const PublicKey& peer, MutableBytes message, Time now) {
  assert(message.size() > kMacsSize);
  const MutableBytes mac1 = message.subspan(message.size() - kMacsSize, kMacSize);
  const MutableBytes mac2 = message.last(kMacSize);
  Blake2sMac(Mac1Key(peer).bytes(), {Mac1Covers(message)}, mac1);
  std::memcpy(last_mac1_.data(), mac1.data(), kMacSize);
  awaits_reply_ = true;
  // Dropped some seconds early: the message must arrive before the peer changes its secret.
  if (received_ && now - *received_ >= kCookieSecretMaxAge - kCookieLatency) {
    cookie_.Clear();
    received_.reset();
  }
  if (received_) {
    Blake2sMac(cookie_.bytes(), {Mac2Covers(message)}, mac2);
  } else {
    std::memset(mac2.data(), 0, kMacSize);
  }
}

CookieJar::Taken CookieJar::Take(const PublicKey& peer, const CookieReplyMessage& reply, Time now) {
  if (!awaits_reply_) return Taken::kUnexpected;
  Secret<kCookieSize> cookie;
  if (!OpenX(CookieKey(peer).bytes(), reply.nonce, reply.encrypted_cookie, last_mac1_,
             cookie.bytes())) {
    return Taken::kUndecryptable;
  }
  cookie_ = cookie;
  received_ = now;
  awaits_reply_ = false;
  return Taken::kAccepted;
}

void CookieJar::Clear() {
  awaits_reply_ = false;
  cookie_.Clear();
  received_.reset();
}

}  // namespace vireo::wg
