// Under load: cookies and the rate limit.
#include <cstring>

#include "tests/sim/engine/pair.h"

namespace vireo::wg::sim {
namespace {

class Load : public Pair {
 protected:
  static void Overload(Node& node) { node.engine->SetHandshakeQueue(512, 4096); }

  // Runs while the node stays under load.
  void RunLoaded(Node& node, Duration time) {
    for (Duration passed{0}; passed < time; passed += 100ms) {
      Overload(node);
      net.Run(100ms);
    }
  }
};

TEST_F(Load, BeginsAtAnEighthOfTheQueueAndLastsASecond) {
  EXPECT_FALSE(b.engine->under_load());
  b.engine->SetHandshakeQueue(511, 4096);
  EXPECT_FALSE(b.engine->under_load());
  b.engine->SetHandshakeQueue(512, 4096);
  EXPECT_TRUE(b.engine->under_load());
  b.engine->SetHandshakeQueue(0, 4096);
  net.clock.Advance(1s - 1ns);
  EXPECT_TRUE(b.engine->under_load());
  net.clock.Advance(1ns);
  EXPECT_FALSE(b.engine->under_load());
  b.engine->SetHandshakeQueue(0, 0);
  EXPECT_FALSE(b.engine->under_load());
}

TEST_F(Load, InitiationIsAnsweredByACookieAndTheNextOneCarriesIt) {
  Overload(b);
  a.SendData(b, Node::Payload(1));
  RunLoaded(b, 1s);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kCookieSent], 1u);
  EXPECT_EQ(a.verdicts[HandshakeVerdict::kCookieAccepted], 1u);
  EXPECT_EQ(net.Count(MessageKind::kCookieReply, b.address), 1u);
  EXPECT_EQ(net.Last(MessageKind::kCookieReply).tos, 0);
  EXPECT_EQ(Responses(b), 0u);
  RunLoaded(b, 5s);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kInitiationAccepted], 1u);
  EXPECT_EQ(b.To(a).received.size(), 1u);
  EXPECT_EQ(Initiations(a), 2u);
}

TEST_F(Load, WithoutLoadMac2IsNotRequired) {
  a.SendData(b, Node::Payload(1));
  net.Run(10ms);
  EXPECT_EQ(net.Count(MessageKind::kCookieReply, b.address), 0u);
  EXPECT_EQ(b.To(a).received.size(), 1u);
}

TEST_F(Load, ResponseIsAnsweredByACookieTooAndTheNextOneCarriesIt) {
  a.SendData(b, Node::Payload(1));
  RunLoaded(a, 1s);
  EXPECT_EQ(a.verdicts[HandshakeVerdict::kCookieSent], 1u);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kCookieAccepted], 1u);
  EXPECT_TRUE(a.To(b).peer->handshake_pending());
  RunLoaded(a, 5s);
  EXPECT_EQ(a.verdicts[HandshakeVerdict::kResponseAccepted], 1u);
  EXPECT_EQ(b.To(a).received.size(), 1u);
}

TEST_F(Load, ACookieMessageNeverMovesAnEndpoint) {
  Overload(b);
  Datagram reply;
  net.filter = [&](const Datagram& d) {
    if (d.kind() != MessageKind::kCookieReply) return true;
    reply = d;
    return false;
  };
  a.SendData(b, Node::Payload(1));
  net.Run(10ms);
  ASSERT_FALSE(reply.bytes.empty());
  reply.from = At("203.0.113.66:666");
  a.Receive(reply);
  EXPECT_EQ(a.last_verdict, HandshakeVerdict::kCookieAccepted);
  EXPECT_EQ(a.To(b).peer->endpoint(), b.address);
  EXPECT_EQ(a.To(b).endpoint_changes, 0u);
  EXPECT_EQ(b.To(a).endpoint_changes, 0u) << "nor does the initiation that was not looked at";
  a.Receive(reply);
  EXPECT_EQ(a.last_verdict, HandshakeVerdict::kCookieUnexpected);
}

TEST_F(Load, ForgedCookieIsRefusedAndTheTrueOneStillTaken) {
  Overload(b);
  Datagram reply;
  net.filter = [&](const Datagram& d) {
    if (d.kind() != MessageKind::kCookieReply) return true;
    reply = d;
    return false;
  };
  a.SendData(b, Node::Payload(1));
  net.Run(10ms);
  for (std::size_t i = 4; i < kCookieReplySize; ++i) {
    Datagram forged = reply;
    forged.bytes[i] ^= std::byte{1};
    a.Receive(forged);
    ASSERT_EQ(a.last_verdict,
              i < 8 ? HandshakeVerdict::kIndexUnknown : HandshakeVerdict::kUndecryptable)
        << i;
  }
  // Its own type with another kind's size, and the other way round.
  Datagram mixed = reply;
  mixed.bytes[0] = std::byte{2};
  EXPECT_EQ(a.engine->OnHandshakeMessage(b.address, mixed.bytes), HandshakeVerdict::kMalformed);
  a.Receive(reply);
  EXPECT_EQ(a.last_verdict, HandshakeVerdict::kCookieAccepted);
}

TEST_F(Load, CookieOfAnotherAddressDoesNotServe) {
  Overload(b);
  a.SendData(b, Node::Payload(1));
  net.Run(10ms);
  a.Roam(At("192.0.2.7:1000"));
  RunLoaded(b, 6s);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kCookieSent], 2u);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kInitiationAccepted], 0u);
  RunLoaded(b, 6s);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kInitiationAccepted], 1u);
}

TEST_F(Load, BadMac1GetsNoCookie) {
  Overload(b);
  a.SendData(b, Node::Payload(1));
  Datagram damaged = net.Last(MessageKind::kInitiation);
  damaged.bytes[20] ^= std::byte{1};
  b.Receive(damaged);
  EXPECT_EQ(b.last_verdict, HandshakeVerdict::kMac1Wrong);
  EXPECT_EQ(net.Count(MessageKind::kCookieReply, b.address), 0u);
}

// Initiations that all pass mac1 and mac2, from many ports of one source: what the limiter is for.
class Flood : public Load {
 protected:
  // How many of `count` sources, spread over ports or addresses by `endpoint`, get past the limit.
  template <typename Endpoint>
  std::size_t Passing(int count, Endpoint endpoint) {
    a.SendData(b, Node::Payload(1));
    Bytes initiation = net.Last(MessageKind::kInitiation).bytes;
    std::size_t limited = 0;
    for (int i = 0; i < count; ++i) {
      Overload(b);
      const net::UdpEndpoint from = endpoint(i);
      CookieJar jar;
      jar.AddMacs(b.key(), initiation, net.clock.Now());
      EXPECT_EQ(b.engine->OnHandshakeMessage(from, initiation), HandshakeVerdict::kCookieSent);
      const Bytes& reply = net.sent.back().bytes;
      EXPECT_EQ(jar.Take(b.key(), *reinterpret_cast<const CookieReplyMessage*>(reply.data()),
                         net.clock.Now()),
                CookieJar::Taken::kAccepted);
      jar.AddMacs(b.key(), initiation, net.clock.Now());
      limited += b.engine->OnHandshakeMessage(from, initiation) == HandshakeVerdict::kRateLimited;
    }
    return count - limited;
  }
};

TEST_F(Flood, IsLimitedPerIpv4Address) {
  EXPECT_EQ(
      Passing(50, [](int i) { return At(("198.51.100.1:" + std::to_string(1000 + i)).c_str()); }),
      5u);
  EXPECT_EQ(
      Passing(50,
              [](int i) { return At(("198.51.100." + std::to_string(100 + i) + ":1").c_str()); }),
      50u);
}

TEST_F(Flood, IsLimitedPerIpv6Slash64) {
  EXPECT_EQ(
      Passing(50,
              [](int i) { return At(("[2001:db8:0:1:" + std::to_string(i) + "::1]:1").c_str()); }),
      5u);
  EXPECT_EQ(Passing(50,
                    [](int i) {
                      return At(("[2001:db8:0:" + std::to_string(100 + i) + "::1]:1").c_str());
                    }),
            50u);
}

TEST_F(Flood, SourcesAreForgottenByTheEnginesOwnTimer) {
  net.filter = [](const Datagram&) { return false; };
  b.RemovePeer(a.key());  // so that no session of b has timers of its own
  Passing(5, [](int i) { return At(("198.51.100." + std::to_string(i) + ":1").c_str()); });
  EXPECT_LE(b.engine->NextDeadline(), net.clock.Now() + 1s);
  net.Run(2s);
  EXPECT_EQ(b.engine->NextDeadline(), Time::max());
}

}  // namespace
}  // namespace vireo::wg::sim
