// Many routers, networks and endpoints, random moves: a model says for every frame where it may
// arrive.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/sim/router/move_world.h"

namespace vireo::sim {
namespace {

std::uint64_t Seed() {
  const char* given = std::getenv("VIREO_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

// The control plane and the VMs: each of some VMs goes through a move, step by step, at random
// times, while frames run from and to it.
class RandomMoves {
 public:
  RandomMoves(unsigned routers, unsigned networks, unsigned vms, unsigned at_once,
              std::uint64_t seed)
      : world(
            routers, networks, [this](const Datagram& d) { return DelayOf(d); }, seed),
        random(seed) {
    for (unsigned i = 0; i < vms; ++i) {
      world.AddVm(1 + i % networks, 1 + i / networks, static_cast<unsigned>(random() % routers));
    }
    mover.resize(at_once);
  }

  // Until so many moves have happened.
  void Run(unsigned moves) {
    MeetAll();
    while (done < moves) {
      world.Run(milliseconds(20), [this] { Step(); });
      ASSERT_FALSE(testing::Test::HasFatalFailure());
    }
    stopping = true;
    const auto idle = [](const Mover& m) { return m.state == State::kIdle; };
    while (!std::ranges::all_of(mover, idle)) world.Run(milliseconds(20), [this] { Step(); });
    world.Run(std::chrono::seconds(2));
  }

  MoveWorld world;
  std::mt19937_64 random;
  unsigned done = 0, failed = 0;

 private:
  enum class State { kIdle, kArming, kBlackout, kAfter };
  struct Mover {
    State state = State::kIdle;
    unsigned vm = 0, to = 0;
    bool fails = false;
    std::vector<unsigned> to_tell;  // routers
    std::vector<unsigned> flows;    // of which one end moves
    int wait = 0;                   // ms
  };

  // 1 to 20 ms, by pair and way.
  Duration DelayOf(const Datagram& d) {
    const std::uint64_t pair =
        d.from.address.v4_host_order() % 256 * 37 + d.to.address.v4_host_order() % 256 * 101;
    return milliseconds(1 + pair % 20);
  }

  // Everybody has a session with everybody, as in an overlay that has run for a while.
  void MeetAll() {
    for (Node* a : world.nodes) {
      for (Node* b : world.nodes) {
        if (a->number < b->number) a->Send(*b, 0);
      }
    }
    world.Run(milliseconds(200));
    for (Node* node : world.nodes) (void)node->Received();
  }

  unsigned Below(std::size_t n) { return static_cast<unsigned>(random() % n); }

  void Step() {
    for (Mover& m : mover) {
      if (m.wait > 0) --m.wait;
      Advance(m);
      for (const unsigned flow : m.flows) {
        if (m.state != State::kIdle && random() % 4 == 0) world.Send(flow);
      }
    }
  }

  void Begin(Mover& m) {
    if (stopping) return;
    m.vm = Below(world.vms.size());
    for (const Mover& other : mover) {
      if (&other != &m && other.state != State::kIdle && other.vm == m.vm) return;
    }
    const Vm& vm = world.vms[m.vm];
    do {
      m.to = Below(world.nodes.size());
    } while (m.to == vm.router);
    m.fails = random() % 10 == 0;
    m.to_tell.clear();
    for (unsigned r = 0; r < world.nodes.size(); ++r) m.to_tell.push_back(r);
    std::shuffle(m.to_tell.begin(), m.to_tell.end(), random);
    m.flows.clear();
    for (int i = 0; i < 2; ++i) AddFlows(m);
    m.state = State::kArming;
  }

  // From and to another VM of the network, on another port.
  void AddFlows(Mover& m) {
    const Vm& vm = world.vms[m.vm];
    for (int tries = 0; tries < 100; ++tries) {
      const unsigned other = Below(world.vms.size());
      const Vm& candidate = world.vms[other];
      if (candidate.vni != vm.vni || candidate.number % 2 == vm.number % 2) continue;
      m.flows.push_back(FlowOf(m.vm, other));
      m.flows.push_back(FlowOf(other, m.vm));
      return;
    }
  }
  unsigned FlowOf(unsigned from, unsigned to) {
    const auto [it, added] = flow_of_.try_emplace({from, to}, 0);
    if (added) it->second = world.AddFlow(from, to);
    return it->second;
  }

  void Advance(Mover& m) {
    if (m.wait > 0) return;
    switch (m.state) {
      case State::kIdle:
        Begin(m);
        return;
      case State::kArming:
        if (!m.to_tell.empty()) {
          Arm(m);
          return;
        }
        world.Stop(m.vm);
        m.wait = 20 + static_cast<int>(Below(60));
        m.state = State::kBlackout;
        return;
      case State::kBlackout:
        for (unsigned r = 0; r < world.nodes.size(); ++r) m.to_tell.push_back(r);
        std::shuffle(m.to_tell.begin(), m.to_tell.end(), random);
        if (m.fails) {
          CallOff(m);
        } else {
          world.Resume(m.vm, m.to);
          m.wait = 50 + static_cast<int>(Below(100));
        }
        m.state = State::kAfter;
        return;
      case State::kAfter:
        if (!m.to_tell.empty()) {
          // The store's word comes later, to each at its own time.
          ASSERT_TRUE(world.Put(world.vms[m.vm], m.to_tell.back()).ok());
          m.to_tell.pop_back();
          return;
        }
        ++(m.fails ? failed : done);
        m.state = State::kIdle;
        m.wait = static_cast<int>(Below(20));
        return;
    }
  }

  void Arm(Mover& m) {
    const Status armed = world.Arm(m.vm, m.to, m.to_tell.back());
    if (!armed.ok()) {
      ASSERT_EQ(armed.error().code, ErrorCode::kUnavailable) << armed.error().message;
      return;  // the last move is not over there: again
    }
    m.to_tell.pop_back();
  }

  // The destination first, the source last.
  void CallOff(Mover& m) {
    Vm& vm = world.vms[m.vm];
    std::vector<unsigned> order = {m.to};
    for (unsigned r = 0; r < world.nodes.size(); ++r) {
      if (r != m.to && r != vm.router) order.push_back(r);
    }
    order.push_back(vm.router);
    for (const unsigned r : order) {
      ASSERT_TRUE(world.moves(r).Disarm(vm.vni, vm.mac(), vm.epoch + 1).ok());
    }
    vm.running = true;
    ++vm.epoch;  // what was armed is never used again
    for (const unsigned r : order) ASSERT_TRUE(world.Put(vm, r).ok());
  }

  std::vector<Mover> mover;
  std::map<std::pair<unsigned, unsigned>, unsigned> flow_of_;
  bool stopping = false;
};

// Sanitizers make it ten times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kMoves = 500;
#else
constexpr unsigned kMoves = 10'000;
#endif

TEST(MovesAtRandom, TenThousandLoseDoubleAndReorderNothing) {
  RandomMoves test(20, 50, 2000, 100, Seed());
  test.Run(kMoves);
  test.world.ExpectNothingLost();
  EXPECT_GT(test.world.delivered, 10u * kMoves);
  EXPECT_GT(test.failed, kMoves / 20);
  std::printf("%u moves, %u called off, %llu frames\n", test.done, test.failed,
              static_cast<unsigned long long>(test.world.delivered));
}

// Whatever the underlay does, a frame comes out only where its VM runs.
TEST(MovesAtRandom, NeverTwoRoutersDeliver) {
  RandomMoves test(6, 4, 60, 12, Seed());
  test.world.wire.faults = [&](Datagram d) {
    std::vector<Datagram> out;
    const auto dice = test.random() % 20;
    if (dice == 0) return out;
    if (dice == 1) out.push_back(d);
    out.push_back(std::move(d));
    return out;
  };
  test.world.may_lose = true;
  test.Run(500);
  EXPECT_EQ(test.world.astray, 0u);
  EXPECT_GT(test.world.delivered, 10'000u);
}

}  // namespace
}  // namespace vireo::sim
