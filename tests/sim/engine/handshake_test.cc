#include <algorithm>

#include "tests/sim/engine/pair.h"

namespace vireo::wg::sim {
namespace {

using Handshake = Pair;

TEST_F(Handshake, FirstPacketIsDeliveredByBothSuitesWithAndWithoutPresharedKey) {
  for (const auto suite : {CipherSuite::kChaCha20Poly1305, CipherSuite::kAes256Gcm}) {
    for (const bool preshared : {false, true}) {
      Network network;
      Node one(network, At("192.0.2.1:1"), 1), two(network, At("[2001:db8::2]:2"), 2);
      one.AddPeer(two);
      two.AddPeer(one, false);
      PresharedKey key;
      if (preshared) key.bytes()[5] = std::byte{9};
      one.engine->SetSuite(*one.To(two).peer, suite);
      two.engine->SetSuite(*two.To(one).peer, suite);
      one.engine->SetPresharedKey(*one.To(two).peer, key);
      two.engine->SetPresharedKey(*two.To(one).peer, key);
      one.SendData(two, Node::Payload(7));
      network.Run(10ms);
      ASSERT_EQ(two.To(one).received, Payloads({7}));
      two.SendData(one, Node::Payload(8));
      network.Run(10ms);
      ASSERT_EQ(one.To(two).received, Payloads({8}));
      EXPECT_EQ(one.To(two).path.current.load()->suite, suite);
      EXPECT_EQ(one.To(two).peer->handshake_tx_bytes(), kInitiationSize);
      EXPECT_EQ(one.To(two).peer->handshake_rx_bytes(), kResponseSize);
      EXPECT_TRUE(one.To(two).peer->last_handshake() && two.To(one).peer->last_handshake());
      EXPECT_EQ(network.Last(MessageKind::kInitiation).tos, 0x88);
      EXPECT_EQ(network.Last(MessageKind::kResponse).tos, 0x88);
    }
  }
}

TEST_F(Handshake, DifferentPresharedKeysNeverAgree) {
  PresharedKey key;
  key.bytes()[0] = std::byte{1};
  a.engine->SetPresharedKey(*a.To(b).peer, key);
  a.SendData(b, Node::Payload(1));
  net.Run(20s);
  EXPECT_EQ(a.To(b).path.current.load(), nullptr);
  EXPECT_GT(a.verdicts[HandshakeVerdict::kUndecryptable], 0u);
  EXPECT_TRUE(b.To(a).received.empty());
  a.engine->SetPresharedKey(*a.To(b).peer, {});
  net.Run(6s);
  EXPECT_EQ(b.To(a).received.size(), 1u);
}

TEST_F(Handshake, DifferentSuitesNeverAgreeAndTheReasonIsNamed) {
  a.engine->SetSuite(*a.To(b).peer, CipherSuite::kAes256Gcm);
  a.SendData(b, Node::Payload(1));
  net.Run(10s);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kUndecryptable], 2u) << "no peer of b speaks that suite";
  // A third peer that does makes b try it, and see who is asking.
  Node c(net, At("192.0.2.3:3000"), 33);
  b.AddPeer(c);
  b.engine->SetSuite(*b.To(c).peer, CipherSuite::kAes256Gcm);
  net.Run(5500ms);
  EXPECT_GE(b.verdicts[HandshakeVerdict::kSuiteMismatch], 1u);
  EXPECT_EQ(b.To(a).path.current.load(), nullptr);
  EXPECT_EQ(b.To(a).peer->keypairs().next(), nullptr);
}

TEST_F(Handshake, OneDeviceHasPeersOfBothSuites) {
  Node c(net, At("192.0.2.3:3000"), 33);
  b.AddPeer(c);
  c.AddPeer(b);
  b.engine->SetSuite(*b.To(c).peer, CipherSuite::kAes256Gcm);
  c.engine->SetSuite(*c.To(b).peer, CipherSuite::kAes256Gcm);
  a.SendData(b, Node::Payload(1));
  c.SendData(b, Node::Payload(2));
  net.Run(100ms);
  EXPECT_EQ(b.To(a).received.size(), 1u);
  EXPECT_EQ(b.To(c).received.size(), 1u);
}

TEST_F(Handshake, ResponderDoesNotSendBeforeConfirmation) {
  // The initiator's first transport packet is lost, so b has only the initiation.
  net.filter = [&](const Datagram& d) {
    return !(d.kind() == MessageKind::kTransport && d.from == a.address);
  };
  a.SendData(b, Node::Payload(1));
  net.Run(1s);
  ASSERT_NE(b.To(a).peer->keypairs().next(), nullptr);
  EXPECT_EQ(b.To(a).path.current.load(), nullptr);
  b.SendData(a, Node::Payload(2));
  net.Run(1s);
  EXPECT_EQ(net.Count(MessageKind::kTransport, b.address), 0u);
  EXPECT_EQ(b.To(a).staged.size(), 1u);
  // The first packet that gets through confirms, and what waited goes out.
  net.filter = [](const Datagram&) { return true; };
  a.SendData(b, Node::Payload(3));
  net.Run(10ms);
  EXPECT_EQ(b.To(a).received, Payloads({3}));
  EXPECT_EQ(a.To(b).received, Payloads({2}));
  EXPECT_EQ(b.To(a).peer->keypairs().next(), nullptr);
}

TEST_F(Handshake, KeepaliveConfirmsWhenNothingIsStaged) {
  a.engine->SetPersistentKeepalive(*a.To(b).peer, 25s);
  net.Run(10ms);
  EXPECT_EQ(net.Keepalives(a.address), 1u);
  ASSERT_NE(b.To(a).path.current.load(), nullptr);
  EXPECT_TRUE(b.To(a).received.empty()) << "a keepalive is not data";
}

TEST_F(Handshake, StagedDataConfirmsInsteadOfAKeepalive) {
  a.SendData(b, Node::Payload(1));
  net.Run(10ms);
  EXPECT_EQ(net.Keepalives(a.address), 0u);
  EXPECT_NE(b.To(a).path.current.load(), nullptr);
}

TEST_F(Handshake, BothInitiateAtOnceAndBothWork) {
  a.SendData(b, Node::Payload(1));
  b.SendData(a, Node::Payload(2));
  net.Run(20ms);
  EXPECT_EQ(b.To(a).received, Payloads({1}));
  EXPECT_EQ(a.To(b).received, Payloads({2}));
  const std::uint32_t count = Exchange(5s, 100ms);
  EXPECT_EQ(b.To(a).received.size(), 1 + count);
  EXPECT_EQ(a.To(b).received.size(), 1 + count);
  EXPECT_EQ(Initiations(a) + Initiations(b), 2u) << "nobody had to try again";
}

TEST_F(Handshake, BothInitiateAndOneResponseIsLost) {
  bool lost = false;
  net.filter = [&](const Datagram& d) {
    if (d.kind() != MessageKind::kResponse || d.from != a.address || lost) return true;
    lost = true;
    return false;
  };
  a.SendData(b, Node::Payload(1));
  b.SendData(a, Node::Payload(2));
  net.Run(20ms);
  ASSERT_TRUE(lost);
  EXPECT_EQ(b.To(a).received, Payloads({1}));
  EXPECT_EQ(a.To(b).received, Payloads({2}));
}

TEST_F(Handshake, EveryLostMessageIsMadeUpFor) {
  struct Case {
    MessageKind kind;
    bool from_a;
    Duration within;  // the packet is there
  };
  const Case cases[] = {
      {MessageKind::kInitiation, true, 5400ms},
      {MessageKind::kResponse, false, 5400ms},
  };
  for (const Case& c : cases) {
    Network network;
    Node one(network, At("192.0.2.1:1"), 1), two(network, At("192.0.2.2:2"), 2);
    one.AddPeer(two);
    two.AddPeer(one);
    int losses = 0;
    network.filter = [&](const Datagram& d) { return d.kind() != c.kind || losses++ > 0; };
    one.SendData(two, Node::Payload(1));
    network.Run(4900ms);
    EXPECT_TRUE(two.To(one).received.empty());
    network.Run(c.within - 4900ms);
    EXPECT_EQ(two.To(one).received.size(), 1u);
    EXPECT_EQ(network.Count(MessageKind::kInitiation, one.address), 2u);
  }
}

TEST_F(Handshake, SecondPacketStagedMeanwhileStartsNoSecondHandshake) {
  for (int i = 0; i < 10; ++i) a.SendData(b, Node::Payload(i));
  net.Run(100ms);
  EXPECT_EQ(Initiations(a), 1u);
  EXPECT_EQ(b.To(a).received.size(), 10u);
}

TEST_F(Handshake, LateResponseToAnEarlierInitiationIsRefused) {
  Datagram old;
  net.filter = [&](const Datagram& d) {
    if (d.kind() != MessageKind::kResponse || !old.bytes.empty()) return true;
    old = d;
    return false;
  };
  a.SendData(b, Node::Payload(1));
  net.Run(6s);
  ASSERT_EQ(b.To(a).received.size(), 1u);
  const Session* current = a.To(b).path.current.load();
  a.Receive(old);
  EXPECT_EQ(a.last_verdict, HandshakeVerdict::kIndexUnknown);
  EXPECT_EQ(a.To(b).path.current.load(), current);
}

TEST_F(Handshake, DoubledMessagesChangeNothing) {
  net.link.duplication = 1;
  a.SendData(b, Node::Payload(1));
  net.Run(100ms);
  EXPECT_EQ(b.To(a).received.size(), 1u);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kInitiationAccepted], 1u);
  EXPECT_EQ(b.verdicts[HandshakeVerdict::kTimestampReplayed], 1u);
  EXPECT_EQ(a.verdicts[HandshakeVerdict::kResponseAccepted], 1u);
  EXPECT_EQ(a.verdicts[HandshakeVerdict::kIndexUnknown], 1u);
}

TEST_F(Handshake, EventsThatWereLostAreMadeUpFor) {
  a.SendData(b, Node::Payload(1));
  b.lose_events = true;
  net.Run(10ms);
  ASSERT_NE(b.To(a).peer->keypairs().next(), nullptr) << "the confirmation's event was lost";
  net.Run(1s);
  EXPECT_EQ(b.To(a).peer->keypairs().next(), nullptr);
  EXPECT_NE(b.To(a).path.current.load(), nullptr);
}

TEST_F(Handshake, RemovingAPeerDropsItsKeysAndForgetsIt) {
  Connect(a, b);
  const PublicKey key = b.key();
  const std::uint32_t index = a.To(b).path.current.load()->local_index;
  a.RemovePeer(key);
  EXPECT_EQ(a.engine->Find(key), nullptr);
  EXPECT_EQ(a.sessions->Find(index), nullptr);
  EXPECT_EQ(a.retired, 1u);
  b.SendData(a, Node::Payload(1));
  net.Run(300s);
  EXPECT_GT(
      a.verdicts[HandshakeVerdict::kUndecryptable] + a.verdicts[HandshakeVerdict::kPeerUnknown],
      0u);
  EXPECT_EQ(Responses(a), 0u);
}

TEST_F(Handshake, AddedAgainAfterRemovalItIsNotLockedOut) {
  Connect(a, b);
  const PublicKey key = b.key();
  a.RemovePeer(key);
  a.clock.offset = -1h;  // and the wall clock steps back
  a.AddPeer(key, b.address);
  a.SendData(b, Node::Payload(1));
  net.Run(100ms);
  EXPECT_EQ(b.To(a).received.size(), 1u);
}

TEST_F(Handshake, AddPeerRefusesDuplicatesAndOurselves) {
  PeerPath path;
  EXPECT_EQ(a.engine->AddPeer(b.key(), path).error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(a.engine->AddPeer(a.key(), path).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(Handshake, NewPrivateKeyDropsSessionsAndHandshakesAgain) {
  Connect(a, b);
  const PublicKey old_key = a.key();
  const PrivateKey fresh{std::span<const std::byte, 32>(Bytes(32, std::byte{7}))};
  a.engine->SetPrivateKey(fresh);
  EXPECT_EQ(a.engine->public_key(), PublicKeyOf(fresh));
  EXPECT_EQ(a.To(b).path.current.load(), nullptr);
  b.RemovePeer(old_key);
  b.AddPeer(a);
  a.SendData(b, Node::Payload(1));
  net.Run(100ms);
  EXPECT_EQ(b.To(a).received.size(), 1u);
}

TEST_F(Handshake, NewPrivateKeyRestartsAHandshakeUnderWayAtOnce) {
  net.filter = [](const Datagram&) { return false; };
  a.SendData(b, Node::Payload(1));
  const PrivateKey fresh{std::span<const std::byte, 32>(Bytes(32, std::byte{7}))};
  b.RemovePeer(a.key());
  a.engine->SetPrivateKey(fresh);
  b.AddPeer(a);
  EXPECT_EQ(Initiations(a), 2u);
}

TEST_F(Handshake, WithoutPrivateKeyNothingIsSentOrAccepted) {
  Node::Remote& to_a = b.To(a);
  a.engine->SetPrivateKey({});
  a.SendData(b, Node::Payload(1));
  b.SendData(to_a, Node::Payload(1));
  net.Run(10s);
  EXPECT_EQ(Initiations(a), 0u);
  EXPECT_EQ(a.verdicts[HandshakeVerdict::kNoPrivateKey], 2u);
  EXPECT_EQ(a.engine->public_key(), PublicKey());
}

TEST_F(Handshake, NewSuiteDropsSessions) {
  Connect(a, b);
  a.engine->SetSuite(*a.To(b).peer, CipherSuite::kAes256Gcm);
  EXPECT_EQ(a.To(b).path.current.load(), nullptr);
  EXPECT_EQ(a.retired, 1u);
}

TEST_F(Handshake, PeerWithLowOrderPublicKeyCanBeConfiguredAndNeverHandshakes) {
  const char* const keys[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  for (const char* hex : keys) {
    PublicKey key;
    ASSERT_TRUE(FromHex(hex, key.bytes));
    Node::Remote& remote = a.AddPeer(key, At("192.0.2.9:9"));
    a.SendData(remote, Node::Payload(1));
  }
  net.Run(200s);
  EXPECT_TRUE(net.sent.empty());
  EXPECT_EQ(a.To(b).staged_dropped, 0u);
}

TEST_F(Handshake, PeerWithOurOwnPublicKeyNeverHandshakes) {
  const PrivateKey fresh{std::span<const std::byte, 32>(Bytes(32, std::byte{7}))};
  Node::Remote& self = a.AddPeer(PublicKeyOf(fresh), a.address);
  a.engine->SetPrivateKey(fresh);
  a.SendData(self, Node::Payload(1));
  net.Run(20s);
  EXPECT_TRUE(net.sent.empty());
}

TEST_F(Handshake, WithoutEndpointItStartsAsSoonAsThereIsOne) {
  Node c(net, At("192.0.2.3:3000"), 33);
  c.AddPeer(a, false);
  a.AddPeer(c, false);
  c.SendData(a, Node::Payload(1));
  net.Run(1s);
  EXPECT_TRUE(net.sent.empty());
  c.engine->SetEndpoint(*c.To(a).peer, a.address);
  net.Run(10ms);
  EXPECT_EQ(a.To(c).received.size(), 1u);
}

}  // namespace
}  // namespace vireo::wg::sim
