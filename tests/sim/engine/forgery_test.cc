// Packets that nobody should send: each is answered by silence and changes nothing.
#include <cstring>

#include "dataplane/wg/blake2s.h"
#include "tests/sim/engine/pair.h"

namespace vireo::wg::sim {
namespace {

// All that a message could change at its receiver.
struct Snapshot {
  std::optional<net::UdpEndpoint> endpoint;
  const Session *previous, *current, *next, *published;
  bool pending;
  std::uint64_t rx_bytes, tx_bytes;
  std::optional<WallTime> last_handshake;
  std::size_t sent, retired, endpoint_changes;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

class Forgery : public Pair {
 protected:
  Snapshot Look(Node& node, Node& other) {
    const Node::Remote& remote = node.To(other);
    const Peer& peer = *remote.peer;
    return {peer.endpoint(),
            peer.keypairs().previous(),
            peer.keypairs().current(),
            peer.keypairs().next(),
            remote.path.current.load(),
            peer.handshake_pending(),
            peer.handshake_rx_bytes(),
            peer.handshake_tx_bytes(),
            peer.last_handshake(),
            net.sent.size(),
            node.retired,
            remote.endpoint_changes};
  }

  // Makes mac1 right again, as anybody can who knows the receiver's public key.
  static void Remac(Bytes& message, const PublicKey& receiver) {
    CookieJar().AddMacs(receiver, message, Time(1h));
  }

  // A message that was made and lost.
  Datagram Capture(MessageKind kind, Node& from, Node& to) {
    Datagram captured;
    net.filter = [&](const Datagram& d) {
      if (d.kind() != kind || d.from != (kind == MessageKind::kResponse ? to : from).address) {
        return true;
      }
      captured = d;
      return false;
    };
    from.SendData(to, Node::Payload(1));
    net.Run(10ms);
    net.filter = [](const Datagram&) { return true; };
    EXPECT_FALSE(captured.bytes.empty());
    return captured;
  }

  const net::UdpEndpoint attacker = At("203.0.113.66:666");
};

TEST_F(Forgery, InitiationWithAnyByteChangedIsRefusedSilently) {
  const Datagram genuine = Capture(MessageKind::kInitiation, a, b);
  const Snapshot before = Look(b, a);
  for (std::size_t i = 0; i < kInitiationSize - kMacSize; ++i) {
    for (const bool remac : {false, true}) {
      // The sender's index is covered by mac1 only, and mac1 itself is what is put right again.
      const bool only_mac1 = (i >= 4 && i < 8) || i >= kInitiationSize - 2 * kMacSize;
      if (remac && only_mac1) continue;
      Datagram forged = genuine;
      forged.from = attacker;
      forged.bytes[i] ^= std::byte{0x80};
      if (remac) Remac(forged.bytes, b.key());
      b.Receive(forged);
      ASSERT_FALSE(Accepted(*b.last_verdict)) << "byte " << i;
      ASSERT_EQ(*b.last_verdict == HandshakeVerdict::kMac1Wrong, !remac && i >= 4) << i;
      ASSERT_EQ(Look(b, a), before) << "byte " << i << " " << Name(*b.last_verdict);
    }
  }
  b.Receive(genuine);
  EXPECT_EQ(b.last_verdict, HandshakeVerdict::kInitiationAccepted);
}

TEST_F(Forgery, ResponseWithAnyByteChangedLeavesThePendingHandshake) {
  const Datagram genuine = Capture(MessageKind::kResponse, a, b);
  const Snapshot before = Look(a, b);
  ASSERT_TRUE(before.pending);
  for (std::size_t i = 0; i < kResponseSize - kMacSize; ++i) {
    for (const bool remac : {false, true}) {
      const bool only_mac1 = (i >= 4 && i < 8) || i >= kResponseSize - 2 * kMacSize;
      if (remac && only_mac1) continue;
      Datagram forged = genuine;
      forged.from = attacker;
      forged.bytes[i] ^= std::byte{0x80};
      if (remac) Remac(forged.bytes, a.key());
      a.Receive(forged);
      ASSERT_FALSE(Accepted(*a.last_verdict)) << "byte " << i;
      ASSERT_EQ(Look(a, b), before) << "byte " << i << " " << Name(*a.last_verdict);
    }
  }
  a.Receive(genuine);
  EXPECT_EQ(a.last_verdict, HandshakeVerdict::kResponseAccepted);
  net.Run(10ms);
  EXPECT_EQ(b.To(a).received.size(), 1u);
}

TEST_F(Forgery, WrongSizesAndReservedBytesAreMalformed) {
  const Datagram initiation = Capture(MessageKind::kInitiation, a, b);
  net.Run(6s);  // and a handshake that succeeds
  for (const MessageKind kind : {MessageKind::kInitiation, MessageKind::kResponse}) {
    Node& receiver = kind == MessageKind::kInitiation ? b : a;
    Node& sender = kind == MessageKind::kInitiation ? a : b;
    const Datagram genuine = net.Last(kind);
    const Snapshot before = Look(receiver, sender);
    for (std::size_t size = 0; size < 300; ++size) {
      if (size == genuine.bytes.size()) continue;
      Datagram forged = genuine;
      forged.bytes.resize(size);
      // Not by way of Receive, which sends data messages elsewhere.
      EXPECT_EQ(receiver.engine->OnHandshakeMessage(attacker, forged.bytes),
                HandshakeVerdict::kMalformed);
    }
    for (int reserved = 1; reserved < 4; ++reserved) {
      Datagram forged = genuine;
      forged.bytes[reserved] = std::byte{1};
      EXPECT_EQ(receiver.engine->OnHandshakeMessage(attacker, forged.bytes),
                HandshakeVerdict::kMalformed);
    }
    EXPECT_EQ(Look(receiver, sender), before);
  }
}

TEST_F(Forgery, InitiationFromAnUnknownKeyIsNotAnswered) {
  Node stranger(net, attacker, 99);
  stranger.AddPeer(b);
  stranger.SendData(b, Node::Payload(1));
  net.Run(10ms);
  EXPECT_EQ(b.last_verdict, HandshakeVerdict::kPeerUnknown);
  EXPECT_EQ(net.sent.size(), 1u);
}

TEST_F(Forgery, StaticKeyClaimedWithoutOwningItIsNotAnswered) {
  // The attacker knows both public keys: it can make everything but the last DH.
  const PrivateKey own{std::span<const std::byte, 32>(Bytes(32, std::byte{5}))};
  noise::Initiator forger(CipherSuite::kChaCha20Poly1305, "WireGuard v1 zx2c4 Jason@zx2c4.com",
                          b.key(), KeyPair(own));
  SharedSecret guess;
  guess.bytes()[0] = std::byte{1};
  Bytes message(kInitiationSize);
  message[0] = std::byte{1};
  const Tai64n timestamp = Tai64n::FromWall(net.clock.WallNow());
  ASSERT_TRUE(forger.WriteInitiation(a.key(), guess, timestamp.bytes,
                                     MutableBytes(message).subspan(8, 108)));
  Remac(message, b.key());
  const Snapshot before = Look(b, a);
  b.Receive({attacker, b.address, message, 0});
  EXPECT_EQ(b.last_verdict, HandshakeVerdict::kUndecryptable);
  EXPECT_EQ(Look(b, a), before);
}

TEST_F(Forgery, LowOrderEphemeralIsRejected) {
  Datagram forged = Capture(MessageKind::kInitiation, a, b);
  std::memset(forged.bytes.data() + 8, 0, 32);
  Remac(forged.bytes, b.key());
  const Snapshot before = Look(b, a);
  b.Receive(forged);
  EXPECT_EQ(b.last_verdict, HandshakeVerdict::kKeyRejected);
  EXPECT_EQ(Look(b, a), before);
}

TEST_F(Forgery, ReplayedInitiationIsRefusedAndMovesNothing) {
  Connect(a, b);
  Datagram replayed = net.Last(MessageKind::kInitiation);
  net.Run(1s);
  const Snapshot before = Look(b, a);
  replayed.from = attacker;
  b.Receive(replayed);
  EXPECT_EQ(b.last_verdict, HandshakeVerdict::kTimestampReplayed);
  EXPECT_EQ(Look(b, a), before);
}

TEST_F(Forgery, InitiationOlderThanTheLastOneIsRefused) {
  const Datagram older = Capture(MessageKind::kInitiation, a, b);
  net.Run(6s);
  ASSERT_EQ(b.verdicts[HandshakeVerdict::kInitiationAccepted], 1u);
  const Snapshot before = Look(b, a);
  b.Receive(older);
  EXPECT_EQ(b.last_verdict, HandshakeVerdict::kTimestampReplayed);
  EXPECT_EQ(Look(b, a), before);
}

TEST_F(Forgery, TwoInitiationsWithin20MillisecondsAreOneTooMany) {
  const Datagram first = Capture(MessageKind::kInitiation, a, b);
  Datagram second;
  net.filter = [&](const Datagram& d) {
    if (d.kind() == MessageKind::kInitiation) second = d;
    return false;
  };
  net.Run(6s);
  ASSERT_FALSE(second.bytes.empty());
  net.filter = [](const Datagram&) { return true; };
  for (const bool soon : {true, false}) {
    Network network;
    Node receiver(network, b.address, 22);  // the same keys, as the seed is
    receiver.AddPeer(a);
    receiver.Receive(first);
    ASSERT_EQ(receiver.last_verdict, HandshakeVerdict::kInitiationAccepted);
    network.clock.Advance(soon ? 20ms - 1ns : 20ms);
    receiver.Receive(second);
    EXPECT_EQ(receiver.last_verdict,
              soon ? HandshakeVerdict::kTooSoon : HandshakeVerdict::kInitiationAccepted);
  }
}

TEST_F(Forgery, TransportPacketsOfNoUseAreDroppedSilently) {
  Connect(a, b);
  net.Run(12s);
  a.SendData(b, Node::Payload(5));
  const Datagram genuine = net.Last(MessageKind::kTransport);
  const Snapshot before = Look(b, a);
  for (std::size_t i = 4; i < genuine.bytes.size(); ++i) {
    Datagram forged = genuine;
    forged.from = attacker;
    forged.bytes[i] ^= std::byte{1};
    b.Receive(forged);
    ASSERT_EQ(Look(b, a), before) << i;
  }
  Datagram truncated = genuine;
  truncated.from = attacker;
  truncated.bytes.pop_back();
  b.Receive(truncated);
  EXPECT_EQ(Look(b, a), before);
  net.Run(10ms);
  EXPECT_EQ(b.To(a).received, Payloads({5}));
  Datagram replayed = genuine;
  replayed.from = attacker;
  b.Receive(replayed);
  EXPECT_EQ(b.drops["replayed"], 1u);
  EXPECT_EQ(b.To(a).peer->endpoint(), a.address);
}

TEST_F(Forgery, ResponseToNobodyIsNotAnswered) {
  Connect(a, b);
  Datagram response = net.Last(MessageKind::kResponse);
  const Snapshot before = Look(a, b);
  response.from = attacker;
  a.Receive(response);  // its index is a session's now, no pending handshake's
  EXPECT_EQ(a.last_verdict, HandshakeVerdict::kIndexUnknown);
  EXPECT_EQ(Look(a, b), before);
}

TEST_F(Forgery, RandomBytesOfEveryKindDoNothing) {
  Connect(a, b);
  test::SeededRandom random(4);
  const Snapshot before = Look(b, a);
  for (int i = 0; i < 3000; ++i) {
    const std::size_t sizes[] = {kInitiationSize, kResponseSize, kCookieReplySize};
    const std::size_t type = i % 3;
    Bytes message(sizes[type]);
    random.Fill(message);
    const Le32 word = static_cast<std::uint32_t>(type + 1);
    std::memcpy(message.data(), &word, 4);
    if (type != 2) Remac(message, b.key());
    b.Receive({attacker, b.address, message, 0});
    ASSERT_FALSE(Accepted(*b.last_verdict));
  }
  EXPECT_EQ(Look(b, a), before);
}

}  // namespace
}  // namespace vireo::wg::sim
