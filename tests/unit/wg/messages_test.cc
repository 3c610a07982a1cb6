#include "dataplane/wg/messages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "dataplane/wg/handshake_verdict.h"
#include "dataplane/wg/tai64n.h"

namespace vireo::wg {
namespace {

using namespace std::chrono_literals;

MessageKind KindOf(std::uint32_t first_word, std::size_t size) {
  std::vector<std::byte> message(size);
  const Le32 type = first_word;
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 4); ++i) {
    message[i] = reinterpret_cast<const std::byte*>(&type)[i];
  }
  return Classify(message);
}

TEST(Messages, SizeMustFitTheType) {
  struct Row {
    std::uint32_t type;
    std::size_t size;  // exact, or the least
    MessageKind kind;
    bool exact;
  };
  const Row rows[] = {
      {1, 148, MessageKind::kInitiation, true},
      {2, 92, MessageKind::kResponse, true},
      {3, 64, MessageKind::kCookieReply, true},
      {4, 32, MessageKind::kTransport, false},
  };
  for (const Row& row : rows) {
    for (std::size_t size = 0; size < 300; ++size) {
      const bool fits = row.exact ? size == row.size : size >= row.size;
      EXPECT_EQ(KindOf(row.type, size), fits ? row.kind : MessageKind::kNone)
          << row.type << " " << size;
    }
  }
}

TEST(Messages, NonZeroReservedByteIsNoMessage) {
  for (unsigned bit = 8; bit < 32; ++bit) {
    EXPECT_EQ(KindOf(1u | 1u << bit, 148), MessageKind::kNone) << bit;
    EXPECT_EQ(KindOf(4u | 1u << bit, 64), MessageKind::kNone) << bit;
  }
}

TEST(Messages, OtherTypesAreNoMessages) {
  for (std::uint32_t type = 0; type < 256; ++type) {
    if (type >= 1 && type <= 4) continue;
    for (const std::size_t size : {32, 64, 92, 148}) {
      EXPECT_EQ(KindOf(type, size), MessageKind::kNone) << type;
    }
  }
}

TEST(Tai64n, LabelsSecondsAndNanosecondsBigEndian) {
  const Tai64n stamp = Tai64n::FromWall(WallTime(1s + 0x01020304ns));
  const unsigned char expected[12] = {0x40, 0, 0, 0, 0, 0, 0, 11, 1, 2, 3, 4};
  EXPECT_EQ(std::memcmp(stamp.bytes.data(), expected, 12), 0);
}

TEST(Tai64n, ByteOrderIsTimeOrder) {
  const WallTime times[] = {
      WallTime(-1h),  WallTime(-1ns),     WallTime(0ns),
      WallTime(1ns),  WallTime(1s - 1ns), WallTime(1s),
      WallTime(255s), WallTime(256s),     WallTime(std::chrono::hours(24 * 365 * 80))};
  for (std::size_t i = 1; i < std::size(times); ++i) {
    EXPECT_LT(Tai64n::FromWall(times[i - 1]), Tai64n::FromWall(times[i])) << i;
  }
}

TEST(Tai64n, SentTimestampsAreRoundedDownTo16Milliseconds) {
  const WallTime second(1000s);
  EXPECT_EQ(NextTimestamp(second + 16'777'215ns, {}), second);
  EXPECT_EQ(NextTimestamp(second + 16'777'216ns, {}), second + 16'777'216ns);
  EXPECT_EQ(NextTimestamp(second + 999'999'999ns, {}), second + 59 * 16'777'216ns);
}

TEST(Tai64n, SentTimestampsGrowWhateverTheClockDoes) {
  WallTime last{};
  WallTime wall(std::chrono::hours(24 * 365 * 50));
  for (const Duration step : {Duration(0), Duration(1), Duration(-1h), Duration(1h),
                              Duration(-24h * 3650), Duration(24h * 3650), Duration(1ms)}) {
    wall += step;
    for (int i = 0; i < 200; ++i) {
      const WallTime next = NextTimestamp(wall, last);
      ASSERT_GT(Tai64n::FromWall(next), Tai64n::FromWall(last));
      ASSERT_EQ(next, RoundTimestamp(next));
      last = next;
    }
  }
}

TEST(HandshakeVerdict, NamesAreDistinctAndFirstThreeAreAcceptance) {
  for (std::size_t i = 0; i < kHandshakeVerdicts; ++i) {
    const auto verdict = static_cast<HandshakeVerdict>(i);
    EXPECT_EQ(Accepted(verdict), i < 3);
    EXPECT_FALSE(Text(verdict).empty());
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NE(Name(verdict), Name(static_cast<HandshakeVerdict>(j)));
    }
  }
}

}  // namespace
}  // namespace vireo::wg
