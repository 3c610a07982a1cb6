#include "dataplane/slow/network_policy.h"

#include <gtest/gtest.h>

#include "dataplane/slow/networks.h"

namespace vireo {
namespace {

struct Case {
  const char* name;
  NetworkPolicy policy;
  std::string country, provider;
  std::string refusal;  // empty: allowed
};
class Policy : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    All, Policy,
    ::testing::Values(Case{"NoneAllowsAnybody", {}, "", "", ""},
                      Case{"CountryInTheList", {.countries = {"HR", "DE"}}, "DE", "", ""},
                      Case{"CountryNotInTheList",
                           {.countries = {"HR", "DE"}},
                           "PL",
                           "",
                           "country PL is not in network 7's list HR, DE"},
                      Case{"UnknownCountry",
                           {.countries = {"HR"}},
                           "",
                           "p1",
                           "country is not known and so not in network 7's list HR"},
                      // A list with an empty entry does not let the unknown in.
                      Case{"UnknownCountryAndEmptyEntry",
                           {.countries = {""}},
                           "",
                           "",
                           "country is not known and so not in network 7's list "},
                      Case{"ProviderInTheList", {.providers = {"p1"}}, "", "p1", ""},
                      Case{"ProviderNotInTheList",
                           {.providers = {"p1", "p2"}},
                           "HR",
                           "p3",
                           "provider p3 is not in network 7's list p1, p2"},
                      Case{"BothListsMustAllow",
                           {.countries = {"HR"}, .providers = {"p1"}},
                           "HR",
                           "",
                           "provider is not known and so not in network 7's list p1"}),
    [](const auto& c) { return std::string(c.param.name); });

TEST_P(Policy, NamesTheRuleThatRefuses) {
  const Case& c = GetParam();
  const NetworkSpec network{.vni = 7, .policy = c.policy};
  EXPECT_EQ(
      RefusalOf(network, RouterSpec{.provider = c.provider, .country = c.country}).value_or(""),
      c.refusal);
}

TEST(PolicySuite, MustBeTheTunnels) {
  const NetworkSpec any{.vni = 7};
  const NetworkSpec aes{.vni = 7, .policy = {.suite = CipherSuite::kAes256Gcm}};
  EXPECT_FALSE(RefusalOf(any, std::optional<CipherSuite>()));
  EXPECT_FALSE(RefusalOf(aes, CipherSuite::kAes256Gcm));
  EXPECT_EQ(RefusalOf(aes, CipherSuite::kChaCha20Poly1305),
            "the tunnel's suite is chacha20poly1305 and network 7 wants aes256gcm");
  EXPECT_EQ(RefusalOf(aes, std::optional<CipherSuite>()),
            "the tunnel's suite is not known and network 7 wants aes256gcm");
}

TEST(PolicyOfNetworks, IsExplainedForRoutersAndOurselves) {
  EndpointTable endpoints{1, [](const auto&) {}};
  Networks networks{endpoints};
  ASSERT_TRUE(
      networks.SetRouter(3, {.country = "PL", .vtep = *net::IpAddress::Parse("10.0.3.1")}).ok());
  ASSERT_TRUE(networks.Add({.vni = 7, .policy = {.countries = {"HR"}}}).ok());
  networks.SetOwn({.country = "HR"});
  EXPECT_EQ(networks.ExplainPolicy(7, 3).value(), "country PL is not in network 7's list HR");
  EXPECT_EQ(networks.ExplainPolicy(7, 4).value(), "peer 4 is no router");
  EXPECT_EQ(networks.ExplainPolicy(7, std::nullopt).value(), std::nullopt);
  EXPECT_FALSE(networks.ExplainPolicy(8, 3).ok());
}

}  // namespace
}  // namespace vireo
