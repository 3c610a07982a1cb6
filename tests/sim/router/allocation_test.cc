// The packet path allocates nothing once it runs.

#include <gtest/gtest.h>

#include "dataplane/worker/pipeline.h"
#include "tests/sim/router/sim_network.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/eal_environment.h"

namespace vireo::sim {
namespace {

class PacketPath : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Capturing, PacketPath, ::testing::Bool(),
                         [](const auto& on) { return on.param ? "Yes" : "No"; });

TEST_P(PacketPath, AllocatesNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "the sanitizer owns malloc";
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  a.AddPeer(b);
  b.AddPeer(a);
  a.Send(b, 0);
  net.Settle();
  (void)b.Received();
  if (GetParam()) {
    for (Node* node : {&a, &b}) {
      ASSERT_TRUE(node->router->captures().Begin({.everywhere = true}).ok());
    }
  }

  std::size_t in_workers = 0;
  for (std::uint32_t round = 0; round < 100; ++round) {
    for (std::uint32_t i = 0; i < 64; ++i) a.Send(b, i);
    a.Send(InnerPacket(3, 2, 0));  // spoofed: drops allocate nothing either
    std::size_t before = Allocations();
    RunLoop(*a.router->workers()[0], net.clock);
    RunLoop(*a.router->workers()[0], net.clock);
    in_workers += Allocations() - before;
    for (const SentFrame& frame : a.uplink->Collect()) {
      net.Deliver({a.address, b.address, frame.bytes, frame.outer_tos});
    }
    before = Allocations();
    RunLoop(*b.router->workers()[0], net.clock);
    in_workers += Allocations() - before;
    ASSERT_EQ(b.Received().size(), 64u);
  }
  EXPECT_EQ(in_workers, 0u);
}

}  // namespace
}  // namespace vireo::sim
