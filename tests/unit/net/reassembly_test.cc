#include "dataplane/net/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/net/fragments.h"

namespace vireo::net {
namespace {

using std::chrono::milliseconds;
using Verdict = Reassembler::Verdict;

class ReassemblyOfFamily : public testing::TestWithParam<Family> {
 protected:
  Cutting With(std::uint32_t id = 1) const { return {.family = GetParam(), .id = id}; }
  FakeClock clock_;
  Reassembler reassembler_;
};
INSTANTIATE_TEST_SUITE_P(Families, ReassemblyOfFamily,
                         testing::Values(Family::kIpv4, Family::kIpv6), [](const auto& instance) {
                           return instance.param == Family::kIpv4 ? "Ipv4" : "Ipv6";
                         });

TEST_P(ReassemblyOfFamily, JoinsInEveryOrder) {
  const ByteVector payload = Pattern(3000);
  std::vector<std::pair<std::size_t, std::size_t>> slices = {
      {0, 800}, {800, 8}, {808, 1400}, {2208, 792}};
  std::uint32_t id = 0;
  do {
    ++id;
    for (std::size_t i = 0; i < slices.size(); ++i) {
      const auto [offset, size] = slices[i];
      const auto outcome = reassembler_.Add(Slice(payload, offset, size, With(id)), clock_.Now());
      EXPECT_EQ(outcome.invalid + outcome.timed_out, 0u);
      if (i + 1 < slices.size()) {
        ASSERT_EQ(outcome.verdict, Verdict::kWaiting);
      } else {
        ASSERT_EQ(outcome.verdict, Verdict::kWhole);
        EXPECT_EQ(ToHex(outcome.packet), ToHex(Whole(payload, With(id))));
      }
    }
    EXPECT_EQ(reassembler_.bytes(), 0u);
    EXPECT_EQ(reassembler_.packets(), 0u);
  } while (std::next_permutation(slices.begin(), slices.end()));
  EXPECT_EQ(id, 24u);
}

TEST_P(ReassemblyOfFamily, IgnoresPadding) {
  const ByteVector payload = Pattern(12);
  ByteVector last = Slice(payload, 8, 4, With());
  last.resize(last.size() + 22);
  (void)reassembler_.Add(last, clock_.Now());
  const auto outcome = reassembler_.Add(Slice(payload, 0, 8, With()), clock_.Now());
  ASSERT_EQ(outcome.verdict, Verdict::kWhole);
  EXPECT_EQ(ToHex(outcome.packet), ToHex(Whole(payload, With())));
}

TEST_P(ReassemblyOfFamily, KeepsPacketsApart) {
  const ByteVector a = Pattern(64, 1);
  const ByteVector b = Pattern(64, 99);
  const Cutting other{.family = GetParam(),
                      .source = GetParam() == Family::kIpv4 ? Ip("192.0.2.10") : Ip("2001:db8::a")};
  EXPECT_EQ(reassembler_.Add(Slice(a, 0, 32, With(1)), clock_.Now()).verdict, Verdict::kWaiting);
  EXPECT_EQ(reassembler_.Add(Slice(b, 0, 32, With(2)), clock_.Now()).verdict, Verdict::kWaiting);
  EXPECT_EQ(reassembler_.Add(Slice(b, 32, 32, other), clock_.Now()).verdict, Verdict::kWaiting);
  EXPECT_EQ(reassembler_.packets(), 3u);
  auto outcome = reassembler_.Add(Slice(a, 32, 32, With(1)), clock_.Now());
  EXPECT_EQ(ToHex(outcome.packet), ToHex(Whole(a, With(1))));
  outcome = reassembler_.Add(Slice(b, 32, 32, With(2)), clock_.Now());
  EXPECT_EQ(ToHex(outcome.packet), ToHex(Whole(b, With(2))));
}

TEST_P(ReassemblyOfFamily, TimesOutOneSecondAfterTheFirstToArrive) {
  const ByteVector payload = Pattern(64);
  EXPECT_FALSE(reassembler_.NextDeadline());
  (void)reassembler_.Add(Slice(payload, 32, 16, With()), clock_.Now());
  EXPECT_EQ(reassembler_.NextDeadline(), clock_.Now() + milliseconds(1000));
  clock_.Advance(milliseconds(600));
  (void)reassembler_.Add(Slice(payload, 0, 16, With()), clock_.Now());
  clock_.Advance(milliseconds(399));
  EXPECT_EQ(reassembler_.Expire(clock_.Now()), 0u);
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(reassembler_.Expire(clock_.Now()), 2u);
  EXPECT_EQ(reassembler_.bytes(), 0u);
  EXPECT_FALSE(reassembler_.NextDeadline());
  // What comes later starts anew, and Add itself looks at the clock.
  (void)reassembler_.Add(Slice(payload, 0, 32, With()), clock_.Now());
  clock_.Advance(milliseconds(1000));
  const auto late = reassembler_.Add(Slice(payload, 32, 32, With()), clock_.Now());
  EXPECT_EQ(late.verdict, Verdict::kWaiting);
  EXPECT_EQ(late.timed_out, 1u);
}

struct Spot {
  std::size_t offset, size;
  bool more = true;
};

TEST_P(ReassemblyOfFamily, OverlapOrContradictionRefusesAllOfThePacket) {
  const struct {
    const char* what;
    std::vector<Spot> first;
    Spot second;
  } cases[] = {
      {"begins inside", {{0, 32}}, {24, 16}},
      {"ends inside", {{16, 32}}, {8, 16}},
      {"covers", {{16, 16}}, {8, 32}},
      {"is covered", {{0, 64}}, {16, 16}},
      {"same place, longer", {{16, 16}}, {16, 24}},
      {"same place, shorter", {{16, 24}}, {16, 16}},
      {"between two, too long", {{0, 16}, {32, 16}}, {16, 24}},
      {"behind the last", {{32, 8, false}}, {40, 8}},
      {"up to the end, but more", {{32, 7, false}}, {24, 16}},
      {"a second end, later", {{32, 8, false}}, {40, 8, false}},
      {"a second end, earlier", {{32, 8, false}}, {16, 8, false}},
      {"end before what was there", {{32, 8}}, {16, 8, false}},
      {"end inside what was there", {{32, 16}}, {32, 8, false}},
      {"same bytes, but now the last", {{32, 8}}, {32, 8, false}},
      {"same bytes, but no more the last", {{32, 8, false}}, {32, 8}},
  };
  const ByteVector payload = Pattern(256);
  const auto fragment = [&](const Spot& spot, std::uint32_t id) {
    return FragmentOf(ConstBytes(payload).subspan(spot.offset, spot.size), spot.offset, spot.more,
                      With(id));
  };
  std::uint32_t id = 0;
  for (const auto& c : cases) {
    ++id;
    for (const Spot& spot : c.first) {
      EXPECT_EQ(reassembler_.Add(fragment(spot, id), clock_.Now()).verdict, Verdict::kWaiting)
          << c.what;
    }
    const auto refused = reassembler_.Add(fragment(c.second, id), clock_.Now());
    EXPECT_EQ(refused.verdict, Verdict::kRefused) << c.what;
    EXPECT_EQ(refused.invalid, c.first.size() + 1) << c.what;
    EXPECT_EQ(reassembler_.bytes(), 0u) << c.what;
    // Those on their way are refused too, until the time is over (RFC 5722).
    EXPECT_EQ(reassembler_.Add(fragment({0, 8}, id), clock_.Now()).verdict, Verdict::kRefused)
        << c.what;
  }
  clock_.Advance(milliseconds(1000));
  EXPECT_EQ(reassembler_.Expire(clock_.Now()), 0u);
  EXPECT_EQ(reassembler_.packets(), 0u);
}

TEST_P(ReassemblyOfFamily, DuplicateFromTheNetworkIsDroppedAlone) {
  const ByteVector payload = Pattern(64);
  for (const std::size_t again : {0u, 32u}) {
    (void)reassembler_.Add(Slice(payload, again, 32, With()), clock_.Now());
    const auto twice = reassembler_.Add(Slice(payload, again, 32, With()), clock_.Now());
    EXPECT_EQ(twice.verdict, Verdict::kRefused);
    EXPECT_EQ(twice.invalid, 1u);
    const auto whole = reassembler_.Add(Slice(payload, 32 - again, 32, With()), clock_.Now());
    EXPECT_EQ(ToHex(whole.packet), ToHex(Whole(payload, With())));
  }
  // Same place and size, other bytes: an overlap.
  (void)reassembler_.Add(Slice(payload, 0, 32, With()), clock_.Now());
  EXPECT_EQ(reassembler_.Add(Slice(Pattern(64, 5), 0, 32, With()), clock_.Now()).invalid, 2u);
}

TEST_P(ReassemblyOfFamily, RefusesFragmentsThatCannotBe) {
  const ByteVector payload = Pattern(65536);
  const ConstBytes bytes(payload);
  const struct {
    const char* what;
    ByteVector packet;
  } cases[] = {
      {"empty", FragmentOf({}, 8, true, With())},
      {"empty last", FragmentOf({}, 8, false, With())},
      {"middle of 7 bytes", FragmentOf(bytes.first(7), 8, true, With())},
      {"first of 1 byte", FragmentOf(bytes.first(1), 0, true, With())},
      {"beyond 65535", FragmentOf(bytes.first(16), 65528, false, With())},
      {"middle beyond 65535", FragmentOf(bytes.first(8), 65528, true, With())},
  };
  for (const auto& c : cases) {
    const auto outcome = reassembler_.Add(c.packet, clock_.Now());
    EXPECT_EQ(outcome.verdict, Verdict::kRefused) << c.what;
    EXPECT_EQ(outcome.invalid, 1u) << c.what;
    EXPECT_EQ(reassembler_.packets(), 0u) << c.what;
  }
}

TEST_P(ReassemblyOfFamily, RefusesEveryTruncation) {
  const ByteVector whole = Slice(Pattern(64), 32, 32, With());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(reassembler_.Add(Cut(whole, size), clock_.Now()).verdict, Verdict::kRefused) << size;
  }
  EXPECT_EQ(reassembler_.packets(), 0u);
}

TEST_P(ReassemblyOfFamily, JoinsTheLargestPacket) {
  const std::size_t size = GetParam() == Family::kIpv4 ? 65515 : 65535;
  const ByteVector payload = Pattern(size);
  Reassembler::Outcome outcome;
  for (std::size_t offset = 0; offset < size; offset += 1448) {
    outcome = reassembler_.Add(
        Slice(payload, offset, std::min<std::size_t>(1448, size - offset), With()), clock_.Now());
  }
  ASSERT_EQ(outcome.verdict, Verdict::kWhole);
  EXPECT_EQ(ToHex(outcome.packet), ToHex(Whole(payload, With())));
}

TEST_P(ReassemblyOfFamily, RefusesPacketsOfTooManyFragments) {
  const ByteVector payload = Pattern(8 * 70);
  for (std::size_t i = 0; i < 64; ++i) {
    ASSERT_EQ(reassembler_.Add(Slice(payload, i * 8, 8, With()), clock_.Now()).verdict,
              Verdict::kWaiting);
  }
  EXPECT_EQ(reassembler_.bytes(), 64 * (8 + Reassembler::kFragmentOverhead));
  EXPECT_EQ(reassembler_.Add(Slice(payload, 64 * 8, 8, With()), clock_.Now()).invalid, 65u);
  EXPECT_EQ(reassembler_.bytes(), 0u);
}

TEST_P(ReassemblyOfFamily, JoinsCongestionMarks) {
  const int kRefused = -1;
  const struct {
    unsigned first, second;
    int whole;
  } cases[] = {
      {0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}, {2, 3, 3},        {3, 2, 3},        {1, 3, 3},
      {3, 1, 3}, {1, 2, 1}, {2, 1, 2}, {0, 2, 0}, {0, 3, kRefused}, {3, 0, kRefused},
  };
  const ByteVector payload = Pattern(64);
  std::uint32_t id = 0;
  for (const auto& c : cases) {
    Cutting with = With(++id);
    with.ecn = static_cast<std::uint8_t>(0x28 | c.second);
    (void)reassembler_.Add(Slice(payload, 32, 32, with), clock_.Now());
    with.ecn = static_cast<std::uint8_t>(0x28 | c.first);
    const auto outcome = reassembler_.Add(Slice(payload, 0, 32, with), clock_.Now());
    if (c.whole == kRefused) {
      EXPECT_EQ(outcome.verdict, Verdict::kRefused) << c.first << c.second;
      EXPECT_EQ(outcome.invalid, 2u);
      continue;
    }
    with.ecn = static_cast<std::uint8_t>(0x28 | c.whole);
    EXPECT_EQ(ToHex(outcome.packet), ToHex(Whole(payload, with))) << c.first << c.second;
  }
}

TEST_P(ReassemblyOfFamily, OneSourceCannotTakeAllPlaces) {
  const ByteVector payload = Pattern(64);
  Cutting victim = With(7);
  victim.source = GetParam() == Family::kIpv4 ? Ip("198.51.100.1") : Ip("2001:db8:1::1");
  (void)reassembler_.Add(Slice(payload, 0, 32, victim), clock_.Now());
  std::uint32_t dropped = 0;
  for (std::uint32_t id = 0; id < 1000; ++id) {
    dropped += reassembler_.Add(Slice(payload, 0, 32, With(id)), clock_.Now()).timed_out;
  }
  EXPECT_EQ(reassembler_.packets(), 65u);
  EXPECT_EQ(dropped, 1000u - 64u);
  EXPECT_EQ(reassembler_.Add(Slice(payload, 32, 32, victim), clock_.Now()).verdict,
            Verdict::kWhole);
  // The newest of the flood is still there, the oldest is not.
  EXPECT_EQ(reassembler_.Add(Slice(payload, 32, 32, With(999)), clock_.Now()).verdict,
            Verdict::kWhole);
  EXPECT_EQ(reassembler_.Add(Slice(payload, 32, 32, With(0)), clock_.Now()).verdict,
            Verdict::kWaiting);
}

TEST(Reassembly, ManySourcesStayWithinPlacesAndBytes) {
  FakeClock clock;
  const Reassembler::Limits limits{.packets = 32, .fragments_per_packet = 16, .bytes = 70000};
  Reassembler reassembler(limits);
  const ByteVector payload = Pattern(3000);
  std::uint32_t dropped = 0;
  for (std::uint32_t i = 0; i < 500; ++i) {
    const Cutting with{.source = IpAddress::V4(0x0a000000 + i)};
    dropped += reassembler.Add(Slice(payload, 0, 1400, with), clock.Now()).timed_out;
    dropped += reassembler.Add(Slice(payload, 1400, 1400, with), clock.Now()).timed_out;
    ASSERT_LE(reassembler.packets(), limits.packets);
    ASSERT_LE(reassembler.bytes(), limits.bytes);
  }
  EXPECT_EQ(reassembler.packets(), 70000u / 2928u);
  EXPECT_EQ(dropped, 2 * (500 - reassembler.packets()));
}

TEST(Reassembly, Ipv4ProtocolTellsPacketsApart) {
  FakeClock clock;
  Reassembler reassembler;
  const ByteVector payload = Pattern(64);
  (void)reassembler.Add(Slice(payload, 0, 32), clock.Now());
  EXPECT_EQ(reassembler.Add(Slice(payload, 32, 32, {.protocol = 6}), clock.Now()).verdict,
            Verdict::kWaiting);
}

TEST(Reassembly, KeepsOptionsOfTheFirstFragment) {
  FakeClock clock;
  Reassembler reassembler;
  const ByteVector payload = Pattern(64);
  const Cutting with_options{.options = ByteVector(8, std::byte{1})};
  (void)reassembler.Add(Slice(payload, 32, 32), clock.Now());
  const auto outcome = reassembler.Add(Slice(payload, 0, 32, with_options), clock.Now());
  EXPECT_EQ(ToHex(outcome.packet), ToHex(Whole(payload, with_options)));
}

TEST(Reassembly, RefusesIpv4PacketThatOptionsMakeTooLong) {
  FakeClock clock;
  Reassembler reassembler;
  const ByteVector payload = Pattern(65515);
  (void)reassembler.Add(Slice(payload, 32000, 33515), clock.Now());
  const Cutting with_options{.options = ByteVector(8, std::byte{1})};
  const auto outcome = reassembler.Add(Slice(payload, 0, 32000, with_options), clock.Now());
  EXPECT_EQ(outcome.verdict, Verdict::kRefused);
  EXPECT_EQ(outcome.invalid, 2u);
}

TEST(Reassembly, RefusesWhatIsNoFragment) {
  FakeClock clock;
  Reassembler reassembler;
  const ByteVector payload = Pattern(64);
  ByteVector bad_checksum = Slice(payload, 0, 32);
  bad_checksum[10] ^= std::byte{1};
  const Cutting nested{.family = Family::kIpv6, .protocol = kProtocolIpv6Fragment};
  for (const ByteVector& packet :
       {Whole(payload), Whole(payload, {.family = Family::kIpv6}), bad_checksum,
        Slice(payload, 0, 32, nested), FragmentOf(payload, 0, false, nested)}) {
    EXPECT_EQ(reassembler.Add(packet, clock.Now()).invalid, 1u);
  }
  EXPECT_EQ(reassembler.packets(), 0u);
}

TEST(Reassembly, AtomicFragmentIsWholeByItself) {
  FakeClock clock;
  Reassembler reassembler;
  const ByteVector payload = Pattern(61);
  const Cutting with{.family = Family::kIpv6};
  (void)reassembler.Add(Slice(payload, 0, 32, with), clock.Now());
  const auto outcome = reassembler.Add(FragmentOf(payload, 0, false, with), clock.Now());
  ASSERT_EQ(outcome.verdict, Verdict::kWhole);
  EXPECT_EQ(ToHex(outcome.packet), ToHex(Whole(payload, with)));
  EXPECT_EQ(reassembler.packets(), 1u);  // RFC 6946: it has nothing to do with the others
}

}  // namespace
}  // namespace vireo::net
