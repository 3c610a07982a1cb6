// Which routers may have a tenant network, as the packets see it: at both ends of each tunnel.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/router/tenants.h"

namespace vireo::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Router a in HR, b in DE, c in a country that nobody has told.
class PolicyOf : public ::testing::Test {
 protected:
  PolicyOf() {
    for (const auto& node : net.nodes) {
      node->router->networks().SetOwn(Spec(*node));
      for (const auto& other : net.nodes) {
        if (other == node) continue;
        EXPECT_TRUE(
            node->router->networks().SetRouter(Tenants::SlotOf(*node, *other), Spec(*other)).ok());
      }
    }
    net.Settle();
  }
  static RouterSpec Spec(const Node& node) {
    const char* countries[] = {"HR", "DE", ""};
    return {.provider = "p" + std::to_string(node.number),
            .country = countries[node.number - 1],
            .vtep = Tenants::Vtep(node)};
  }
  void SetPolicy(Node& node, const NetworkPolicy& policy) {
    ASSERT_TRUE(node.router->networks().Change({.vni = 7, .policy = policy}).ok());
    net.Settle();
  }
  void SetPolicy(const NetworkPolicy& policy) {
    for (const auto& node : net.nodes) SetPolicy(*node, policy);
  }
  Host& Added(Node& node, unsigned number) {
    if (number == 1) tenants.AddNetwork(7);
    return tenants.AddHost(node, 7, number);
  }
  // Numbers that arrive when `from` sends one frame to `to`.
  std::vector<std::uint32_t> Try(Host& from, Host& to) {
    from.Send(to, 1);
    net.Settle();
    return to.Received();
  }

  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Node& c = net.Add();
  Tenants tenants{net, {&a, &b, &c}};
  Host& h1 = Added(a, 1);
  Host& h2 = Added(b, 2);
  Host& h3 = Added(c, 3);
  Host& h4 = Added(a, 4);
};

TEST_F(PolicyOf, LetsThroughWhatItAllowsAndNothingElse) {
  EXPECT_THAT(Try(h1, h3), ElementsAre(1));
  SetPolicy({.countries = {"HR", "DE"}});
  EXPECT_THAT(Try(h1, h2), ElementsAre(1));
  EXPECT_THAT(Try(h2, h1), ElementsAre(1));
  EXPECT_THAT(Try(h1, h3), IsEmpty());
  EXPECT_EQ(a.Drops(DropReason::kPolicyForbids), 1u);
  EXPECT_THAT(Try(h3, h1), IsEmpty());
  EXPECT_EQ(c.Drops(DropReason::kPolicyForbids), 1u);
}

TEST_F(PolicyOf, FramesToEverybodyGoToThoseThatMayHaveThem) {
  SetPolicy({.providers = {"p1", "p2"}});
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 5));
  net.Settle();
  EXPECT_THAT(h2.Received(), ElementsAre(5));
  EXPECT_THAT(h3.Received(), IsEmpty());
  EXPECT_THAT(h4.Received(), ElementsAre(5));
}

// The sender has not heard of the policy, or does not care.
TEST_F(PolicyOf, IsCheckedAgainWhereFramesArrive) {
  SetPolicy(a, {.countries = {"HR", "DE"}});
  EXPECT_THAT(Try(h3, h1), IsEmpty());
  EXPECT_EQ(a.Drops(DropReason::kPolicyForbids), 1u);
}

TEST_F(PolicyOf, NothingPassesWhereWeMayNotHaveTheNetworkOurselves) {
  SetPolicy(a, {.countries = {"DE"}});
  EXPECT_THAT(Try(h1, h4), IsEmpty());
  EXPECT_THAT(Try(h1, h2), IsEmpty());
  EXPECT_THAT(Try(h2, h1), IsEmpty());
  EXPECT_EQ(a.Drops(DropReason::kPolicyForbids), 3u);
}

TEST_F(PolicyOf, FollowsTheSuiteOfTheTunnel) {
  SetPolicy(a, {.suite = CipherSuite::kAes256Gcm});
  EXPECT_THAT(Try(h1, h2), IsEmpty());
  for (const auto& [node, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    PeerRecord& record = *node->router->FindPeer(wg::PublicKeyOf(Node::KeyOf(other->number)));
    node->router->engine().SetSuite(*record.peer, CipherSuite::kAes256Gcm);
  }
  net.Settle();
  EXPECT_THAT(Try(h1, h2), ElementsAre(1));
  EXPECT_THAT(Try(h1, h3), IsEmpty());
}

TEST_F(PolicyOf, RoutersThatDoNotHaveTheNetworkSendNothingIntoIt) {
  ASSERT_TRUE(a.router->networks().RemoveRouter(7, Tenants::SlotOf(a, c)).ok());
  net.Settle();
  EXPECT_THAT(Try(h3, h1), IsEmpty());
  EXPECT_EQ(a.Drops(DropReason::kRouterNotMember), 1u);
}

TEST_F(PolicyOf, EndpointIsNotArmedForWhereItMustNotBe) {
  SetPolicy({.countries = {"HR"}});
  const auto arm = [&](Node& node, Place to) {
    const auto armed = node.router->moves().Arm(7, h1.mac, 1, to);
    return armed.ok() ? std::string("armed") : armed.error().message;
  };
  const Place to_b{Place::Kind::kRouter, Tenants::SlotOf(a, b)};
  const Place to_c{Place::Kind::kRouter, Tenants::SlotOf(a, c)};
  EXPECT_THAT(arm(a, to_b), HasSubstr("must not move there: country DE is not in network 7's"));
  EXPECT_THAT(arm(a, to_c), HasSubstr("must not move there: country"));
  EXPECT_THAT(arm(b, {Place::Kind::kPort, h2.port->id()}), HasSubstr("country DE is not in"));
  EXPECT_TRUE(a.router->moves().List().empty());

  SetPolicy({.countries = {"HR", "DE"}});
  EXPECT_EQ(arm(a, to_b), "armed");
}

}  // namespace
}  // namespace vireo::sim
