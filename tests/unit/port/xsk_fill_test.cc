#include "dataplane/port/xsk_fill.h"

#include <gmock/gmock.h>

#include <array>
#include <vector>

namespace vireo {
namespace {

using testing::ElementsAre;

// A fill ring of four slots, its kernel's side played by the test.
struct Ring {
  std::uint32_t producer = 0;
  std::uint32_t consumer = 0;
  std::array<std::uint64_t, 4> slots{};
  xsk_ring_prod ring{.cached_prod = 0,
                     .cached_cons = 4,
                     .mask = 3,
                     .size = 4,
                     .producer = &producer,
                     .consumer = &consumer,
                     .ring = slots.data(),
                     .flags = nullptr};

  bool Fill(std::vector<std::uint64_t> chunks) { return FillRing(ring, chunks); }
};

TEST(FillRing, TakesChunksInOrderAndShowsThem) {
  Ring ring;
  EXPECT_TRUE(ring.Fill({10, 20, 30}));
  EXPECT_EQ(ring.producer, 3u);
  ring.consumer = 2;
  EXPECT_TRUE(ring.Fill({40, 50}));
  EXPECT_EQ(ring.producer, 5u);
  EXPECT_THAT(ring.slots, ElementsAre(50, 20, 30, 40));
}

// As where the kernel has shown frames in the receive ring, but not yet moved the consumer here.
TEST(FillRing, LeavesAFullRingAlone) {
  Ring ring;
  ASSERT_TRUE(ring.Fill({10, 20, 30, 40}));
  ring.consumer = 1;
  EXPECT_FALSE(ring.Fill({50, 60}));
  EXPECT_EQ(ring.producer, 4u);
  EXPECT_THAT(ring.slots, ElementsAre(10, 20, 30, 40));
  ring.consumer = 2;
  EXPECT_TRUE(ring.Fill({50, 60}));
  EXPECT_EQ(ring.producer, 6u);
  EXPECT_THAT(ring.slots, ElementsAre(50, 60, 30, 40));
}

}  // namespace
}  // namespace vireo
