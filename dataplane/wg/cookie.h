// mac1, mac2 and cookies: a responder under load answers only whoever can receive at the address it
// sends from (WireGuard paper §5.3, §5.4.4, §5.4.7).
#pragma once

#include <array>
#include <optional>

#include "dataplane/base/bytes.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/random.h"
#include "dataplane/base/secret.h"
#include "dataplane/net/address.h"
#include "dataplane/wg/keys.h"
#include "dataplane/wg/messages.h"

namespace vireo::wg {

using Mac = std::array<std::byte, kMacSize>;

// The responder's side, one for a device. Thread: one at a time.
class CookieChecker {
 public:
  explicit CookieChecker(RandomSource& random) : random_(random) {}

  // REQUIRES before any other call.
  void SetPublicKey(const PublicKey& own);

  // Whether a whole initiation or response was made for our public key. Constant time.
  [[nodiscard]] bool Mac1Valid(ConstBytes message) const;
  // Whether it also carries the cookie that `from` was sent at most 120 s ago. Constant time.
  [[nodiscard]] bool Mac2Valid(ConstBytes message, const net::UdpEndpoint& from, Time now);

  // What to answer a message with a valid mac1 whose mac2 is missing or wrong.
  [[nodiscard]] CookieReplyMessage MakeReply(ConstBytes message, const net::UdpEndpoint& from,
                                             Time now);

 private:
  using Cookie = Secret<kCookieSize>;
  [[nodiscard]] Cookie CookieFor(const net::UdpEndpoint& from, Time now);

  RandomSource& random_;
  Secret<32> mac1_key_;
  Secret<32> cookie_key_;
  Secret<32> secret_;  // changes every 120 s
  std::optional<Time> secret_made_;
};

// The sender's side, one for a peer: fills in the macs of what we send and takes the cookies that
// the peer answers with. Thread: one at a time.
class CookieJar {
 public:
  // Writes mac1, and mac2 if there is a cookie young enough (else zeros), into a whole initiation
  // or response to `peer`.
  void AddMacs(const PublicKey& peer, MutableBytes message, Time now);

  enum class Taken { kAccepted, kUnexpected, kUndecryptable };
  // Takes the cookie from a reply to the message that AddMacs last saw. Each such message is good
  // for one cookie; a forged reply changes nothing.
  Taken Take(const PublicKey& peer, const CookieReplyMessage& reply, Time now);

  void Clear();

 private:
  Mac last_mac1_{};
  bool awaits_reply_ = false;
  Secret<kCookieSize> cookie_;
  std::optional<Time> received_;
};

}  // namespace vireo::wg
