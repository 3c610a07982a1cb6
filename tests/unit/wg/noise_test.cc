#include "dataplane/wg/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>

#include "tests/support/counter_aead.h"
#include "tests/support/seeded_random.h"
#include "tests/support/vectors.h"

namespace vireo::wg::noise {
namespace {

using test::CounterAead;
using test::LoadVectors;
using test::Unhex;
using Bytes = std::vector<std::byte>;

PrivateKey Key(const nlohmann::json& hex) {
  const Bytes bytes = Unhex(hex);
  return PrivateKey(std::span<const std::byte, kKeySize>(bytes));
}

// Two sides of one handshake.
struct Sides {
  CipherSuite suite;
  std::string prologue;
  KeyPair initiator_static;
  KeyPair responder_static;
  KeyPair initiator_ephemeral;
  KeyPair responder_ephemeral;
  PresharedKey preshared;
};

struct Outcome {
  Bytes initiation, response;
  Bytes initiation_payload, response_payload;
  TransportKeys initiator_keys, responder_keys;
  Hash initiator_hash{}, responder_hash{};
};

Outcome RunHandshake(Sides sides, ConstBytes first_payload, ConstBytes second_payload) {
  Outcome outcome;
  SharedSecret static_static;
  EXPECT_TRUE(sides.initiator_static.Agree(sides.responder_static.public_key(), static_static));
  Initiator initiator(sides.suite, sides.prologue, sides.responder_static.public_key(),
                      std::move(sides.initiator_ephemeral));
  outcome.initiation.resize(first_payload.size() + kInitiationOverhead);
  EXPECT_TRUE(initiator.WriteInitiation(sides.initiator_static.public_key(), static_static,
                                        first_payload, outcome.initiation));

  Responder responder(sides.suite, sides.prologue, sides.responder_static.public_key());
  SharedSecret ephemeral_static;
  PublicKey ephemeral;
  std::memcpy(ephemeral.bytes.data(), outcome.initiation.data(), kKeySize);
  EXPECT_TRUE(sides.responder_static.Agree(ephemeral, ephemeral_static));
  PublicKey seen;
  EXPECT_TRUE(responder.ReadStatic(outcome.initiation, ephemeral_static, seen));
  EXPECT_EQ(seen, sides.initiator_static.public_key());
  outcome.initiation_payload.resize(first_payload.size());
  EXPECT_TRUE(
      responder.ReadPayload(ConstBytes(outcome.initiation).subspan(kKeySize + kEncryptedStaticSize),
                            static_static, outcome.initiation_payload));

  outcome.response.resize(second_payload.size() + kResponseOverhead);
  const auto responder_keys =
      responder.WriteResponse(sides.responder_ephemeral, sides.preshared, second_payload,
                              outcome.response, &outcome.responder_hash);
  outcome.response_payload.resize(second_payload.size());
  const auto initiator_keys =
      initiator.ReadResponse(sides.initiator_static, sides.preshared, outcome.response,
                             outcome.response_payload, &outcome.initiator_hash);
  EXPECT_TRUE(responder_keys && initiator_keys);
  if (responder_keys) outcome.responder_keys = *responder_keys;
  if (initiator_keys) outcome.initiator_keys = *initiator_keys;
  return outcome;
}

TEST(Noise, MatchesPublishedVectorsOfBothSuites) {
  const auto vectors = LoadVectors("noise_ikpsk2_25519_blake2s.json");
  if (!vectors) GTEST_SKIP() << "noise_ikpsk2_25519_blake2s.json is not on this machine";
  ASSERT_EQ(vectors->at("vectors").size(), 2u);
  for (const auto& vector : vectors->at("vectors")) {
    SCOPED_TRACE(vector.at("protocol_name"));
    const bool aes = vector.at("protocol_name") == ProtocolName(CipherSuite::kAes256Gcm);
    if (!aes) {
      ASSERT_EQ(vector.at("protocol_name"), ProtocolName(CipherSuite::kChaCha20Poly1305));
    }
    const CipherSuite suite = aes ? CipherSuite::kAes256Gcm : CipherSuite::kChaCha20Poly1305;
    const Bytes prologue = Unhex(vector.at("init_prologue"));
    const auto& messages = vector.at("messages");
    const Outcome outcome =
        RunHandshake({suite,
                      {reinterpret_cast<const char*>(prologue.data()), prologue.size()},
                      KeyPair(Key(vector.at("init_static"))),
                      KeyPair(Key(vector.at("resp_static"))),
                      KeyPair(Key(vector.at("init_ephemeral"))),
                      KeyPair(Key(vector.at("resp_ephemeral"))),
                      Key(vector.at("init_psks").at(0))},
                     Unhex(messages[0].at("payload")), Unhex(messages[1].at("payload")));
    EXPECT_EQ(ToHex(PublicKeyOf(Key(vector.at("resp_static"))).bytes),
              vector.at("init_remote_static"));
    EXPECT_EQ(ToHex(outcome.initiation), messages[0].at("ciphertext"));
    EXPECT_EQ(ToHex(outcome.response), messages[1].at("ciphertext"));
    EXPECT_EQ(ToHex(outcome.initiation_payload), messages[0].at("payload"));
    EXPECT_EQ(ToHex(outcome.response_payload), messages[1].at("payload"));
    EXPECT_EQ(ToHex(outcome.initiator_hash), vector.at("handshake_hash"));
    EXPECT_EQ(ToHex(outcome.responder_hash), vector.at("handshake_hash"));

    // Transport messages alternate, the initiator first; counters count per direction.
    CounterAead from_initiator(suite, outcome.initiator_keys.send.bytes());
    CounterAead from_responder(suite, outcome.responder_keys.send.bytes());
    EXPECT_EQ(outcome.initiator_keys.send, outcome.responder_keys.receive);
    EXPECT_EQ(outcome.initiator_keys.receive, outcome.responder_keys.send);
    for (std::size_t i = 2; i < messages.size(); ++i) {
      CounterAead& aead = i % 2 == 0 ? from_initiator : from_responder;
      EXPECT_EQ(ToHex(aead.Seal((i - 2) / 2, Unhex(messages[i].at("payload")))),
                messages[i].at("ciphertext"));
    }
  }
}

class NoiseHandshake : public testing::Test {
 protected:
  Sides MakeSides() {
    return {CipherSuite::kChaCha20Poly1305,
            "prologue",
            KeyPair::Generate(random_),
            KeyPair::Generate(random_),
            KeyPair::Generate(random_),
            KeyPair::Generate(random_),
            PresharedKey()};
  }
  test::SeededRandom random_{1};
};

TEST_F(NoiseHandshake, ForgedResponseLeavesInitiatorAsItWas) {
  Sides sides = MakeSides();
  SharedSecret static_static;
  ASSERT_TRUE(sides.initiator_static.Agree(sides.responder_static.public_key(), static_static));
  Initiator initiator(sides.suite, sides.prologue, sides.responder_static.public_key(),
                      std::move(sides.initiator_ephemeral));
  Bytes initiation(kInitiationOverhead);
  ASSERT_TRUE(initiator.WriteInitiation(sides.initiator_static.public_key(), static_static, {},
                                        initiation));
  Responder responder(sides.suite, sides.prologue, sides.responder_static.public_key());
  SharedSecret ephemeral_static;
  PublicKey key;
  std::memcpy(key.bytes.data(), initiation.data(), kKeySize);
  ASSERT_TRUE(sides.responder_static.Agree(key, ephemeral_static));
  ASSERT_TRUE(responder.ReadStatic(initiation, ephemeral_static, key));
  ASSERT_TRUE(responder.ReadPayload(ConstBytes(initiation).last(kTagSize), static_static, {}));
  Bytes response(kResponseOverhead);
  ASSERT_TRUE(responder.WriteResponse(sides.responder_ephemeral, sides.preshared, {}, response));

  for (std::size_t i = 0; i < response.size(); ++i) {
    Bytes forged = response;
    forged[i] ^= std::byte{1};
    EXPECT_FALSE(initiator.ReadResponse(sides.initiator_static, sides.preshared, forged, {})) << i;
  }
  const Bytes zeros(kResponseOverhead);
  EXPECT_FALSE(initiator.ReadResponse(sides.initiator_static, sides.preshared, zeros, {}));
  EXPECT_TRUE(initiator.ReadResponse(sides.initiator_static, sides.preshared, response, {}));
}

TEST_F(NoiseHandshake, ZeroDiffieHellmanResultAborts) {
  Sides sides = MakeSides();
  const PublicKey low_order{};  // all zero: every product with it is zero
  SharedSecret shared;
  EXPECT_FALSE(sides.initiator_static.Agree(low_order, shared));
  EXPECT_TRUE(shared.IsZero());
  Initiator initiator(sides.suite, sides.prologue, low_order, KeyPair::Generate(random_));
  Bytes out(kInitiationOverhead);
  shared.bytes()[0] = std::byte{1};
  EXPECT_FALSE(initiator.WriteInitiation(sides.initiator_static.public_key(), shared, {}, out));
}

TEST_F(NoiseHandshake, SecretsAreZeroedWithTheirObject) {
  alignas(SymmetricState) std::byte memory[sizeof(SymmetricState)];
  auto* state = new (memory) SymmetricState(CipherSuite::kChaCha20Poly1305, "prologue");
  state->MixKey(AsBytes("a secret"));
  std::byte before[sizeof memory];
  std::memcpy(before, memory, sizeof memory);
  state->~SymmetricState();
  // The chaining key and the field key come first.
  static_assert(sizeof(SymmetricState) >= 2 * kHashSize);
  EXPECT_FALSE(std::all_of(before, before + 64, [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_TRUE(std::all_of(memory, memory + 64, [](std::byte b) { return b == std::byte{0}; }));
}

}  // namespace
}  // namespace vireo::wg::noise
