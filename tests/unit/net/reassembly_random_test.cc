// Reassembly of what nobody would send on purpose.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "dataplane/net/reassembly.h"
#include "tests/unit/net/fragments.h"

namespace vireo::net {
namespace {

using std::chrono::milliseconds;
using Verdict = Reassembler::Verdict;

class ReassemblyOfRandom : public testing::TestWithParam<Family> {
 protected:
  Cutting With(std::uint32_t id = 1) const { return {.family = GetParam(), .id = id}; }
  FakeClock clock_;
  Reassembler reassembler_;
};
INSTANTIATE_TEST_SUITE_P(Families, ReassemblyOfRandom,
                         testing::Values(Family::kIpv4, Family::kIpv6), [](const auto& instance) {
                           return instance.param == Family::kIpv4 ? "Ipv4" : "Ipv6";
                         });

// Random fragments of a few packets, many of them wrong, against a model that keeps a byte map.
class Model {
 public:
  enum class Answer { kWaiting, kWhole, kRefused };

  // REQUIRES: a fragment that can be by itself.
  Answer Add(ConstBytes bytes, std::size_t offset, bool more) {
    if (poisoned_) return Answer::kRefused;
    const auto same = fragments_.find(offset);
    if (same != fragments_.end() && same->second.more == more &&
        std::equal(bytes.begin(), bytes.end(), same->second.bytes.begin(),
                   same->second.bytes.end())) {
      return Answer::kRefused;
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes_.count(offset + i) != 0) poisoned_ = true;
    }
    for (const auto& [other_offset, other] : fragments_) {
      const std::size_t other_end = other_offset + other.bytes.size();
      if (!more && other_end > offset + bytes.size()) poisoned_ = true;
      if (!more && !other.more) poisoned_ = true;
      if (!other.more && offset + bytes.size() > other_end) poisoned_ = true;
    }
    if (poisoned_) return Answer::kRefused;
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes_[offset + i] = bytes[i];
    fragments_[offset] = {ByteVector(bytes.begin(), bytes.end()), more};
    if (!more) end_ = offset + bytes.size();
    return end_ && bytes_.size() == *end_ ? Answer::kWhole : Answer::kWaiting;
  }
  ByteVector payload() const {
    ByteVector bytes;
    for (const auto& [offset, byte] : bytes_) bytes.push_back(byte);
    return bytes;
  }

 private:
  struct Part {
    ByteVector bytes;
    bool more;
  };
  std::map<std::size_t, std::byte> bytes_;
  std::map<std::size_t, Part> fragments_;
  std::optional<std::size_t> end_;
  bool poisoned_ = false;
};

TEST_P(ReassemblyOfRandom, AgreesWithModelOnRandomFragments) {
  std::mt19937 random(7);
  int wholes = 0;
  int refusals = 0;
  for (int round = 0; round < 3000; ++round) {
    std::map<std::uint32_t, Model> models;
    clock_.Advance(milliseconds(1000));
    const std::size_t total = 16 + random() % 64;
    for (int step = 0; step < 24; ++step) {
      const std::uint32_t id = 1 + random() % 2;
      const std::size_t offset = random() % (total / 8) * 8;
      const std::size_t size = std::min<std::size_t>(8 * (1 + random() % 3), total - offset);
      bool more = offset + size < total;
      if (random() % 40 == 0) more = !more && size % 8 == 0;
      const ByteVector bytes = Pattern(total, random() % 60 == 0 ? 9 : 1);
      const ConstBytes part = ConstBytes(bytes).subspan(offset, size);
      if (offset == 0 && !more) continue;
      Model& model = models[id];
      const Model::Answer expected = model.Add(part, offset, more);
      const auto outcome = reassembler_.Add(FragmentOf(part, offset, more, With(id)), clock_.Now());
      ASSERT_EQ(static_cast<int>(outcome.verdict), static_cast<int>(expected))
          << "round " << round << " step " << step;
      if (expected == Model::Answer::kWhole) {
        ASSERT_EQ(ToHex(outcome.packet), ToHex(Whole(model.payload(), With(id))));
        models.erase(id);
        ++wholes;
      }
      refusals += expected == Model::Answer::kRefused;
    }
  }
  EXPECT_GT(wholes, 500);
  EXPECT_GT(refusals, 1000);
}

// Every fragment is accounted for once, whatever bytes come.
TEST_P(ReassemblyOfRandom, AccountsForEveryFragmentOfRandomBytes) {
  std::mt19937 random(11);
  std::uint64_t added = 0, joined = 0, dropped = 0;
  const ByteVector payload = Pattern(512);
  for (int i = 0; i < 50000; ++i) {
    const std::size_t offset = random() % 40 * 8;
    ByteVector packet = FragmentOf(ConstBytes(payload).subspan(offset, 8 + random() % 2 * 24),
                                   offset, random() % 8 != 0, With(random() % 16));
    if (random() % 4 == 0) packet[random() % packet.size()] ^= std::byte{1} << random() % 8;
    if (random() % 8 == 0) packet = Cut(packet, random() % packet.size());
    if (GetParam() == Family::kIpv4 && packet.size() >= 60 && random() % 2 == 0) {
      FixIpv4Checksum(packet);
    }

    const auto outcome = reassembler_.Add(packet, clock_.Now());
    ++added;
    dropped += outcome.invalid + outcome.timed_out;
    ASSERT_EQ(outcome.verdict == Verdict::kWhole, outcome.joined > 0);
    ASSERT_EQ(outcome.verdict == Verdict::kRefused, outcome.invalid > 0);
    clock_.Advance(milliseconds(random() % 20));
    joined += outcome.joined;
  }
  clock_.Advance(milliseconds(1000));
  dropped += reassembler_.Expire(clock_.Now());
  EXPECT_EQ(reassembler_.bytes(), 0u);
  EXPECT_GT(joined, 0u);
  EXPECT_EQ(dropped + joined, added);
}

}  // namespace
}  // namespace vireo::net
