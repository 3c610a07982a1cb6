// Bursts allocate nothing, the libraries underneath included: this program's own malloc counts.
#include <gtest/gtest.h>

#include "tests/support/allocation_counter.h"
#include "tests/unit/crypto/backend_test.h"

namespace vireo::test {
namespace {

class AeadAllocationTest : public BackendTest {
 protected:
  static constexpr std::size_t kLength = 1400;

  AeadAllocationTest() {
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      jobs_[i] = {&keys_[i % 4], i, packets_[i].data(), kLength, false};
    }
  }

  // A burst sealed and opened; every fifth packet is forged in between.
  void RunBurst() {
    aead_->SealBurst(jobs_);
    for (std::size_t i = 0; i < jobs_.size(); i += 5) packets_[i][i] ^= std::byte{1};
    aead_->OpenBurst(jobs_);
  }

  static constexpr std::array<std::byte, kAeadKeySize> kKey{};
  std::array<AeadKey, 4> keys_{
      AeadKey(CipherSuite::kChaCha20Poly1305, kKey), AeadKey(CipherSuite::kAes256Gcm, kKey),
      AeadKey(CipherSuite::kChaCha20Poly1305, kKey), AeadKey(CipherSuite::kAes256Gcm, kKey)};
  std::array<std::array<std::byte, 2048>, Aead::kMaxBurst> packets_{};
  std::array<AeadJob, Aead::kMaxBurst> jobs_;
};
INSTANTIATE_TEST_SUITE_P(Aead, AeadAllocationTest, testing::ValuesIn(kBackends), BackendName);

TEST_P(AeadAllocationTest, BurstsAllocateNothingAfterTheFirst) {
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer has replaced malloc";
  const std::size_t at_start = Allocations();
  free(malloc(1));
  ASSERT_NE(Allocations(), at_start) << "the counter does not count";

  RunBurst();
  const std::size_t before = Allocations();
  for (int i = 0; i < 100; ++i) RunBurst();
  EXPECT_EQ(Allocations(), before);
  EXPECT_FALSE(jobs_[0].ok);
  EXPECT_TRUE(jobs_[1].ok);
}

}  // namespace
}  // namespace vireo::test
