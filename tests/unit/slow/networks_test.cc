#include "dataplane/slow/networks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vireo {
namespace {

constexpr net::MacAddress kMac{{2, 0, 0, 0, 0, 1}};
constexpr Place OnPort(PortId port) { return {Place::Kind::kPort, port}; }
constexpr Place AtRouter(std::uint32_t slot) { return {Place::Kind::kRouter, slot}; }
EndpointSpec At(const net::MacAddress& mac, Place place) { return {.mac = mac, .place = place}; }

class NetworksTest : public ::testing::Test {
 protected:
  NetworksTest() {
    EXPECT_TRUE(networks.SetRouter(3, {.vtep = *net::IpAddress::Parse("10.0.3.1")}).ok());
  }
  static std::string Message(const Status& status) {
    return status.ok() ? "" : status.error().message;
  }
  EndpointTable endpoints{1, [](const auto&) {}};
  Networks networks{endpoints};
};

TEST_F(NetworksTest, RefusalsSayWhatAndWhereAndChangeNothing) {
  using testing::HasSubstr;
  ASSERT_TRUE(networks.Add({.vni = 7}).ok());
  ASSERT_TRUE(networks.AttachPort(7, 1).ok());
  ASSERT_TRUE(networks.AddRouter(7, 3).ok());
  EXPECT_TRUE(networks.TakeChanged());
  EXPECT_THAT(Message(networks.Add({.vni = 0})), HasSubstr("network 0: the VNI must be from 1"));
  EXPECT_THAT(Message(networks.Add({.vni = 1 << 24})), HasSubstr("16777215"));
  EXPECT_THAT(Message(networks.Add({.vni = 7, .flood = true})),
              HasSubstr("network 7 exists already"));
  EXPECT_THAT(Message(networks.Remove(8)), HasSubstr("network 8 does not exist"));
  EXPECT_THAT(Message(networks.AttachPort(7, 1)), HasSubstr("attached to network 7"));
  EXPECT_THAT(Message(networks.DetachPort(2)), HasSubstr("port 2 is attached to no network"));
  EXPECT_THAT(Message(networks.AddRouter(7, 4)), HasSubstr("peer 4 is no router"));
  EXPECT_THAT(Message(networks.RemoveRouter(7, 4)), HasSubstr("network 7 is not at peer 4"));
  EXPECT_THAT(Message(networks.PutEndpoint(7, At(kMac, OnPort(2)))), HasSubstr("not at that port"));
  EXPECT_THAT(Message(networks.PutEndpoint(7, At(kMac, AtRouter(4)))),
              HasSubstr("not at that port"));
  EXPECT_THAT(Message(networks.PutEndpoint(7, At({{1, 0, 0, 0, 0, 0}}, OnPort(1)))),
              HasSubstr("group address"));
  EXPECT_THAT(Message(networks.RemoveEndpoint(7, kMac)), HasSubstr("is not in network 7"));
  EXPECT_FALSE(networks.TakeChanged());
  EXPECT_EQ(endpoints.size(), 0u);
}

TEST_F(NetworksTest, WhatGoesTakesItsEndpointsWithIt) {
  ASSERT_TRUE(networks.Add({.vni = 7}).ok());
  ASSERT_TRUE(networks.AttachPort(7, 1).ok());
  ASSERT_TRUE(networks.AttachPort(7, 2).ok());
  ASSERT_TRUE(networks.AddRouter(7, 3).ok());
  for (std::uint8_t i = 0; i < 9; ++i) {
    const net::MacAddress mac{{2, 0, 0, 0, 1, i}};
    const Place place = i % 3 == 0 ? AtRouter(3) : OnPort(i % 3);
    ASSERT_TRUE(networks.PutEndpoint(7, At(mac, place)).ok());
  }
  EXPECT_EQ(endpoints.size(), 9u);
  ASSERT_TRUE(networks.DetachPort(1).ok());
  EXPECT_EQ(endpoints.size(), 6u);
  networks.ForgetRouter(3);
  EXPECT_EQ(endpoints.size(), 3u);
  EXPECT_TRUE(networks.Find(7)->routers.empty());
  ASSERT_TRUE(networks.Remove(7).ok());
  EXPECT_EQ(endpoints.size(), 0u);
  EXPECT_EQ(networks.Find(7), nullptr);
}

net::IpAddress Address(const char* text) { return *net::IpAddress::Parse(text); }

TEST_F(NetworksTest, EndpointsHaveTheirAddressesAlone) {
  using testing::HasSubstr;
  ASSERT_TRUE(
      networks
          .Add({.vni = 7, .subnets = {{*net::Prefix::Parse("10.1.0.0/16"), Address("10.1.0.1")}}})
          .ok());
  ASSERT_TRUE(networks.Add({.vni = 8}).ok());
  ASSERT_TRUE(networks.AttachPort(7, 1).ok());
  ASSERT_TRUE(networks.AttachPort(8, 2).ok());
  const std::vector<net::IpAddress> addresses = {Address("10.1.0.5"), Address("10.1.0.6"),
                                                 Address("fd00::5")};
  const EndpointSpec first{.mac = kMac, .addresses = addresses, .place = OnPort(1), .epoch = 3};
  ASSERT_TRUE(networks.PutEndpoint(7, first).ok());
  EXPECT_EQ(networks.FindEndpoint(7, kMac), first);
  for (const auto& address : addresses) EXPECT_EQ(networks.FindOwner(7, address), kMac);
  // Another tenant may have the same ones.
  ASSERT_TRUE(
      networks.PutEndpoint(8, {.mac = kMac, .addresses = addresses, .place = OnPort(2)}).ok());

  EndpointSpec second{.mac = {{2, 0, 0, 0, 0, 2}},
                      .addresses = {Address("10.1.0.7"), Address("fd00::5")},
                      .place = OnPort(1)};
  EXPECT_THAT(Message(networks.PutEndpoint(7, second)),
              HasSubstr("address fd00::5 is endpoint 02:00:00:00:00:01's"));
  EXPECT_EQ(networks.FindOwner(7, Address("10.1.0.7")), std::nullopt);
  second.addresses = {Address("10.1.0.1")};
  EXPECT_THAT(Message(networks.PutEndpoint(7, second)), HasSubstr("is the gateway's"));
  EndpointSpec older = first;
  older.epoch = 2;
  EXPECT_THAT(Message(networks.PutEndpoint(7, older)), HasSubstr("epoch 2 is older"));

  // What it no longer has is free for others.
  EndpointSpec changed = first;
  changed.addresses = {Address("10.1.0.6")};
  ASSERT_TRUE(networks.PutEndpoint(7, changed).ok());
  EXPECT_EQ(networks.FindOwner(7, Address("10.1.0.5")), std::nullopt);
  second.addresses = {Address("10.1.0.5")};
  EXPECT_TRUE(networks.PutEndpoint(7, second).ok());
  ASSERT_TRUE(networks.RemoveEndpoint(7, kMac).ok());
  EXPECT_EQ(networks.FindOwner(7, Address("10.1.0.6")), std::nullopt);
  EXPECT_EQ(networks.FindOwner(8, Address("10.1.0.6")), kMac);
  EXPECT_EQ(networks.Find(7)->endpoints, 1u);
}

// A frame on its way must not meet another network under its network's id.
TEST_F(NetworksTest, IdOfARemovedNetworkRestsUntilItIsFreed) {
  ASSERT_TRUE(networks.Add({.vni = 7}).ok());
  ASSERT_TRUE(networks.Add({.vni = 8}).ok());
  ASSERT_TRUE(networks.Remove(7).ok());
  const auto removed = networks.TakeRemovedIds();
  ASSERT_EQ(removed.size(), 1u);
  const auto id_of = [&](std::uint32_t vni) {
    Snapshot snapshot;
    networks.WriteTo(snapshot, [](std::uint32_t) { return nullptr; });
    return snapshot.vnis.Find(vni);
  };
  ASSERT_TRUE(networks.Add({.vni = 9}).ok());
  EXPECT_NE(id_of(9), removed[0]);
  networks.FreeIds(removed);
  ASSERT_TRUE(networks.Add({.vni = 10}).ok());
  EXPECT_EQ(id_of(10), removed[0]);
  EXPECT_EQ(id_of(7), 0);
}

}  // namespace
}  // namespace vireo
