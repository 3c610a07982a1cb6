#include "dataplane/table/endpoint_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace vireo {
namespace {

net::MacAddress Mac(std::uint32_t number) {
  return {{2, 0, static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
           static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

// Keeps what was retired for as long as the test, as if a worker held it.
struct Retired {
  std::vector<std::shared_ptr<const void>> arrays;
  EndpointTable::Retire Keep() {
    return [this](std::shared_ptr<const void> array) { arrays.push_back(std::move(array)); };
  }
};

TEST(EndpointTable, FindsWhatWasPutByNetworkAndMac) {
  Retired retired;
  EndpointTable table(1, retired.Keep());
  table.Put(1, Mac(5), {Place::Kind::kPort, 3});
  table.Put(2, Mac(5), {Place::Kind::kRouter, 9});
  EXPECT_EQ(table.Find(1, Mac(5)), (Place{Place::Kind::kPort, 3}));
  EXPECT_EQ(table.Find(2, Mac(5)), (Place{Place::Kind::kRouter, 9}));
  EXPECT_EQ(table.Find(3, Mac(5)), Place{});
  EXPECT_EQ(table.Find(1, Mac(6)), Place{});
  table.Put(1, Mac(5), {Place::Kind::kRouter, Place::kMaxIndex, Place::kMaxMove});
  EXPECT_EQ(table.Find(1, Mac(5)),
            (Place{Place::Kind::kRouter, Place::kMaxIndex, Place::kMaxMove}));
  table.Remove(1, Mac(5));
  table.Remove(1, Mac(7));
  EXPECT_EQ(table.Find(1, Mac(5)), Place{});
  EXPECT_EQ(table.size(), 1u);
}

TEST(EndpointTable, AgreesWithAModelWhileItGrowsAndShrinks) {
  Retired retired;
  EndpointTable table(2, retired.Keep());
  std::map<std::pair<NetworkId, std::uint32_t>, Place> model;
  std::minstd_rand random(3);
  for (int step = 0; step < 200000; ++step) {
    const auto network = static_cast<NetworkId>(1 + random() % 5);
    const auto number = static_cast<std::uint32_t>(random() % (step < 100000 ? 5000 : 200));
    if (random() % 3 != 0) {
      const Place place{random() % 2 ? Place::Kind::kPort : Place::Kind::kRouter,
                        static_cast<std::uint32_t>(random()) & Place::kMaxIndex};
      table.Put(network, Mac(number), place);
      model[{network, number}] = place;
    } else {
      table.Remove(network, Mac(number));
      model.erase({network, number});
    }
    if (step % 1000 != 0) continue;
    for (NetworkId n = 1; n <= 5; ++n) {
      for (std::uint32_t i = 0; i < 5000; i += 7) {
        const auto it = model.find({n, i});
        ASSERT_EQ(table.Find(n, Mac(i)), it == model.end() ? Place{} : it->second);
      }
    }
  }
  EXPECT_EQ(table.size(), model.size());
}

TEST(EndpointTable, FindsTheOwnerOfAnAddress) {
  Retired retired;
  EndpointTable table(1, retired.Keep());
  const auto owner = [&](NetworkId network, const char* text) {
    const auto address = *net::IpAddress::Parse(text);
    return table.Owner(network, address.family, address.span().data());
  };
  for (std::uint32_t i = 1; i <= 500; ++i) {
    table.PutAddress(1, net::IpAddress::V4(0x0a000000u + i), Mac(i));
    table.PutAddress(2, *net::IpAddress::Parse("fd00::" + std::to_string(i)), Mac(i));
  }
  EXPECT_EQ(owner(1, "10.0.0.7"), Mac(7));
  EXPECT_EQ(owner(2, "fd00::499"), Mac(499));
  EXPECT_EQ(owner(2, "10.0.0.7"), std::nullopt);
  EXPECT_EQ(owner(1, "fd00::499"), std::nullopt);
  EXPECT_EQ(owner(2, "fd00::501"), std::nullopt);
  table.PutAddress(1, net::IpAddress::V4(0x0a000009u), net::MacAddress{});
  EXPECT_EQ(owner(1, "10.0.0.9"), net::MacAddress{});  // there, whatever its MAC
  table.RemoveAddress(2, *net::IpAddress::Parse("fd00::499"));
  EXPECT_EQ(owner(2, "fd00::499"), std::nullopt);
}

TEST(EndpointTable, AMillionTakesLittleMemory) {
  Retired retired;
  EndpointTable table(4, [](const auto&) {});
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    const auto network = static_cast<NetworkId>(1 + i % 10000);
    table.Put(network, Mac(i), {Place::Kind::kRouter, i});
    table.PutAddress(network, net::IpAddress::V4(0x0a000000u + i), Mac(i));
  }
  EXPECT_LE(table.bytes() / table.size(), 96u);
}

// A reader never sees another endpoint's place, whatever the writer does.
TEST(EndpointTable, ReadersSeeOnlyWhatWasSaidOfTheirEndpoint) {
  Retired retired;
  EndpointTable table(5, retired.Keep());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  const auto read = [&](unsigned seed) {
    std::minstd_rand random(seed);
    while (!stop.load()) {
      const auto number = static_cast<std::uint32_t>(random() % 3000);
      const Place place = table.Find(1, Mac(number));
      // The writer puts endpoint N only at places that are N modulo 4096.
      if (place.kind != Place::Kind::kNowhere && place.index % 4096 != number) ++wrong;
    }
  };
  std::thread one(read, 1), two(read, 2);
  std::minstd_rand random(6);
  for (int step = 0; step < 300000; ++step) {
    const auto number = static_cast<std::uint32_t>(random() % 3000);
    if (random() % 2 != 0) {
      const auto index = static_cast<std::uint32_t>(random() % 1000) * 4096 + number;
      table.Put(1, Mac(number), {Place::Kind::kRouter, index});
    } else {
      table.Remove(1, Mac(number));
    }
  }
  stop = true;
  one.join();
  two.join();
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace vireo
