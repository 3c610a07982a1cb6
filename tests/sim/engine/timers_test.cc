#include "tests/sim/engine/pair.h"

namespace vireo::wg::sim {
namespace {

class Timers : public Pair {
 protected:
  void Break() {
    net.filter = [](const Datagram&) { return false; };
  }
  void Mend() {
    net.filter = [](const Datagram&) { return true; };
  }
};

TEST_F(Timers, InitiationsAreRepeatedEvery5SecondsWithJitter20TimesThenGivenUp) {
  Break();
  a.SendData(b, Node::Payload(1));
  std::vector<Time> times;
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t before = Initiations(a);
    net.Run(10ms);
    if (i == 0 || Initiations(a) != before) times.push_back(net.clock.Now());
  }
  ASSERT_EQ(times.size(), 20u);
  bool varies = false;
  for (std::size_t i = 1; i < times.size(); ++i) {
    EXPECT_GE(times[i] - times[i - 1], 5s - 10ms);
    EXPECT_LE(times[i] - times[i - 1], 5333ms + 20ms);
    varies |= i > 1 && times[i] - times[i - 1] != times[i - 1] - times[i - 2];
  }
  EXPECT_TRUE(varies);
  EXPECT_EQ(a.To(b).staged_dropped, 1u);
  EXPECT_TRUE(a.To(b).staged.empty());
  EXPECT_FALSE(a.To(b).peer->handshake_pending());
  EXPECT_EQ(a.engine->NextDeadline(), Time::max()) << "nothing more is waited for";
}

TEST_F(Timers, NextPacketAfterGivingUpStartsAgain) {
  Break();
  a.SendData(b, Node::Payload(1));
  net.Run(150s);
  ASSERT_EQ(Initiations(a), 20u);
  Mend();
  a.SendData(b, Node::Payload(2));
  net.Run(10ms);
  EXPECT_EQ(b.To(a).received, Payloads({2}));
}

TEST_F(Timers, NewPacketsProlongTheAttempt) {
  Break();
  a.SendData(b, Node::Payload(1));
  net.Run(80s);
  a.SendData(b, Node::Payload(2));
  net.Run(80s);
  EXPECT_EQ(a.To(b).staged_dropped, 0u);
  Mend();
  net.Run(6s);
  EXPECT_EQ(b.To(a).received.size(), 2u);
}

TEST_F(Timers, UnansweredDataStartsAHandshakeAfter15Seconds) {
  Connect(a, b);
  const std::size_t before = Initiations(a);
  Break();
  a.SendData(b, Node::Payload(1));
  net.Run(14'990ms);
  EXPECT_EQ(Initiations(a), before);
  net.Run(10ms + 333ms);
  EXPECT_EQ(Initiations(a), before + 1);
}

TEST_F(Timers, AnyAuthenticatedAnswerDisarmsThat) {
  Connect(a, b);
  const std::size_t before = Initiations(a);
  a.SendData(b, Node::Payload(1));  // b's keepalive after 10 s is the answer
  net.Run(60s);
  EXPECT_EQ(Initiations(a), before);
}

TEST_F(Timers, RestartedPeerIsFoundAgainAfter15Seconds) {
  Connect(a, b);
  b.Restart();
  for (int i = 0; i < 17; ++i) {
    a.SendData(b, Node::Payload(i));
    net.Run(1s);
  }
  EXPECT_FALSE(b.To(a).received.empty());
}

TEST_F(Timers, ReceivedDataIsAcknowledgedAfter10SecondsOfSilence) {
  Connect(a, b);
  net.Run(30s);
  net.sent.clear();
  a.SendData(b, Node::Payload(1));
  net.Run(5s);
  a.SendData(b, Node::Payload(2));
  net.Run(4990ms);
  EXPECT_EQ(net.Keepalives(b.address), 0u);
  net.Run(20ms);
  EXPECT_EQ(net.Keepalives(b.address), 1u);
  net.Run(60s);
  EXPECT_EQ(net.Keepalives(b.address), 1u) << "a keepalive is not data: no ping-pong";
  EXPECT_EQ(net.Keepalives(a.address), 0u);
}

TEST_F(Timers, SendingAnythingMakesTheKeepaliveUnnecessary) {
  Connect(a, b);
  net.Run(30s);
  const std::size_t before = net.Keepalives(b.address);
  a.SendData(b, Node::Payload(1));
  net.Run(9s);
  b.SendData(a, Node::Payload(2));
  net.Run(5s);
  EXPECT_EQ(net.Keepalives(b.address), before);
}

TEST_F(Timers, PersistentKeepaliveRunsFromTheLastTrafficEitherWay) {
  Connect(a, b);
  net.Run(30s);
  net.sent.clear();
  a.engine->SetPersistentKeepalive(*a.To(b).peer, 25s);
  EXPECT_EQ(net.Keepalives(a.address), 1u) << "at once";
  net.Run(24'999ms);
  EXPECT_EQ(net.Keepalives(a.address), 1u);
  net.Run(1ms);
  EXPECT_EQ(net.Keepalives(a.address), 2u);
  // Something received in between moves it.
  net.Run(20s);
  b.SendData(a, Node::Payload(1));
  net.Run(9s);
  EXPECT_EQ(net.Keepalives(a.address), 2u);
  net.Run(2s);
  EXPECT_EQ(net.Keepalives(a.address), 3u) << "the answer to the data, after 10 s";
  net.Run(25s);
  EXPECT_EQ(net.Keepalives(a.address), 4u);
  a.engine->SetPersistentKeepalive(*a.To(b).peer, 0s);
  net.Run(60s);
  EXPECT_EQ(net.Keepalives(a.address), 4u);
}

TEST_F(Timers, PersistentKeepaliveKeepsASessionAndFindsALostPeerAgain) {
  a.engine->SetPersistentKeepalive(*a.To(b).peer, 25s);
  net.Run(1000s);
  ASSERT_NE(a.To(b).path.current.load(), nullptr);
  EXPECT_FALSE(a.To(b).path.current.load()->Expired(net.clock.Now()));
  Break();
  net.Run(1000s);
  EXPECT_EQ(a.To(b).path.current.load(), nullptr);
  Mend();
  net.Run(60s);
  ASSERT_NE(a.To(b).path.current.load(), nullptr);
  EXPECT_FALSE(a.To(b).path.current.load()->Expired(net.clock.Now()));
}

TEST_F(Timers, InitiatorRekeysAt120SecondsUnderLoadWithoutLosingAPacket) {
  Connect(a, b);
  const std::size_t before = Initiations(a);
  net.link.jitter = 5ms;
  const std::uint32_t count = Exchange(500s, 20ms);
  net.Run(1s);
  EXPECT_EQ(b.To(a).received.size(), count);
  EXPECT_EQ(a.To(b).received.size(), count);
  EXPECT_EQ(Initiations(a) - before, 4u);
  EXPECT_EQ(Initiations(b), 0u) << "only the initiator rekeys by age";
  EXPECT_TRUE(a.drops.empty() && b.drops.empty());
}

TEST_F(Timers, RekeyComesWithTheFirstPacketSentAfter120Seconds) {
  Connect(a, b);
  net.Run(119s - 200ms);
  const std::size_t before = Initiations(a);
  a.SendData(b, Node::Payload(1));
  net.Run(10ms);
  EXPECT_EQ(Initiations(a), before);
  net.Run(2s);
  EXPECT_EQ(Initiations(a), before) << "without traffic there is no rekey";
  a.SendData(b, Node::Payload(2));
  net.Run(10ms);
  EXPECT_EQ(Initiations(a), before + 1);
}

TEST_F(Timers, InitiatorRekeysOnReceivingAfter165SecondsOnce) {
  Connect(a, b);
  net.Run(160s);
  const std::size_t before = Initiations(a);
  b.SendData(a, Node::Payload(1));
  net.Run(2ms);
  EXPECT_EQ(Initiations(a), before);
  net.Run(5s - 2ms);
  Break();  // what a sends
  for (int i = 0; i < 5; ++i) {
    Mend();
    b.SendData(a, Node::Payload(2));
    net.filter = [&](const Datagram& d) { return d.from == b.address; };
    net.Run(500ms);
  }
  EXPECT_EQ(Initiations(a), before + 1);
}

TEST_F(Timers, EitherSideRekeysByMessages) {
  for (Node* node : {&a, &b}) {
    Node& other = node == &a ? b : a;
    Connect(a, b);
    net.Run(6s);
    const std::size_t before = Initiations(*node);
    node->To(other).path.current.load()->send_counter = kRekeyAfterMessages + 1;
    node->SendData(other, Node::Payload(1));
    net.Run(100ms);
    EXPECT_EQ(Initiations(*node), before + 1);
    EXPECT_LT(node->To(other).path.current.load()->send_counter.load(), 10u);
    net.Run(10s);
  }
}

TEST_F(Timers, AesGcmRekeysAfter2To32Messages) {
  a.engine->SetSuite(*a.To(b).peer, CipherSuite::kAes256Gcm);
  b.engine->SetSuite(*b.To(a).peer, CipherSuite::kAes256Gcm);
  Connect(a, b);
  net.Run(6s);
  const std::size_t before = Initiations(a);
  a.To(b).path.current.load()->send_counter = std::uint64_t{1} << 32;
  a.SendData(b, Node::Payload(1));
  net.Run(100ms);
  EXPECT_EQ(Initiations(a), before + 1);
}

TEST_F(Timers, ExhaustedSessionIsNoneAtAll) {
  Connect(a, b);
  net.Run(6s);
  a.To(b).path.current.load()->send_counter = kRejectAfterMessages;
  a.SendData(b, Node::Payload(1));
  net.Run(100ms);
  EXPECT_EQ(b.To(a).received, Payloads({1}));
  EXPECT_EQ(Initiations(a), 2u);
}

TEST_F(Timers, SessionOf180SecondsIsNoneAtAll) {
  Connect(a, b);
  net.Run(180s);
  for (Node* node : {&b, &a}) {
    Node& other = node == &a ? b : a;
    node->SendData(other, Node::Payload(1));
    net.Run(100ms);
    EXPECT_EQ(other.To(*node).received, Payloads({1}));
    net.Run(200s);
  }
  EXPECT_EQ(Initiations(a), 2u);
  EXPECT_EQ(Initiations(b), 1u);
}

TEST_F(Timers, RekeyThatMustWaitForOurResponseHappensLaterWithoutANewEvent) {
  Connect(a, b);
  net.Run(50s);
  // b asks too, and gets no further: a's response blocks a's own initiations for 5 s.
  net.filter = [&](const Datagram& d) {
    return d.from == b.address && d.kind() == MessageKind::kInitiation;
  };
  b.To(a).path.current.load()->wants_rekey = true;
  b.engine->OnRekeyWanted(b.To(a).path.current.load()->local_index);
  net.Run(10ms);
  ASSERT_EQ(Responses(a), 1u);
  const std::size_t before = Initiations(a);
  Session* current = a.To(b).path.current.load();
  current->wants_rekey = true;
  a.engine->OnRekeyWanted(current->local_index);
  net.filter = [&](const Datagram& d) { return d.from == a.address; };
  net.Run(4980ms);
  EXPECT_EQ(Initiations(a), before);
  net.Run(20ms);
  EXPECT_EQ(Initiations(a), before + 1);
}

TEST_F(Timers, RekeyWhoseEventWasLostHappensAtTheNextLook) {
  Connect(a, b);
  net.Run(50s);
  const std::size_t before = Initiations(a);
  a.To(b).path.current.load()->wants_rekey = true;
  net.Run(10s);
  EXPECT_EQ(Initiations(a), before + 1);
}

TEST_F(Timers, KeysAreZeroed540SecondsAfterTheLastSession) {
  Connect(a, b);
  net.Run(500s);
  a.SendData(b, Node::Payload(1));  // a new session; the 540 s begin again
  net.Run(539s);
  EXPECT_FALSE(a.To(b).peer->keypairs().empty());
  EXPECT_FALSE(b.To(a).peer->keypairs().empty());
  net.Run(1s + 10ms);
  for (Node* node : {&a, &b}) {
    Node::Remote& remote = node == &a ? a.To(b) : b.To(a);
    EXPECT_TRUE(remote.peer->keypairs().empty());
    EXPECT_EQ(remote.path.current.load(), nullptr);
    EXPECT_EQ(node->retired, 2u);
    EXPECT_EQ(node->engine->NextDeadline(), Time::max());
  }
}

TEST_F(Timers, WallClockStepsTouchNoTimer) {
  Connect(a, b);
  net.Run(1s);
  const std::size_t sent = net.sent.size();
  for (const Duration step : {Duration(1h), Duration(-2h), Duration(24h * 3650)}) {
    a.clock.offset += step;
    net.Run(100ms);
  }
  EXPECT_EQ(net.sent.size(), sent);
  EXPECT_NE(a.To(b).path.current.load(), nullptr);
}

TEST_F(Timers, DownDropsKeysAndIsSilent) {
  Connect(a, b);
  a.engine->SetPersistentKeepalive(*a.To(b).peer, 10s);
  net.Run(1s);
  net.sent.clear();
  a.engine->SetUp(false);
  EXPECT_EQ(a.To(b).path.current.load(), nullptr);
  EXPECT_TRUE(a.To(b).peer->keypairs().empty());
  a.SendData(b, Node::Payload(1));
  EXPECT_TRUE(a.To(b).staged.empty());
  for (int i = 0; i < 60; ++i) {
    b.SendData(a, Node::Payload(1));
    net.Run(1s);
  }
  EXPECT_GT(a.verdicts[HandshakeVerdict::kDown], 0u);
  for (const Datagram& d : net.sent) EXPECT_NE(d.from, a.address);
  // Up again, the persistent keepalive opens the tunnel at once.
  a.engine->SetUp(true);
  net.Run(10ms);
  EXPECT_NE(a.To(b).path.current.load(), nullptr);
}

TEST_F(Timers, DownDuringAHandshakeIsSilentToo) {
  net.link.delay = 1s;
  a.SendData(b, Node::Payload(1));
  net.Run(1500ms);
  a.engine->SetUp(false);
  net.sent.clear();
  net.Run(60s);
  EXPECT_TRUE(net.sent.empty());
  EXPECT_EQ(a.verdicts[HandshakeVerdict::kDown], 1u);
}

TEST_F(Timers, IdlePeersCostNothing) {
  for (int i = 0; i < 1000; ++i) {
    PublicKey key;
    std::memcpy(key.bytes.data(), &i, sizeof i);
    key.bytes[31] = std::byte{1};
    a.AddPeer(key, b.address);
  }
  EXPECT_EQ(a.engine->NextDeadline(), Time::max());
  Connect(a, b);
  net.moments = 0;
  net.Run(100s);
  EXPECT_LE(net.moments, 40u) << "one look in 10 s a node, and their packets";
}

}  // namespace
}  // namespace vireo::wg::sim
