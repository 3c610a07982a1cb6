// Which subnets may stand side by side: as networks are put one by one.

#include "dataplane/slow/tenant_subnets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/slow/networks.h"

namespace vireo {
namespace {

using testing::HasSubstr;

NetworkSpec Spec(std::uint32_t vni, const char* tenant, std::initializer_list<const char*> subnets,
                 std::uint16_t mtu = 1500) {
  NetworkSpec spec{.vni = vni, .tenant = tenant, .mtu = mtu};
  for (const char* text : subnets) spec.subnets.push_back({*net::Prefix::Parse(text), {}});
  return spec;
}

class TenantSubnetsTest : public ::testing::Test {
 protected:
  static std::string Message(const Status& status) {
    return status.ok() ? "" : status.error().message;
  }
  // VNI of the network that has the address, as seen from network `vni`; 0: none.
  std::uint32_t NetworkOf(std::uint32_t vni, const char* address) {
    const auto* found =
        networks.FindInTenant(networks.Find(vni)->spec, *net::IpAddress::Parse(address));
    return found == nullptr ? 0 : found->spec.vni;
  }
  EndpointTable endpoints{1, [](const auto&) {}};
  Networks networks{endpoints};
};

TEST_F(TenantSubnetsTest, OverlapsWithinATenantAreRefusedByName) {
  ASSERT_TRUE(networks.Add(Spec(7, "red", {"10.1.0.0/16", "fd01::/64"})).ok());
  EXPECT_EQ(Message(networks.Add(Spec(8, "red", {"10.2.0.0/16", "10.1.7.0/24"}))),
            "network 8: subnet 10.1.7.0/24 overlaps 10.1.0.0/16 of network 7 of the same tenant "
            "\"red\", to which it is routed; give each address to one subnet only");
  for (const char* subnet : {"10.0.0.0/8", "10.1.0.0/16", "10.1.255.255/32", "0.0.0.0/0",
                             "fd01::/64", "fd00::/8", "fd01::1/128"}) {
    EXPECT_THAT(Message(networks.Add(Spec(8, "red", {subnet}))), HasSubstr("of network 7"))
        << subnet;
  }
  EXPECT_EQ(networks.Find(8), nullptr);
}

TEST_F(TenantSubnetsTest, NeighboursOtherTenantsAndNamelessNetworksMayHaveThem) {
  ASSERT_TRUE(networks.Add(Spec(7, "red", {"10.1.0.0/16"})).ok());
  EXPECT_TRUE(networks.Add(Spec(8, "red", {"10.0.0.0/16", "10.2.0.0/16", "fd01::/64"})).ok());
  EXPECT_TRUE(networks.Add(Spec(9, "blue", {"10.1.0.0/16"})).ok());
  EXPECT_TRUE(networks.Add(Spec(10, "", {"10.1.0.0/16"})).ok());
  EXPECT_TRUE(networks.Add(Spec(11, "", {"10.1.0.0/16"})).ok());
}

TEST_F(TenantSubnetsTest, ANetworkDoesNotOverlapItself) {
  EXPECT_THAT(Message(networks.Add(Spec(7, "", {"10.1.0.0/16", "10.1.2.0/24"}))),
              HasSubstr("10.1.2.0/24 overlaps 10.1.0.0/16 of the same network"));
  ASSERT_TRUE(networks.Add(Spec(7, "red", {"10.1.0.0/16"})).ok());
  EXPECT_TRUE(networks.Change(Spec(7, "red", {"10.0.0.0/8"})).ok());
}

TEST_F(TenantSubnetsTest, ARefusedChangeLeavesTheFormerSubnets) {
  ASSERT_TRUE(networks.Add(Spec(7, "red", {"10.1.0.0/16"})).ok());
  ASSERT_TRUE(networks.Add(Spec(8, "red", {"10.2.0.0/16"})).ok());
  EXPECT_FALSE(networks.Change(Spec(8, "red", {"10.3.0.0/16", "10.1.0.0/24"})).ok());
  EXPECT_EQ(NetworkOf(7, "10.2.0.1"), 8u);
  EXPECT_EQ(NetworkOf(7, "10.3.0.1"), 0u);
  EXPECT_FALSE(networks.Add(Spec(9, "red", {"10.2.3.0/24"})).ok());
}

TEST_F(TenantSubnetsTest, WhatARemovedOrChangedNetworkHadIsFree) {
  ASSERT_TRUE(networks.Add(Spec(7, "red", {"10.1.0.0/16"})).ok());
  ASSERT_TRUE(networks.Change(Spec(7, "blue", {"10.1.0.0/16"})).ok());
  EXPECT_TRUE(networks.Add(Spec(8, "red", {"10.1.0.0/16"})).ok());
  ASSERT_TRUE(networks.Remove(8).ok());
  EXPECT_TRUE(networks.Add(Spec(9, "red", {"10.1.2.0/24"})).ok());
}

TEST_F(TenantSubnetsTest, AnAddressIsFoundInTheTenantsNetworkThatHasIt) {
  ASSERT_TRUE(networks.Add(Spec(7, "red", {"10.1.0.0/16", "fd01::/64"})).ok());
  ASSERT_TRUE(networks.Add(Spec(8, "red", {"10.2.0.0/16"})).ok());
  ASSERT_TRUE(networks.Add(Spec(9, "blue", {"10.3.0.0/16"})).ok());
  ASSERT_TRUE(networks.Add(Spec(10, "", {"10.4.0.0/16"})).ok());
  EXPECT_EQ(NetworkOf(7, "10.2.255.255"), 8u);
  EXPECT_EQ(NetworkOf(8, "10.1.0.0"), 7u);
  EXPECT_EQ(NetworkOf(8, "fd01::5"), 7u);
  EXPECT_EQ(NetworkOf(7, "10.3.0.1"), 0u);
  EXPECT_EQ(NetworkOf(7, "10.0.255.255"), 0u);
  EXPECT_EQ(NetworkOf(10, "10.4.0.1"), 10u);
  EXPECT_EQ(NetworkOf(10, "10.1.0.1"), 0u);
}

}  // namespace
}  // namespace vireo
