#include "dataplane/net/arp.h"

#include <gtest/gtest.h>

#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

// Who has 192.0.2.1? Tell 192.0.2.9 (02:00:00:00:00:09).
constexpr std::string_view kRequest =
    "0001 0800 06 04 0001 020000000009 c0000209 000000000000 c0000201";

TEST(Arp, ReadsRequest) {
  const auto message = ParseArp(FromHexText(kRequest));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->operation, ArpOperation::kRequest);
  EXPECT_EQ(message->sender_mac, Mac("02:00:00:00:00:09"));
  EXPECT_EQ(message->sender_ip, Ip("192.0.2.9"));
  EXPECT_EQ(message->target_ip, Ip("192.0.2.1"));
  EXPECT_FALSE(message->IsProbe());
  EXPECT_FALSE(message->IsGratuitous());
}

TEST(Arp, IgnoresPadding) {
  ByteVector padded = FromHexText(kRequest);
  padded.resize(46);
  EXPECT_TRUE(ParseArp(padded));
}

TEST(Arp, RefusesEveryTruncation) {
  const ByteVector whole = FromHexText(kRequest);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseArp(Cut(whole, size))) << size;
  }
}

TEST(Arp, ReadsOnlyWhatAHostMaySend) {
  const struct {
    const char* what;
    std::string_view hex;
    bool accepted;
  } cases[] = {
      {"reply", "0001 0800 06 04 0002 020000000009 c0000209 020000000001 c0000201", true},
      {"probe", "0001 0800 06 04 0001 020000000009 00000000 000000000000 c0000201", true},
      {"announcement", "0001 0800 06 04 0001 020000000009 c0000209 000000000000 c0000209", true},
      {"hardware type", "0006 0800 06 04 0001 020000000009 c0000209 000000000000 c0000201", false},
      {"protocol type", "0001 86dd 06 04 0001 020000000009 c0000209 000000000000 c0000201", false},
      {"hardware size", "0001 0800 08 04 0001 020000000009 c0000209 000000000000 c0000201", false},
      {"protocol size", "0001 0800 06 10 0001 020000000009 c0000209 000000000000 c0000201", false},
      {"operation 0", "0001 0800 06 04 0000 020000000009 c0000209 000000000000 c0000201", false},
      {"reverse ARP", "0001 0800 06 04 0003 020000000009 c0000209 000000000000 c0000201", false},
      {"zero MAC", "0001 0800 06 04 0001 000000000000 c0000209 000000000000 c0000201", false},
      {"multicast MAC", "0001 0800 06 04 0001 01005e000009 c0000209 000000000000 c0000201", false},
      {"broadcast MAC", "0001 0800 06 04 0001 ffffffffffff c0000209 000000000000 c0000201", false},
      {"multicast IP", "0001 0800 06 04 0001 020000000009 e0000009 000000000000 c0000201", false},
      {"broadcast IP", "0001 0800 06 04 0001 020000000009 ffffffff 000000000000 c0000201", false},
      {"loopback IP", "0001 0800 06 04 0001 020000000009 7f000001 000000000000 c0000201", false},
      {"0.0.0.1", "0001 0800 06 04 0001 020000000009 00000001 000000000000 c0000201", false},
  };
  for (const auto& c : cases) {
    const ByteVector bytes = FromHexText(c.hex);
    ASSERT_EQ(bytes.size(), kArpSize) << c.what;
    EXPECT_EQ(ParseArp(bytes).has_value(), c.accepted) << c.what;
  }
}

TEST(Arp, BuildsWhatItReads) {
  const MacAddress ours = Mac("02:00:00:00:00:01");
  const auto request = ParseArp(FromHexText(kRequest)).value();
  const struct {
    const char* what;
    ArpMessage message;
    std::string_view hex;
  } cases[] = {
      {"request", MakeArpRequest(Mac("02:00:00:00:00:09"), Ip("192.0.2.9"), Ip("192.0.2.1")),
       kRequest},
      {"reply", MakeArpReply(request, ours),
       "0001 0800 06 04 0002 020000000001 c0000201 020000000009 c0000209"},
      {"announcement", MakeArpAnnouncement(ours, Ip("192.0.2.1")),
       "0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000201"},
  };
  for (const auto& c : cases) {
    std::array<std::byte, kArpSize> out;
    BuildArp(c.message, out);
    EXPECT_EQ(ToHex(out), ToHex(FromHexText(c.hex))) << c.what;
    EXPECT_TRUE(ParseArp(out)) << c.what;
  }
}

TEST(Arp, KnowsProbesAndAnnouncements) {
  ArpMessage message = MakeArpAnnouncement(Mac("02:00:00:00:00:01"), Ip("192.0.2.1"));
  EXPECT_TRUE(message.IsGratuitous());
  message.operation = ArpOperation::kReply;
  EXPECT_TRUE(message.IsGratuitous());
  message.sender_ip = Ip("0.0.0.0");
  EXPECT_TRUE(message.IsProbe());
  EXPECT_FALSE(message.IsGratuitous());
}

}  // namespace
}  // namespace vireo::net
