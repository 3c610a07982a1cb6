#include "dataplane/wg/cookie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "dataplane/wg/limits.h"
#include "dataplane/wg/x25519.h"
#include "tests/support/seeded_random.h"

namespace vireo::wg {
namespace {

using Bytes = std::vector<std::byte>;

class CookieTest : public testing::Test {
 protected:
  void SetUp() override {
    responder_ = KeyPair::Generate(random_).public_key();
    checker_.SetPublicKey(responder_);
    random_.Fill(message_);
    jar_.AddMacs(responder_, message_, now_);
  }

  CookieReplyMessage Reply() { return checker_.MakeReply(message_, from_, now_); }
  bool Mac2Valid() { return checker_.Mac2Valid(message_, from_, now_); }

  test::SeededRandom random_{7};
  Time now_{std::chrono::hours(1)};
  net::UdpEndpoint from_ = *net::UdpEndpoint::Parse("192.0.2.1:51820");
  PublicKey responder_;
  CookieChecker checker_{random_};
  CookieJar jar_;
  Bytes message_ = Bytes(kInitiationSize);
};

TEST_F(CookieTest, Mac1CoversEveryByteBeforeIt) {
  EXPECT_TRUE(checker_.Mac1Valid(message_));
  for (std::size_t i = 0; i < message_.size() - kMacSize; ++i) {
    message_[i] ^= std::byte{1};
    EXPECT_FALSE(checker_.Mac1Valid(message_)) << i;
    message_[i] ^= std::byte{1};
  }
  message_.back() ^= std::byte{1};  // mac2 is not covered
  EXPECT_TRUE(checker_.Mac1Valid(message_));
}

TEST_F(CookieTest, Mac1IsForOnePublicKey) {
  checker_.SetPublicKey(KeyPair::Generate(random_).public_key());
  EXPECT_FALSE(checker_.Mac1Valid(message_));
}

TEST_F(CookieTest, WithoutCookieMac2IsZeroAndInvalid) {
  EXPECT_TRUE(std::all_of(message_.end() - kMacSize, message_.end(),
                          [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_FALSE(Mac2Valid());
}

TEST_F(CookieTest, CookieMakesMac2Valid) {
  ASSERT_EQ(jar_.Take(responder_, Reply(), now_), CookieJar::Taken::kAccepted);
  jar_.AddMacs(responder_, message_, now_);
  EXPECT_TRUE(Mac2Valid());
  for (std::size_t i = 0; i < message_.size(); ++i) {
    message_[i] ^= std::byte{1};
    EXPECT_FALSE(Mac2Valid()) << i;
    message_[i] ^= std::byte{1};
  }
}

TEST_F(CookieTest, CookieIsGoodOnlyForItsAddressAndPort) {
  ASSERT_EQ(jar_.Take(responder_, Reply(), now_), CookieJar::Taken::kAccepted);
  jar_.AddMacs(responder_, message_, now_);
  for (const char* other : {"192.0.2.2:51820", "192.0.2.1:51821", "[2001:db8::1]:51820"}) {
    EXPECT_FALSE(checker_.Mac2Valid(message_, *net::UdpEndpoint::Parse(other), now_)) << other;
  }
  EXPECT_TRUE(Mac2Valid());
}

TEST_F(CookieTest, SecretChangesAfter120Seconds) {
  ASSERT_EQ(jar_.Take(responder_, Reply(), now_), CookieJar::Taken::kAccepted);
  jar_.AddMacs(responder_, message_, now_);
  now_ += kCookieSecretMaxAge - Duration(1);
  EXPECT_TRUE(Mac2Valid());
  now_ += Duration(1);
  EXPECT_FALSE(Mac2Valid());
}

TEST_F(CookieTest, SenderUsesCookieForAtMost120Seconds) {
  ASSERT_EQ(jar_.Take(responder_, Reply(), now_), CookieJar::Taken::kAccepted);
  const auto has_mac2 = [&] {
    jar_.AddMacs(responder_, message_, now_);
    return std::any_of(message_.end() - kMacSize, message_.end(),
                       [](std::byte b) { return b != std::byte{0}; });
  };
  now_ += kCookieSecretMaxAge - kCookieLatency - Duration(1);
  EXPECT_TRUE(has_mac2());
  now_ += Duration(1);
  EXPECT_FALSE(has_mac2());
}

TEST_F(CookieTest, OneReplyIsTakenForEachMac1Sent) {
  const CookieReplyMessage first = Reply();
  const CookieReplyMessage second = Reply();
  EXPECT_EQ(jar_.Take(responder_, first, now_), CookieJar::Taken::kAccepted);
  EXPECT_EQ(jar_.Take(responder_, first, now_), CookieJar::Taken::kUnexpected);
  EXPECT_EQ(jar_.Take(responder_, second, now_), CookieJar::Taken::kUnexpected);
  message_[20] ^= std::byte{1};  // another ephemeral key, hence another mac1
  jar_.AddMacs(responder_, message_, now_);
  EXPECT_EQ(jar_.Take(responder_, second, now_), CookieJar::Taken::kUndecryptable)
      << "belongs to the mac1 before";
  EXPECT_EQ(jar_.Take(responder_, Reply(), now_), CookieJar::Taken::kAccepted);
}

TEST_F(CookieTest, ForgedReplyLeavesTheJarWaiting) {
  const CookieReplyMessage reply = Reply();
  for (std::size_t i = offsetof(CookieReplyMessage, nonce); i < sizeof reply; ++i) {
    CookieReplyMessage forged = reply;
    reinterpret_cast<std::byte*>(&forged)[i] ^= std::byte{1};
    EXPECT_EQ(jar_.Take(responder_, forged, now_), CookieJar::Taken::kUndecryptable) << i;
  }
  EXPECT_EQ(jar_.Take(responder_, reply, now_), CookieJar::Taken::kAccepted);
}

TEST_F(CookieTest, ReplyNamesTheSenderAndNeverRepeatsANonce) {
  reinterpret_cast<InitiationMessage*>(message_.data())->sender_index = 0x01020304;
  std::set<std::array<std::byte, kCookieNonceSize>> nonces;
  for (int i = 0; i < 100; ++i) {
    const CookieReplyMessage reply = Reply();
    EXPECT_EQ(reply.type.value(), 3u);
    EXPECT_EQ(reply.receiver_index.value(), 0x01020304u);
    nonces.insert(reply.nonce);
  }
  EXPECT_EQ(nonces.size(), 100u);
}

TEST_F(CookieTest, WorksForResponsesToo) {
  Bytes response(kResponseSize);
  jar_.AddMacs(responder_, response, now_);
  ASSERT_TRUE(checker_.Mac1Valid(response));
  const CookieReplyMessage reply = checker_.MakeReply(response, from_, now_);
  ASSERT_EQ(jar_.Take(responder_, reply, now_), CookieJar::Taken::kAccepted);
  jar_.AddMacs(responder_, response, now_);
  EXPECT_TRUE(checker_.Mac2Valid(response, from_, now_));
}

}  // namespace
}  // namespace vireo::wg
