// The sender and the receiver against each other over loopback, small and short.
#include "perf/lab/udp_trial.h"

#include <gtest/gtest.h>

namespace vireo::lab {
namespace {

using namespace std::chrono_literals;

// A port of loopback that was free a moment ago.
net::UdpEndpoint LoopbackPort(const char* address) {
  static std::uint16_t port = 47'100;
  return {*net::IpAddress::Parse(address), ++port, 0};
}

struct Case {
  const char* what;
  const char* address;
  std::size_t payload;
  unsigned flows;
  unsigned segments;
};

TEST(UdpTrial, AccountsEveryPacketOverLoopback) {
  const Case cases[] = {
      {"one flow", "127.0.0.1", 64, 1, 0},
      {"as small as can be, many flows", "127.0.0.1", 32, 7, 0},
      {"without UDP_SEGMENT", "127.0.0.1", 64, 2, 1},
      {"several messages a burst", "127.0.0.1", 9000, 1, 0},
      {"IPv6", "::1", 1400, 3, 0},
  };
  for (const Case& c : cases) {
    const Result<UdpTrial> trial = RunUdpTrial({}, {.to = LoopbackPort(c.address),
                                                    .payload = c.payload,
                                                    .rate = 20'000,
                                                    .duration = 100ms,
                                                    .flows = c.flows,
                                                    .segments = c.segments});
    ASSERT_TRUE(trial.ok()) << c.what << ": " << trial.error().message;
    const UdpReceiveResult& received = trial.value().received;
    EXPECT_TRUE(received.ended) << c.what;
    EXPECT_GT(trial.value().sent.packets, 0U) << c.what;
    EXPECT_EQ(received.received(), trial.value().sent.packets) << c.what;
    EXPECT_EQ(received.lost(), 0U) << c.what;
    EXPECT_EQ(received.duplicates(), 0U) << c.what;
    EXPECT_EQ(received.bytes, received.received() * c.payload) << c.what;
    EXPECT_EQ(received.flows.size(), c.flows) << c.what;
    EXPECT_EQ(received.delay.count(), received.received()) << c.what;
  }
}

TEST(UdpReceiver, IgnoresOtherRuns) {
  const net::UdpEndpoint to = LoopbackPort("127.0.0.1");
  Result<UdpReceiver> receiver = UdpReceiver::Open({.at = to, .limit = 100ms, .run = 7});
  ASSERT_TRUE(receiver.ok());
  Result<UdpSender> sender = UdpSender::Open({.to = to, .rate = 1000, .duration = 10ms, .run = 8});
  ASSERT_TRUE(sender.ok());
  const Result<UdpSendResult> sent = sender->Run();
  ASSERT_TRUE(sent.ok());
  const Result<UdpReceiveResult> received = receiver->Run();
  ASSERT_TRUE(received.ok());
  EXPECT_EQ(received.value().received(), 0U);
  EXPECT_GE(received.value().foreign, sent.value().packets);
  EXPECT_FALSE(received.value().ended);
}

TEST(UdpSender, RefusesWhatItCannotSend) {
  const net::UdpEndpoint good = LoopbackPort("127.0.0.1");
  const auto at = [&](const char* address) {
    return net::UdpEndpoint{*net::IpAddress::Parse(address), 9, 0};
  };
  const UdpSendOptions cases[] = {
      {.to = at("0.0.0.0"), .duration = 1ms},
      {.to = at("224.0.0.1"), .duration = 1ms},
      {.to = at("255.255.255.255"), .duration = 1ms},
      {.to = at("ff02::1"), .duration = 1ms},
      {.to = good, .payload = 31, .duration = 1ms},
      {.to = good, .payload = 65'508, .duration = 1ms},
      {.to = good, .duration = 0ms},
      {.to = good, .duration = 1ms, .flows = 0},
      {.to = good, .duration = 1ms, .burst = 65},
  };
  for (const UdpSendOptions& options : cases) {
    const Result<UdpSender> sender = UdpSender::Open(options);
    ASSERT_FALSE(sender.ok()) << options.to.ToString();
    EXPECT_EQ(sender.error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace vireo::lab
