#include "dataplane/table/route_table.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

namespace vireo {
namespace {

net::Prefix P(const char* text) { return *net::Prefix::Parse(text); }
net::IpAddress A(const char* text) { return *net::IpAddress::Parse(text); }

// The slow and obvious way.
std::uint32_t BruteForce(const std::vector<RouteTable::Route>& routes,
                         const net::IpAddress& address) {
  int best_length = -1;
  std::uint32_t nexthop = RouteTable::kNone;
  for (const RouteTable::Route& route : routes) {
    if (route.prefix.Contains(address) && route.prefix.length >= best_length) {
      best_length = route.prefix.length;
      nexthop = route.nexthop;
    }
  }
  return nexthop;
}

TEST(RouteTable, EmptyTableFindsNothing) {
  const RouteTable table;
  EXPECT_EQ(table.Find(A("10.0.0.1")), RouteTable::kNone);
  EXPECT_EQ(table.Find(A("2001:db8::1")), RouteTable::kNone);
}

TEST(RouteTable, LongestPrefixWins) {
  const std::vector<RouteTable::Route> routes = {
      {P("0.0.0.0/0"), 1},
      {P("10.0.0.0/8"), 2},
      {P("10.1.0.0/16"), 3},
      {P("10.1.2.0/24"), 4},
      {P("10.1.2.3/32"), 5},
      {P("255.255.255.255/32"), 6},
      {P("::/0"), 7},
      {P("2001:db8::/32"), 8},
      {P("2001:db8:1::/48"), 9},
      {P("2001:db8:1::1/128"), 10},
      {P("ffff::/16"), 11},
  };
  const RouteTable table(routes);
  const struct {
    const char* address;
    std::uint32_t nexthop;
  } kCases[] = {
      {"9.255.255.255", 1},
      {"10.0.0.0", 2},
      {"10.0.255.255", 2},
      {"10.1.0.0", 3},
      {"10.1.2.2", 4},
      {"10.1.2.3", 5},
      {"10.1.2.4", 4},
      {"10.1.3.0", 3},
      {"11.0.0.0", 1},
      {"255.255.255.254", 1},
      {"255.255.255.255", 6},
      {"0.0.0.0", 1},
      {"::", 7},
      {"2001:db8::", 8},
      {"2001:db8:1::1", 10},
      {"2001:db8:1::2", 9},
      {"2001:db9::", 7},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 11},
  };
  for (const auto& c : kCases) EXPECT_EQ(table.Find(A(c.address)), c.nexthop) << c.address;
}

TEST(RouteTable, LastOfEqualPrefixesCounts) {
  const std::vector<RouteTable::Route> routes = {
      {P("10.0.0.0/8"), 1}, {P("10.0.0.0/24"), 3}, {P("10.0.0.0/8"), 2}};
  const RouteTable table(routes);
  EXPECT_EQ(table.Find(A("10.0.0.1")), 3u);
  EXPECT_EQ(table.Find(A("10.9.0.1")), 2u);
}

net::IpAddress RandomAddress(std::mt19937_64& random, bool v6) {
  std::array<std::byte, 16> bytes{};
  // Few distinct values a byte, so that prefixes nest and addresses hit them.
  for (auto& byte : bytes) {
    static constexpr unsigned kValues[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};
    byte = static_cast<std::byte>(random() % 4 ? kValues[random() % 6] : random() % 256);
  }
  return v6 ? net::IpAddress::V6(bytes) : net::IpAddress::V4(std::span(bytes).first(4));
}

TEST(RouteTable, AgreesWithBruteForceOnRandomTables) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<RouteTable::Route> routes;
    const std::size_t n = random() % 60;
    for (std::uint32_t i = 0; i < n; ++i) {
      const bool v6 = random() % 2;
      const auto length = static_cast<unsigned>(random() % (v6 ? 129 : 33));
      routes.push_back({net::Prefix::Make(RandomAddress(random, v6), length), i});
    }
    const RouteTable table(routes);
    for (int probe = 0; probe < 200; ++probe) {
      net::IpAddress address = RandomAddress(random, random() % 2);
      if (!routes.empty() && random() % 2)
        address = routes[random() % routes.size()].prefix.address;
      ASSERT_EQ(table.Find(address), BruteForce(routes, address))
          << "round " << round << ", " << address.ToString();
    }
  }
}

}  // namespace
}  // namespace vireo
