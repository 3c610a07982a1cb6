#include "dataplane/crypto/aead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "tests/unit/crypto/backend_test.h"
#include "tests/unit/crypto/evp_reference.h"

namespace vireo::test {
namespace {

constexpr CipherSuite kSuites[] = {CipherSuite::kChaCha20Poly1305, CipherSuite::kAes256Gcm};
constexpr std::byte kCanary{0xa5};
constexpr std::size_t kMargin = 128;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t Below(std::uint64_t bound) { return engine_() % bound; }
  std::uint64_t Next() { return engine_(); }
  Bytes NextBytes(std::size_t size) {
    Bytes bytes(size);
    for (std::byte& b : bytes) b = static_cast<std::byte>(engine_());
    return bytes;
  }

 private:
  std::mt19937_64 engine_;
};

std::unique_ptr<AeadKey> MakeKey(CipherSuite suite, ConstBytes bytes) {
  return std::make_unique<AeadKey>(suite, std::span<const std::byte, kAeadKeySize>(bytes));
}

// Byte by byte, as the specifications draw it.
Bytes NonceOf(CipherSuite suite, std::uint64_t counter) {
  Bytes nonce(12);
  for (int i = 0; i < 8; ++i) {
    const auto byte = static_cast<std::byte>(counter >> (8 * i));
    nonce[suite == CipherSuite::kAes256Gcm ? 11 - i : 4 + i] = byte;
  }
  return nonce;
}

// A packet inside a larger buffer, at any alignment, with canaries around.
class TestPacket {
 public:
  TestPacket(Random& random, const AeadKey& key, std::size_t length)
      : key_(&key),
        counter_(random.Next()),
        text_(random.NextBytes(length)),
        start_(kMargin + random.Below(64)),
        buffer_(start_ + length + kAeadTagSize + kAeadTailroom + kMargin, kCanary) {
    std::copy(text_.begin(), text_.end(), buffer_.begin() + start_);
  }

  [[nodiscard]] AeadJob Job() {
    return {key_, counter_, buffer_.data() + start_, static_cast<std::uint32_t>(text_.size()),
            false};
  }
  [[nodiscard]] Bytes Expected() const {
    return ReferenceSeal(key_->suite(), key_->raw(), NonceOf(key_->suite(), counter_), {}, text_);
  }
  [[nodiscard]] Bytes sealed() const { return Slice(start_, text_.size() + kAeadTagSize); }
  [[nodiscard]] Bytes opened() const { return Slice(start_, text_.size()); }
  [[nodiscard]] const Bytes& text() const { return text_; }
  [[nodiscard]] bool CanariesAlive() const {
    const auto alive = [](std::byte b) { return b == kCanary; };
    return std::all_of(buffer_.begin(), buffer_.begin() + start_, alive) &&
           std::all_of(buffer_.end() - kMargin, buffer_.end(), alive);
  }
  void FlipRandomBit(Random& random) {
    const std::size_t bit = random.Below(8 * (text_.size() + kAeadTagSize));
    buffer_[start_ + bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  }

 private:
  [[nodiscard]] Bytes Slice(std::size_t start, std::size_t size) const {
    return {buffer_.begin() + start, buffer_.begin() + start + size};
  }

  const AeadKey* key_;
  std::uint64_t counter_;
  Bytes text_;
  std::ptrdiff_t start_;
  Bytes buffer_;
};

// Seals, compares with the reference, flips some, opens, and expects exactly those to fail.
void RoundTrip(PacketAead& aead, Random& random, std::vector<TestPacket>& packets) {
  std::vector<AeadJob> jobs;
  for (TestPacket& packet : packets) jobs.push_back(packet.Job());
  aead.SealBurst(jobs);
  std::vector<bool> flipped;
  for (TestPacket& packet : packets) {
    ASSERT_EQ(packet.sealed(), packet.Expected()) << packet.text().size() << " bytes";
    ASSERT_TRUE(packet.CanariesAlive());
    flipped.push_back(random.Below(4) == 0);
    if (flipped.back()) packet.FlipRandomBit(random);
  }
  for (AeadJob& job : jobs) job.ok = random.Below(2) == 0;  // whatever was there before
  aead.OpenBurst(jobs);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    ASSERT_EQ(jobs[i].ok, !flipped[i]) << packets[i].text().size() << " bytes";
    ASSERT_TRUE(packets[i].CanariesAlive());
    if (jobs[i].ok) {
      ASSERT_EQ(packets[i].opened(), packets[i].text());
    }
  }
}

using AeadTest = BackendTest;
INSTANTIATE_TEST_SUITE_P(Aead, AeadTest, testing::ValuesIn(kBackends), BackendName);

TEST_P(AeadTest, SealsAndOpensEveryLength) {
  Random random(1);
  for (const CipherSuite suite : kSuites) {
    const auto key = MakeKey(suite, random.NextBytes(kAeadKeySize));
    std::vector<TestPacket> packets;
    for (std::size_t length = 0; length <= 1601; ++length) {
      packets.emplace_back(random, *key, length == 1601 ? 9000 : length);
      if (packets.size() == Aead::kMaxBurst || length == 1601) {
        RoundTrip(*aead_, random, packets);
        packets.clear();
      }
    }
  }
}

TEST_P(AeadTest, SealsAndOpensEveryBurstSizeWithMixedKeysAndSuites) {
  Random random(2);
  std::vector<std::unique_ptr<AeadKey>> keys;
  for (int i = 0; i < 8; ++i) {
    keys.push_back(MakeKey(kSuites[i % 2], random.NextBytes(kAeadKeySize)));
  }
  for (int round = 0; round < 8; ++round) {
    for (std::size_t size = 0; size <= Aead::kMaxBurst; ++size) {
      std::vector<TestPacket> packets;
      for (std::size_t i = 0; i < size; ++i) {
        const std::size_t length = random.Below(3) == 0 ? random.Below(64) : random.Below(1601);
        packets.emplace_back(random, *keys[random.Below(keys.size())], length);
      }
      RoundTrip(*aead_, random, packets);
    }
  }
}

TEST_P(AeadTest, RejectsEveryFlippedBit) {
  Random random(3);
  for (const CipherSuite suite : kSuites) {
    const auto key = MakeKey(suite, random.NextBytes(kAeadKeySize));
    for (std::size_t length : {0u, 1u, 32u}) {
      const TestPacket original(random, *key, length);
      for (std::size_t bit = 0; bit < 8 * (length + kAeadTagSize); ++bit) {
        TestPacket packet = original;
        AeadJob job = packet.Job();
        aead_->SealBurst({&job, 1});
        job.data[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        aead_->OpenBurst({&job, 1});
        ASSERT_FALSE(job.ok) << Name(suite) << ", bit " << bit << " of " << length << " bytes";
      }
    }
  }
}

TEST_P(AeadTest, RejectsWrongCounterAndWrongKey) {
  Random random(4);
  for (const CipherSuite suite : kSuites) {
    const auto key = MakeKey(suite, random.NextBytes(kAeadKeySize));
    const auto other = MakeKey(suite, random.NextBytes(kAeadKeySize));
    TestPacket packet(random, *key, 100);
    AeadJob jobs[2] = {packet.Job(), packet.Job()};
    aead_->SealBurst({jobs, 1});
    TestPacket copy = packet;
    jobs[0].counter += 1;
    jobs[1] = copy.Job();
    jobs[1].key = other.get();
    aead_->OpenBurst(jobs);
    EXPECT_FALSE(jobs[0].ok);
    EXPECT_FALSE(jobs[1].ok);
  }
}

// A cipher context that remembers keys by address would use the old one.
TEST_P(AeadTest, UsesTheNewKeyAtAnOldKeysAddress) {
  Random random(5);
  for (const CipherSuite suite : kSuites) {
    alignas(AeadKey) std::byte memory[sizeof(AeadKey)];
    for (int i = 0; i < 3; ++i) {
      const Bytes bytes = random.NextBytes(kAeadKeySize);
      auto* const key =
          new (memory) AeadKey(suite, std::span<const std::byte, kAeadKeySize>(bytes));
      std::vector<TestPacket> packets(1, TestPacket(random, *key, 64));
      RoundTrip(*aead_, random, packets);
      key->~AeadKey();
    }
  }
}

// RFC 8439 §2.8.2.
TEST_P(AeadTest, SealsRfc8439Example) {
  constexpr std::string_view kText =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.";
  constexpr unsigned char kSealed[] = {
      0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb, 0x7b, 0x86, 0xaf, 0xbc, 0x53, 0xef, 0x7e,
      0xc2, 0xa4, 0xad, 0xed, 0x51, 0x29, 0x6e, 0x08, 0xfe, 0xa9, 0xe2, 0xb5, 0xa7, 0x36, 0xee,
      0x62, 0xd6, 0x3d, 0xbe, 0xa4, 0x5e, 0x8c, 0xa9, 0x67, 0x12, 0x82, 0xfa, 0xfb, 0x69, 0xda,
      0x92, 0x72, 0x8b, 0x1a, 0x71, 0xde, 0x0a, 0x9e, 0x06, 0x0b, 0x29, 0x05, 0xd6, 0xa5, 0xb6,
      0x7e, 0xcd, 0x3b, 0x36, 0x92, 0xdd, 0xbd, 0x7f, 0x2d, 0x77, 0x8b, 0x8c, 0x98, 0x03, 0xae,
      0xe3, 0x28, 0x09, 0x1b, 0x58, 0xfa, 0xb3, 0x24, 0xe4, 0xfa, 0xd6, 0x75, 0x94, 0x55, 0x85,
      0x80, 0x8b, 0x48, 0x31, 0xd7, 0xbc, 0x3f, 0xf4, 0xde, 0xf0, 0x8e, 0x4b, 0x7a, 0x9d, 0xe5,
      0x76, 0xd2, 0x65, 0x86, 0xce, 0xc6, 0x4b, 0x61, 0x16, 0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09,
      0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91};
  const std::string_view additional("\x50\x51\x52\x53\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7", 12);
  const std::string_view nonce("\x07\0\0\0\x40\x41\x42\x43\x44\x45\x46\x47", 12);
  Bytes key_bytes;
  for (int i = 0x80; i < 0xa0; ++i) key_bytes.push_back(static_cast<std::byte>(i));
  const auto key = MakeKey(CipherSuite::kChaCha20Poly1305, key_bytes);

  Bytes packet(kText.size() + kAeadTagSize);
  std::memcpy(packet.data(), kText.data(), kText.size());
  aead_->SealPacket(*key, AeadNonce(AsBytes(nonce).first<AeadNonce::kSize>()), AsBytes(additional),
                    packet);
  ASSERT_EQ(packet.size(), sizeof kSealed);
  EXPECT_EQ(std::memcmp(packet.data(), kSealed, sizeof kSealed), 0);

  // Additional data of one packet does not stay for the next burst.
  Random random(6);
  std::vector<TestPacket> packets(1, TestPacket(random, *key, 64));
  RoundTrip(*aead_, random, packets);
}

TEST_P(AeadTest, NonceIsLittleEndianForChaChaAndBigEndianForGcm) {
  const Bytes key_bytes(kAeadKeySize, std::byte{7});
  const std::string_view nonces[] = {{"\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01", 12},
                                     {"\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08", 12}};
  for (int i = 0; i < 2; ++i) {
    const auto key = MakeKey(kSuites[i], key_bytes);
    Bytes packet(16 + kAeadTagSize);
    AeadJob job{key.get(), 0x0102030405060708, packet.data(), 16, false};
    aead_->SealBurst({&job, 1});
    EXPECT_EQ(packet, ReferenceSeal(kSuites[i], key_bytes, AsBytes(nonces[i]), {}, Bytes(16)))
        << Name(kSuites[i]);
  }
}

TEST(AeadKey, HasGcmScheduleOnlyForGcm) {
  const Bytes bytes(kAeadKeySize);
  EXPECT_EQ(MakeKey(CipherSuite::kChaCha20Poly1305, bytes)->gcm_schedule(), nullptr);
  const auto key = MakeKey(CipherSuite::kAes256Gcm, bytes);
  EXPECT_EQ(key->gcm_schedule() != nullptr, MakeAead(AeadBackend::kIpsecMb) != nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(key->gcm_schedule()) % 64, 0u);
}

TEST(MakeAead, GivesTheBackendAskedFor) {
  ASSERT_NE(MakeAead(AeadBackend::kOpenssl), nullptr);
  EXPECT_EQ(MakeAead(AeadBackend::kOpenssl)->name(), "openssl");
  const auto ipsec_mb = MakeAead(AeadBackend::kIpsecMb);
  const auto best = MakeAead();
  ASSERT_NE(best, nullptr);
  EXPECT_EQ(best->name(), ipsec_mb != nullptr ? "libipsec-mb" : "openssl");
  if (ipsec_mb != nullptr) {
    EXPECT_EQ(ipsec_mb->name(), "libipsec-mb");
  }
}

TEST(CipherSuite, HasNames) {
  EXPECT_EQ(Name(CipherSuite::kChaCha20Poly1305), "chacha20poly1305");
  EXPECT_EQ(Name(CipherSuite::kAes256Gcm), "aes256gcm");
}

}  // namespace
}  // namespace vireo::test
