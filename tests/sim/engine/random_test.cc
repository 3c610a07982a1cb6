// Many small worlds, each from a seed: whatever a bad network, clocks, restarts and roaming did,
// once the network is well again data flows, nothing comes twice, and nothing is left behind.
#include <cstring>
#include <set>

#include "tests/sim/engine/pair.h"

namespace vireo::wg::sim {
namespace {

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), net_(seed) {
    const std::size_t count = 2 + random_() % 2;
    for (std::size_t i = 0; i < count; ++i) {
      const auto where = At(("192.0.2." + std::to_string(i + 1) + ":1000").c_str());
      nodes_.push_back(std::make_unique<Node>(net_, where, seed * 100 + i));
    }
    for (auto& node : nodes_) {
      for (auto& other : nodes_) {
        if (node != other) node->AddPeer(*other);
      }
    }
    net_.link.loss = Part(0.4);
    net_.link.duplication = Part(0.3);
    net_.link.delay = std::chrono::milliseconds(random_() % 300);
    net_.link.jitter = std::chrono::milliseconds(random_() % 500);
    for (auto& node : nodes_) {
      const auto suite = static_cast<CipherSuite>(random_() % 2);
      for (auto& other : nodes_) {
        if (other <= node) continue;
        node->engine->SetSuite(*node->To(*other).peer, suite);
        other->engine->SetSuite(*other->To(*node).peer, suite);
      }
      if (random_() % 3 == 0) {
        Node& other = Other(*node);
        node->engine->SetPersistentKeepalive(*node->To(other).peer, 10s + 1s * (random_() % 30));
      }
    }
  }

  void Live() {
    const bool clocks_step = random_() % 3 == 0;
    const bool restarts = random_() % 4 == 0;
    const bool roams = random_() % 3 == 0;
    for (int step = 0; step < 60; ++step) {
      Node& from = *nodes_[random_() % nodes_.size()];
      Node& to = Other(from);
      for (std::uint64_t burst = random_() % 4; burst > 0; --burst) {
        from.SendData(to, Node::Payload(number_++));
      }
      if (random_() % 20 == 0) from.lose_events = !from.lose_events;
      if (random_() % 20 == 0) from.engine->SetHandshakeQueue(512, 4096);
      if (clocks_step && random_() % 10 == 0) {
        from.clock.offset += std::chrono::hours(random_() % 2000) - std::chrono::hours(1000);
      }
      if (restarts && random_() % 20 == 0) {
        KeepReceived();
        from.Restart();
      }
      if (roams && random_() % 15 == 0) from.address.port++;
      net_.Run(std::chrono::milliseconds(1 + random_() % 10'000));
      CheckInvariants();
    }
  }

  void Recover() {
    net_.link = {};
    for (auto& node : nodes_) node->lose_events = false;
    // Long enough for the longest wait: a dead session is noticed after 15 s, its handshake takes
    // up to 5 s more than one retry, and a peer that moved must be told by one that did not.
    for (auto& node : nodes_) {
      for (auto& other : nodes_) {
        if (node != other) {
          node->engine->SetEndpoint(*node->To(*other).peer, other->address);
        }
      }
    }
    for (int i = 0; i < 60; ++i) {
      ForEachPair([&](Node& from, Node& to) { from.SendData(to, Node::Payload(number_++)); });
      net_.Run(1s);
    }
    ForEachPair([&](Node& from, Node& to) {
      const std::size_t before = to.To(from).received.size();
      from.SendData(to, Node::Payload(number_++));
      net_.Run(10ms);
      EXPECT_EQ(to.To(from).received.size(), before + 1);
    });
    CheckInvariants();
    KeepReceived();
    for (auto& node : nodes_) {
      EXPECT_EQ(node->drops["forged"], 0u);
    }
  }

  // Left alone, everything ends.
  void Rest() {
    ForEachPair(
        [](Node& from, Node& to) { from.engine->SetPersistentKeepalive(*from.To(to).peer, 0s); });
    net_.Run(1200s);
    ForEachPair([](Node& from, Node& to) {
      EXPECT_TRUE(from.To(to).peer->keypairs().empty());
      EXPECT_FALSE(from.To(to).peer->handshake_pending());
      EXPECT_EQ(from.engine->NextDeadline(), Time::max());
    });
    // No index was leaked.
    for (const Datagram& d : net_.sent) {
      if (d.kind() != MessageKind::kInitiation && d.kind() != MessageKind::kResponse) continue;
      const auto& message = *reinterpret_cast<const InitiationMessage*>(d.bytes.data());
      for (auto& node : nodes_) {
        ASSERT_EQ(node->sessions->Owner(message.sender_index.value()), nullptr);
      }
    }
  }

 private:
  double Part(double most) { return most * static_cast<double>(random_() % 1000) / 1000; }

  Node& Other(Node& node) {
    while (true) {
      Node& other = *nodes_[random_() % nodes_.size()];
      if (&other != &node) return other;
    }
  }

  template <typename F>
  void ForEachPair(F f) {
    for (auto& node : nodes_) {
      for (auto& other : nodes_) {
        if (node != other) f(*node, *other);
      }
    }
  }

  void CheckInvariants() {
    ForEachPair([](Node& node, Node& other) {
      const Peer& peer = *node.To(other).peer;
      const Keypairs& keypairs = peer.keypairs();
      ASSERT_EQ(node.To(other).path.current.load(), keypairs.current());
      for (const Session* session : {keypairs.previous(), keypairs.current(), keypairs.next()}) {
        if (session == nullptr) continue;
        ASSERT_EQ(node.sessions->Find(session->local_index), session);
        ASSERT_EQ(node.sessions->Owner(session->local_index), &peer);
      }
      ASSERT_LE(node.To(other).staged.size(), kMaxStagedPackets);
      ASSERT_GT(node.engine->NextDeadline(), node.clock.Now());
    });
  }

  // Every payload is unique: none may come twice.
  void KeepReceived() {
    ForEachPair([&](Node& node, Node& other) {
      for (const Bytes& payload : node.To(other).received) {
        std::uint32_t number;
        std::memcpy(&number, payload.data(), sizeof number);
        EXPECT_TRUE(seen_.insert(number).second) << number << " delivered twice";
      }
      node.To(other).received.clear();
    });
  }

  std::mt19937_64 random_;
  Network net_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::uint32_t number_ = 0;
  std::set<std::uint32_t> seen_;
};

class RandomWorlds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomWorlds, RecoverAndComeToRest) {
  for (std::uint64_t seed = GetParam(); seed < GetParam() + 25; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    World world(seed);
    world.Live();
    world.Recover();
    world.Rest();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomWorlds, testing::Range<std::uint64_t>(0, 300, 25));

}  // namespace
}  // namespace vireo::wg::sim
