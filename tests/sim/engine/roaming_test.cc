// Addresses, clocks and restarts.
#include "tests/sim/engine/pair.h"

namespace vireo::wg::sim {
namespace {

using Roaming = Pair;

TEST_F(Roaming, EndpointFollowsInitiationResponseAndTransport) {
  a.SendData(b, Node::Payload(1));
  a.Roam(At("198.51.100.1:1111"));  // after the initiation was sent, before the response arrives
  net.filter = [&](const Datagram&) { return true; };
  net.Run(6s);
  EXPECT_EQ(b.To(a).peer->endpoint(), a.address) << "by the initiation repeated from there";
  ASSERT_EQ(b.To(a).received.size(), 1u);

  const net::UdpEndpoint old_b = b.address;
  b.Roam(At("[2001:db8::b]:2222"));
  b.SendData(a, Node::Payload(2));
  net.Run(10ms);
  EXPECT_EQ(a.To(b).peer->endpoint(), b.address) << "by a transport packet";
  EXPECT_EQ(a.To(b).endpoint_changes, 1u);
  a.SendData(b, Node::Payload(3));
  EXPECT_EQ(net.sent.back().to, b.address);
  EXPECT_NE(b.address, old_b);
}

TEST_F(Roaming, EndpointFollowsAResponse) {
  // b receives on one address and answers from another.
  const net::UdpEndpoint other = At("198.51.100.2:2222");
  a.SendData(b, Node::Payload(1));
  net.filter = [&](const Datagram& d) { return d.kind() != MessageKind::kResponse; };
  net.Run(10ms);
  Datagram response = net.Last(MessageKind::kResponse);
  response.from = other;
  a.Receive(response);
  EXPECT_EQ(a.last_verdict, HandshakeVerdict::kResponseAccepted);
  EXPECT_EQ(a.To(b).peer->endpoint(), other);
  EXPECT_EQ(net.sent.back().to, other) << "what was staged goes there already";
}

TEST_F(Roaming, NatRebindingKeepsTheSession) {
  Connect(a, b);
  for (std::uint16_t port = 5000; port < 5020; ++port) {
    a.address.port = port;
    a.SendData(b, Node::Payload(port));
    net.Run(10ms);
    b.SendData(a, Node::Payload(port));
    net.Run(10ms);
  }
  EXPECT_EQ(b.To(a).received.size(), 20u);
  EXPECT_EQ(a.To(b).received.size(), 20u);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kInitiationAccepted], 1u);
  EXPECT_EQ(a.verdicts[HandshakeVerdict::kInitiationAccepted], 0u);
}

TEST_F(Roaming, ConfiguringTheSameEndpointIsNoChange) {
  a.engine->SetEndpoint(*a.To(b).peer, b.address);
  EXPECT_EQ(a.To(b).endpoint_changes, 0u);
  a.engine->SetEndpoint(*a.To(b).peer, At("192.0.2.99:1"));
  EXPECT_EQ(a.To(b).endpoint_changes, 1u);
}

using Clocks = Pair;

TEST_F(Clocks, WallClockThatStepsLocksNobodyOut) {
  Connect(a, b);
  for (const Duration step : {Duration(1h), Duration(-1h), Duration(-1h), Duration(24h * 3650),
                              Duration(-24h * 3650), Duration(-24h * 3650)}) {
    a.clock.offset += step;
    net.Run(200s);
    a.SendData(b, Node::Payload(1));
    net.Run(100ms);
    EXPECT_EQ(b.To(a).received.size(), 1u) << step.count();
    b.To(a).received.clear();
  }
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kTimestampReplayed], 0u);
}

TEST_F(Clocks, RestartWithTheMarkLocksNobodyOutWhateverTheClockSays) {
  Connect(a, b);
  for (const Duration step : {Duration(0), Duration(-1h), Duration(24h * 3650),
                              Duration(-24h * 3650), Duration(-24h * 3650)}) {
    a.clock.offset += step;
    a.Restart();
    net.Run(1s);
    a.SendData(b, Node::Payload(1));
    net.Run(100ms);
    EXPECT_EQ(b.To(a).received.size(), 1u) << step.count();
    b.To(a).received.clear();
  }
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kTimestampReplayed], 0u);
}

TEST_F(Clocks, RestartWithoutTheMarkAndWithAClockSetBackIsLockedOut) {
  // What the mark is for; if this ever passes, the tests above prove nothing.
  Connect(a, b);
  a.clock.offset = -1h;
  a.Restart(false);
  net.Run(1s);
  a.SendData(b, Node::Payload(1));
  net.Run(100ms);
  EXPECT_EQ(b.last_verdict, HandshakeVerdict::kTimestampReplayed);
}

TEST_F(Clocks, ManyQuickRestartsDoNotRunAheadOfTheClock) {
  for (int i = 0; i < 200; ++i) {
    a.SendData(b, Node::Payload(1));
    net.Run(200ms);
    a.Restart();
  }
  EXPECT_LE(a.mark, net.clock.WallNow() + 61s);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kTimestampReplayed], 0u);
}

TEST_F(Clocks, MarkIsWrittenBeforeItIsUsedAndRarely) {
  WallTime highest{};
  net.filter = [&](const Datagram& d) {
    if (d.kind() == MessageKind::kInitiation && d.from == a.address) {
      highest = std::max(highest, net.clock.WallNow());
      EXPECT_GE(a.mark, RoundTimestamp(net.clock.WallNow()));
    }
    return d.kind() != MessageKind::kResponse;  // so that it tries again and again
  };
  for (int i = 0; i < 100; ++i) {
    a.SendData(b, Node::Payload(1));
    net.Run(10s);
  }
  EXPECT_GE(Initiations(a), 180u);
  EXPECT_LE(a.marks_written, 1000u / 60 + 2);
}

}  // namespace
}  // namespace vireo::wg::sim
