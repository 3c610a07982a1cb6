#include "dataplane/slow/link_routes.h"

#include <gtest/gtest.h>

namespace vireo {
namespace {

net::IpAddress Ip(std::string_view text) { return net::IpAddress::Parse(text).value(); }
net::Prefix Net(std::string_view text) { return net::Prefix::Parse(text).value(); }
const net::MacAddress kMac = net::MacAddress::Parse("02:00:00:00:00:01").value();

struct Case {
  std::string_view destination, neighbour, source;  // "" for none
};

void Expect(const LinkRoutes& routes, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const auto hop = routes.Find(Ip(c.destination));
    if (c.neighbour.empty()) {
      EXPECT_FALSE(hop) << c.destination << " by " << hop->neighbour.ToString();
      continue;
    }
    ASSERT_TRUE(hop) << c.destination;
    EXPECT_EQ(hop->neighbour, Ip(c.neighbour)) << c.destination;
    EXPECT_EQ(hop->source, Ip(c.source)) << c.destination;
  }
}

TEST(LinkRoutes, FindsIpv4NextHops) {
  const LinkRoutes routes(kMac, {{Ip("192.0.2.10"), 24}, {Ip("198.51.100.1"), 31}},
                          {{Net("0.0.0.0/0"), Ip("192.0.2.1")},
                           {Net("10.0.0.0/8"), Ip("198.51.100.0")},
                           {Net("10.1.0.0/16"), Ip("192.0.2.2")},
                           {Net("10.2.0.0/16"), std::nullopt},
                           {Net("192.0.2.128/25"), Ip("192.0.2.3")},
                           {Net("192.0.2.0/24"), Ip("192.0.2.4")}});
  Expect(routes, {
                     {"192.0.2.7", "192.0.2.7", "192.0.2.10"},    // own prefix, same length wins
                     {"192.0.2.200", "192.0.2.3", "192.0.2.10"},  // longer route
                     {"198.51.100.0", "198.51.100.0", "198.51.100.1"},  // /31: no broadcast
                     {"203.0.113.5", "192.0.2.1", "192.0.2.10"},        // default
                     {"10.9.9.9", "198.51.100.0", "198.51.100.1"},
                     {"10.1.9.9", "192.0.2.2", "192.0.2.10"},
                     {"10.2.9.9", "10.2.9.9", "192.0.2.10"},  // on the link by route
                     {"192.0.2.10", "", ""},                  // our own
                     {"198.51.100.1", "", ""},
                     {"192.0.2.0", "", ""},  // subnet broadcast
                     {"192.0.2.255", "", ""},
                     {"255.255.255.255", "", ""},
                     {"0.0.0.0", "", ""},
                     {"0.1.2.3", "", ""},
                     {"127.0.0.1", "", ""},
                     {"224.0.0.1", "", ""},
                     {"240.0.0.1", "", ""},
                     {"2001:db8::1", "", ""},  // no address of the family
                 });
}

TEST(LinkRoutes, FindsIpv6NextHops) {
  const LinkRoutes routes(
      kMac, {{Ip("2001:db8:1::10"), 64}, {Ip("192.0.2.10"), 24}},
      {{Net("::/0"), Ip("fe80::1")}, {Net("2001:db8:2::/48"), Ip("2001:db8:1::2")}});
  Expect(routes, {
                     {"2001:db8:1::7", "2001:db8:1::7", "2001:db8:1::10"},
                     {"2001:db8:2::7", "2001:db8:1::2", "2001:db8:1::10"},
                     {"2001:db8:3::7", "fe80::1", "2001:db8:1::10"},  // by a link-local gateway
                     {"fe80::7", "fe80::7", "fe80::ff:fe00:1"},
                     {"fe80::ff:fe00:1", "", ""},
                     {"::1", "", ""},
                     {"::", "", ""},
                     {"ff02::1", "", ""},
                     {"203.0.113.5", "", ""},
                 });
}

TEST(LinkRoutes, DerivesLinkLocalAddressOnlyIfNeeded) {
  const auto count = [](std::vector<OwnedAddress> addresses) {
    return LinkRoutes(kMac, std::move(addresses), {}).addresses().size();
  };
  EXPECT_EQ(count({{Ip("192.0.2.10"), 24}}), 1u);
  EXPECT_EQ(count({{Ip("2001:db8::1"), 64}}), 2u);
  EXPECT_EQ(count({{Ip("2001:db8::1"), 64}, {Ip("fe80::5"), 64}}), 2u);
}

TEST(LinkRoutes, RefusesToSendFarFromLinkLocalAlone) {
  const LinkRoutes routes(kMac, {{Ip("fe80::5"), 64}}, {{Net("::/0"), Ip("fe80::1")}});
  Expect(routes, {{"2001:db8::1", "", ""}, {"fe80::1", "fe80::1", "fe80::5"}});
}

TEST(LinkRoutes, ChoosesSourceOfTheLongestPrefix) {
  const LinkRoutes routes(kMac,
                          {{Ip("10.0.0.1"), 8}, {Ip("10.1.0.1"), 16}, {Ip("2001:db8::1"), 64}}, {});
  EXPECT_EQ(routes.SourceFor(Ip("10.1.2.3")), Ip("10.1.0.1"));
  EXPECT_EQ(routes.SourceFor(Ip("10.2.2.3")), Ip("10.0.0.1"));
  EXPECT_EQ(routes.SourceFor(Ip("192.0.2.1")), Ip("10.0.0.1"));
  EXPECT_EQ(routes.SourceFor(Ip("2001:db8:9::1")), Ip("2001:db8::1"));
  EXPECT_EQ(routes.SourceFor(Ip("fe80::9")), Ip("fe80::ff:fe00:1"));
  EXPECT_FALSE(LinkRoutes(kMac, {{Ip("10.0.0.1"), 8}}, {}).SourceFor(Ip("2001:db8::1")));
}

}  // namespace
}  // namespace vireo
