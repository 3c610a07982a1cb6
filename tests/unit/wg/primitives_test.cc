// The primitives against the vectors of their standards.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "dataplane/wg/blake2s.h"
#include "dataplane/wg/cipher.h"
#include "dataplane/wg/x25519.h"
#include "tests/support/counter_aead.h"
#include "tests/support/vectors.h"

namespace vireo::wg {
namespace {

using test::LoadVectors;
using test::Unhex;
using Bytes = std::vector<std::byte>;

// RFC 7693 appendix E: selftest_seq.
Bytes SelfTestSequence(std::size_t size, std::uint32_t seed) {
  std::uint32_t a = 0xDEAD4BAD * seed;
  std::uint32_t b = 1;
  Bytes out(size);
  for (std::byte& byte : out) {
    const std::uint32_t t = a + b;
    a = b;
    b = t;
    byte = static_cast<std::byte>(t >> 24);
  }
  return out;
}

TEST(Blake2s, MatchesRfc7693AppendixB) {
  EXPECT_EQ(ToHex(Blake2s({AsBytes("abc")})),
            "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
  EXPECT_EQ(Blake2s({AsBytes("a"), AsBytes(""), AsBytes("bc")}), Blake2s({AsBytes("abc")}));
}

// The appendix hashes digests of 16, 20, 28 and 32 bytes, keyed and not, over six inputs. OpenSSL
// has the shorter ones only keyed, so the total is taken over those that exist; both totals are
// from an implementation that gives the appendix's own total over all of them.
constexpr std::size_t kInputSizes[] = {0, 3, 64, 65, 255, 1024};

TEST(Blake2s, MatchesRfc7693SelfTestUnkeyed) {
  Bytes digests;
  for (const std::size_t size : kInputSizes) {
    const Hash hash = Blake2s({SelfTestSequence(size, static_cast<std::uint32_t>(size))});
    digests.insert(digests.end(), hash.begin(), hash.end());
  }
  EXPECT_EQ(ToHex(Blake2s({digests})),
            "7c23dc21fe153229b4b6eb325499e60fbc1b4889893882f3852b5b06d2048a4e");
}

TEST(Blake2s, MatchesRfc7693SelfTestKeyed) {
  Bytes digests;
  for (const std::size_t digest_size : {16, 20, 28, 32}) {
    const Bytes key = SelfTestSequence(digest_size, static_cast<std::uint32_t>(digest_size));
    for (const std::size_t size : kInputSizes) {
      const Bytes input = SelfTestSequence(size, static_cast<std::uint32_t>(size));
      Bytes digest(digest_size);
      Blake2sMac(key, {ConstBytes(input).first(size / 2), ConstBytes(input).subspan(size / 2)},
                 digest);
      digests.insert(digests.end(), digest.begin(), digest.end());
    }
  }
  EXPECT_EQ(ToHex(Blake2s({digests})),
            "bf2ea8ed94fd2dcf768f749023b40b794aa7f8294dc420614c5fed55dd93632f");
}

// The BLAKE2 authors' known answers: key and input count up from zero.
TEST(Blake2s, MatchesKnownKeyedAnswers) {
  struct Case {
    std::size_t input_size;
    const char* digest;
  };
  const Case cases[] = {
      {0, "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"},
      {1, "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1"},
      {255, "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd"},
  };
  Bytes counting(255);
  for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<std::byte>(i);
  const ConstBytes bytes = counting;
  for (const Case& c : cases) {
    Bytes digest(32);
    Blake2sMac(bytes.first(32), {bytes.first(c.input_size)}, digest);
    EXPECT_EQ(ToHex(digest), c.digest) << c.input_size;
  }
  Hash hmac;
  HmacBlake2s(bytes.first(32), {AsBytes("mess"), AsBytes("age")}, hmac);
  EXPECT_EQ(ToHex(hmac), "db1ebbda189c6ec2d7755c2592537050e44264aa57a3d4f825f451ebcdff4cd3");
}

TEST(Hkdf, OutputsMayOverwriteTheChainingKey) {
  Secret<32> chaining_key{std::span<const std::byte, 32>(Blake2s({AsBytes("chaining key")}))};
  const Secret<32> original = chaining_key;
  Secret<32> a1, a2, a3, b2, b3;
  Hkdf3(original.bytes(), AsBytes("input"), a1.bytes(), a2.bytes(), a3.bytes());
  Hkdf3(chaining_key.bytes(), AsBytes("input"), chaining_key.bytes(), b2.bytes(), b3.bytes());
  EXPECT_EQ(a1, chaining_key);
  EXPECT_EQ(a2, b2);
  EXPECT_EQ(a3, b3);
  Hkdf2(original.bytes(), AsBytes("input"), b2.bytes(), b3.bytes());
  EXPECT_EQ(a1, b2);
  EXPECT_EQ(a2, b3);
}

TEST(X25519, MatchesWycheproofAndRefusesZeroSharedSecrets) {
  const auto root = LoadVectors("x25519_test.json");
  if (!root) GTEST_SKIP() << "x25519_test.json is not on this machine";
  int agreed = 0, refused = 0;
  for (const auto& group : root->at("testGroups")) {
    for (const auto& vector : group.at("tests")) {
      SCOPED_TRACE(testing::Message() << vector.at("tcId") << " " << vector.at("comment"));
      const Bytes secret = Unhex(vector.at("private"));
      const Bytes theirs = Unhex(vector.at("public"));
      const KeyPair pair{PrivateKey(std::span<const std::byte, 32>(secret))};
      PublicKey key;
      std::copy(theirs.begin(), theirs.end(), key.bytes.begin());
      SharedSecret shared;
      const auto& flags = vector.at("flags");
      const bool zero = std::find(flags.begin(), flags.end(), "ZeroSharedSecret") != flags.end();
      EXPECT_EQ(pair.Agree(key, shared), !zero);
      EXPECT_EQ(ToHex(shared.bytes()), vector.at("shared"));
      ++(zero ? refused : agreed);
    }
  }
  EXPECT_EQ(agreed + refused, root->at("numberOfTests"));
  EXPECT_GE(refused, 5);  // the points of low order
}

TEST(X25519, PublicKeyIsAgreementWithTheBasePoint) {
  const Bytes secret = SelfTestSequence(32, 3);
  const KeyPair pair{PrivateKey(std::span<const std::byte, 32>(secret))};
  PublicKey base_point;
  base_point.bytes[0] = std::byte{9};
  SharedSecret product;
  ASSERT_TRUE(pair.Agree(base_point, product));
  EXPECT_EQ(ToHex(pair.public_key().bytes), ToHex(product.bytes()));
  EXPECT_EQ(PublicKeyOf(PrivateKey()), PublicKey());
}

TEST(XChaCha20Poly1305, MatchesWycheproof) {
  const auto root = LoadVectors("xchacha20_poly1305_test.json");
  if (!root) GTEST_SKIP() << "xchacha20_poly1305_test.json is not on this machine";
  int valid = 0, invalid = 0;
  for (const auto& group : root->at("testGroups")) {
    if (group.at("ivSize") != 192) continue;  // not to be expressed with our types
    for (const auto& vector : group.at("tests")) {
      SCOPED_TRACE(testing::Message() << vector.at("tcId") << " " << vector.at("comment"));
      const Bytes key = Unhex(vector.at("key"));
      const Bytes nonce = Unhex(vector.at("iv"));
      const Bytes additional = Unhex(vector.at("aad"));
      const Bytes plaintext = Unhex(vector.at("msg"));
      const Bytes sealed =
          Unhex(vector.at("ct").get<std::string>() + vector.at("tag").get<std::string>());
      const std::span<const std::byte, 32> k(key);
      const std::span<const std::byte, 24> n(nonce);
      Bytes opened(plaintext.size());
      if (vector.at("result") == "valid") {
        ASSERT_TRUE(OpenX(k, n, sealed, additional, opened));
        EXPECT_EQ(opened, plaintext);
        Bytes again(sealed.size());
        SealX(k, n, plaintext, additional, again);
        EXPECT_EQ(again, sealed);
        ++valid;
      } else {
        EXPECT_FALSE(OpenX(k, n, sealed, additional, opened));
        EXPECT_EQ(opened, Bytes(plaintext.size()));
        ++invalid;
      }
    }
  }
  EXPECT_GE(valid, 100);
  EXPECT_GE(invalid, 10);
}

// RFC 8439 and NIST SP 800-38D by Wycheproof's vectors on the reference that the tests use, and the
// fields of a handshake (which have nonce zero) by comparison with that.
class FieldCipher : public testing::TestWithParam<CipherSuite> {};

TEST_P(FieldCipher, ReferenceMatchesWycheproof) {
  const bool aes = GetParam() == CipherSuite::kAes256Gcm;
  const char* name = aes ? "aes_gcm_test.json" : "chacha20_poly1305_test.json";
  const auto root = LoadVectors(name);
  if (!root) GTEST_SKIP() << name << " is not on this machine";
  int run = 0;
  for (const auto& group : root->at("testGroups")) {
    if (group.at("keySize") != 256 || group.at("ivSize") != 96 || group.at("tagSize") != 128) {
      continue;
    }
    for (const auto& vector : group.at("tests")) {
      const Bytes nonce = Unhex(vector.at("iv"));
      if (std::any_of(nonce.begin(), nonce.begin() + 4,
                      [](std::byte b) { return b != std::byte{}; }))
        continue;  // not a counter's
      std::uint64_t counter = 0;
      for (int i = 0; i < 8; ++i) {
        counter = counter << 8 | std::to_integer<std::uint64_t>(nonce[aes ? 4 + i : 11 - i]);
      }
      test::CounterAead aead(GetParam(), Unhex(vector.at("key")));
      const auto opened = aead.Open(
          counter, Unhex(vector.at("ct").get<std::string>() + vector.at("tag").get<std::string>()),
          Unhex(vector.at("aad")));
      EXPECT_EQ(opened.has_value(), vector.at("result") == "valid") << vector.at("tcId");
      if (opened) {
        EXPECT_EQ(ToHex(*opened), vector.at("msg")) << vector.at("tcId");
      }
      ++run;
    }
  }
  EXPECT_GT(run, 0);
}

TEST_P(FieldCipher, MatchesReferenceAndRefusesEveryChangedByte) {
  for (const std::size_t size : {0, 12, 32, 100}) {
    const Bytes key = SelfTestSequence(32, 7);
    const Bytes plaintext = SelfTestSequence(size, 8);
    const Bytes additional = SelfTestSequence(32, 9);
    const std::span<const std::byte, 32> k(key);
    Bytes sealed(size + 16);
    SealField(GetParam(), k, plaintext, additional, sealed);
    EXPECT_EQ(sealed, test::CounterAead(GetParam(), key).Seal(0, plaintext, additional));
    Bytes opened(size);
    EXPECT_TRUE(OpenField(GetParam(), k, sealed, additional, opened));
    EXPECT_EQ(opened, plaintext);
    for (std::byte& byte : sealed) {
      byte ^= std::byte{0x40};
      EXPECT_FALSE(OpenField(GetParam(), k, sealed, additional, opened));
      EXPECT_EQ(opened, Bytes(size));
      byte ^= std::byte{0x40};
    }
    EXPECT_FALSE(OpenField(GetParam(), k, sealed, ConstBytes(additional).first(31), opened));
  }
}

INSTANTIATE_TEST_SUITE_P(BothSuites, FieldCipher,
                         testing::Values(CipherSuite::kChaCha20Poly1305, CipherSuite::kAes256Gcm),
                         [](const auto& suite) { return std::string(Name(suite.param)); });

}  // namespace
}  // namespace vireo::wg
