#include "dataplane/net/dhcp.h"

#include <gtest/gtest.h>

#include "dataplane/net/inner.h"
#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

const MacAddress kMac = Mac("02:00:00:00:00:09");

// A request with the options given, in hexadecimal.
ByteVector Request(std::string_view options) {
  ByteVector message(240);
  message[0] = std::byte{1};
  message[1] = std::byte{1};
  message[2] = std::byte{6};
  message[7] = std::byte{42};
  std::memcpy(&message[28], kMac.bytes.data(), 6);
  const ByteVector cookie = FromHexText("63825363");
  std::copy(cookie.begin(), cookie.end(), message.begin() + 236);
  return Join(message, FromHexText(options));
}

TEST(Dhcp, ReadsRequest) {
  const ByteVector bytes = Request("00 350103 32040a000001 36040a0000fe 3d0701020000000009 ff 01");
  const auto request = ParseDhcpRequest(bytes);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->type, DhcpType::kRequest);
  EXPECT_EQ(request->transaction, 42u);
  EXPECT_FALSE(request->broadcast);
  EXPECT_EQ(request->mac, kMac);
  EXPECT_TRUE(request->client.IsUnspecified());
  EXPECT_EQ(request->requested, Ip("10.0.0.1"));
  EXPECT_EQ(request->server, Ip("10.0.0.254"));
  EXPECT_EQ(request->client_id.size(), 7u);
}

TEST(Dhcp, RefusesWhatIsNoRequest) {
  const ByteVector good = Request("350101 ff");
  ASSERT_TRUE(ParseDhcpRequest(good));
  const struct {
    const char* name;
    std::size_t at;
    std::uint8_t value;
  } changes[] = {{"an answer", 0, 2},
                 {"no Ethernet", 1, 6},
                 {"another size", 2, 8},
                 {"through a relay", 24, 1},
                 {"no cookie", 236, 0}};
  for (const auto& change : changes) {
    ByteVector bytes = good;
    bytes[change.at] = std::byte{change.value};
    EXPECT_FALSE(ParseDhcpRequest(bytes)) << change.name;
  }
  for (const char* options :
       {"", "ff", "35", "3501", "350100", "350109", "350201 01", "350101 32030a0000",
        "350101 3605 0a000000", "350101 3d0101", "350101 0cff"}) {
    EXPECT_FALSE(ParseDhcpRequest(Request(options))) << options;
  }
  for (std::size_t size = 0; size < 243; ++size) {
    EXPECT_FALSE(ParseDhcpRequest(Cut(good, size))) << size;
  }
}

DhcpAnswer Offer() {
  DhcpAnswer answer;
  answer.server = Ip("10.0.0.254");
  answer.address = Ip("10.0.0.1");
  answer.lease = 3600;
  answer.prefix_length = 20;
  answer.router = Ip("10.0.0.254");
  answer.dns = {Ip("fd00::53"), Ip("10.0.0.53")};
  answer.mtu = 1400;
  answer.routes = {{*Prefix::Parse("10.0.16.0/20"), Ip("0.0.0.0")}};
  return answer;
}

TEST(Dhcp, WritesAnswer) {
  const ByteVector bytes = Request("350101 3d0701020000000009 ff");
  const auto request = ParseDhcpRequest(bytes);
  ByteVector out(kDhcpMaxSize);
  const std::size_t size = BuildDhcpAnswer(*request, Offer(), out);
  ASSERT_EQ(size, 28u + 300);
  const InnerPacket ip = ParseInner(ConstBytes(out).first(size));
  ASSERT_TRUE(ip);
  EXPECT_EQ(IpAddress::V4(ConstBytes(ip.destination(), 4)), Ip("10.0.0.1"));
  EXPECT_TRUE(InternetSum()
                  .Add(PseudoHeader(*reinterpret_cast<const Ipv4Header*>(out.data()), 17,
                                    static_cast<std::uint32_t>(size - 20)))
                  .Add(ConstBytes(out).subspan(20, size - 20))
                  .IsValid());
  const ByteVector options = FromHexText(
      "350102 36040a0000fe 3d0701020000000009 330400000e10 0104fffff000 7908 14 0a0010 00000000"
      " 03040a0000fe 06040a000035 1a020578 ff");
  EXPECT_EQ(ByteVector(out.begin() + 268, out.begin() + 268 + static_cast<long>(options.size())),
            options);
}

TEST(Dhcp, AnswersGoToWhoCanReceiveThem) {
  const struct {
    const char* name;
    const char* client;
    bool broadcast;
    DhcpType type;
    const char* destination;
  } cases[] = {
      {"by its new address", "0.0.0.0", false, DhcpType::kOffer, "10.0.0.1"},
      {"to all on request", "0.0.0.0", true, DhcpType::kOffer, "255.255.255.255"},
      {"to the address it has", "10.0.0.7", true, DhcpType::kAck, "10.0.0.7"},
      {"refusal to all", "10.0.0.7", false, DhcpType::kNak, "255.255.255.255"},
  };
  for (const auto& test : cases) {
    DhcpRequest request;
    request.client = Ip(test.client);
    request.broadcast = test.broadcast;
    DhcpAnswer answer = Offer();
    answer.type = test.type;
    ByteVector out(kDhcpMaxSize);
    ASSERT_NE(BuildDhcpAnswer(request, answer, out), 0u) << test.name;
    EXPECT_EQ(IpAddress::V4(ConstBytes(out).subspan(16, 4)), Ip(test.destination)) << test.name;
  }
}

TEST(Dhcp, AnswerThatDoesNotFitIsNone) {
  DhcpRequest request;
  request.client = Ip("0.0.0.0");
  DhcpAnswer answer = Offer();
  ByteVector small(300);
  EXPECT_EQ(BuildDhcpAnswer(request, answer, small), 0u);
  answer.routes.resize(40, answer.routes[0]);
  ByteVector out(kDhcpMaxSize);
  EXPECT_EQ(BuildDhcpAnswer(request, answer, out), 0u);
}

}  // namespace
}  // namespace vireo::net
