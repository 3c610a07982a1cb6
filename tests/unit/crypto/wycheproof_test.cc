// Project Wycheproof's vectors on every backend, and on the reference that the other tests of this
// folder compare with.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/crypto/backend_test.h"
#include "tests/unit/crypto/evp_reference.h"

namespace vireo::test {
namespace {

struct Vector {
  int id;
  std::string comment;
  Bytes key, nonce, additional, text, sealed;  // sealed: with the tag
  bool valid;
};

Bytes FromHex(const std::string& hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

Bytes Append(Bytes bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
  return bytes;
}

std::filesystem::path VectorFile(const char* name) {
  const char* folder = std::getenv("VIREO_VECTORS");
  return std::filesystem::path(folder != nullptr ? folder : VIREO_VECTORS_DEFAULT) / name;
}

struct SuiteVectors {
  CipherSuite suite;
  const char* file;
  std::size_t count;  // so that a file read wrongly does not pass for one without failures
};

constexpr SuiteVectors kSuites[] = {
    {CipherSuite::kChaCha20Poly1305, "chacha20_poly1305_test.json", 316},
    {CipherSuite::kAes256Gcm, "aes_gcm_test.json", 66},
};

// Those of a 256-bit key, 96-bit nonce and 128-bit tag: all that WireGuard has. Empty if the file
// is absent.
std::vector<Vector> Load(const SuiteVectors& suite) {
  std::vector<Vector> vectors;
  std::ifstream file(VectorFile(suite.file));
  if (!file) return vectors;
  const nlohmann::json root = nlohmann::json::parse(file);
  for (const auto& group : root.at("testGroups")) {
    if (group.at("keySize") != 256 || group.at("ivSize") != 96 || group.at("tagSize") != 128) {
      continue;
    }
    for (const auto& test : group.at("tests")) {
      vectors.push_back({test.at("tcId"), test.at("comment"), FromHex(test.at("key")),
                         FromHex(test.at("iv")), FromHex(test.at("aad")), FromHex(test.at("msg")),
                         Append(FromHex(test.at("ct")), FromHex(test.at("tag"))),
                         test.at("result") == "valid"});
    }
  }
  EXPECT_EQ(vectors.size(), suite.count);
  return vectors;
}

void RunVector(PacketAead& aead, CipherSuite suite, const Vector& vector) {
  SCOPED_TRACE(testing::Message() << Name(suite) << " " << vector.id << ": " << vector.comment);
  const AeadKey key(suite, std::span<const std::byte, kAeadKeySize>(vector.key));
  const AeadNonce nonce{std::span<const std::byte, AeadNonce::kSize>(vector.nonce)};
  Bytes opened = vector.sealed;
  EXPECT_EQ(aead.OpenPacket(key, nonce, vector.additional, opened), vector.valid);
  if (!vector.valid) return;
  opened.resize(vector.text.size());
  EXPECT_EQ(opened, vector.text);
  Bytes sealed = Append(vector.text, Bytes(kAeadTagSize));
  aead.SealPacket(key, nonce, vector.additional, sealed);
  EXPECT_EQ(sealed, vector.sealed);
}

using WycheproofTest = BackendTest;

TEST_P(WycheproofTest, AcceptsValidAndRejectsInvalid) {
  for (const SuiteVectors& suite : kSuites) {
    const std::vector<Vector> vectors = Load(suite);
    if (vectors.empty()) GTEST_SKIP() << VectorFile(suite.file) << " is absent";
    for (const Vector& vector : vectors) RunVector(*aead_, suite.suite, vector);
  }
}
INSTANTIATE_TEST_SUITE_P(Aead, WycheproofTest, testing::ValuesIn(kBackends), BackendName);

TEST(WycheproofReference, SealsValidVectors) {
  for (const SuiteVectors& suite : kSuites) {
    const std::vector<Vector> vectors = Load(suite);
    if (vectors.empty()) GTEST_SKIP() << VectorFile(suite.file) << " is absent";
    for (const Vector& vector : vectors) {
      const Bytes sealed =
          ReferenceSeal(suite.suite, vector.key, vector.nonce, vector.additional, vector.text);
      EXPECT_EQ(sealed == vector.sealed, vector.valid)
          << Name(suite.suite) << " " << vector.id << ": " << vector.comment;
    }
  }
}

}  // namespace
}  // namespace vireo::test
