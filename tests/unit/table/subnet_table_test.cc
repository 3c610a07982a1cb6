#include "dataplane/table/subnet_table.h"

#include <gtest/gtest.h>

namespace vireo {
namespace {

NetworkId Find(const SubnetTable& table, const char* text) {
  const auto address = *net::IpAddress::Parse(text);
  return table.Find(address.family, address.span().data());
}

TEST(SubnetTable, FindsTheLongestPrefixOfEitherFamily) {
  const SubnetTable::Subnet subnets[] = {
      {*net::Prefix::Parse("10.0.0.0/8"), 1},  {*net::Prefix::Parse("10.1.0.0/16"), 2},
      {*net::Prefix::Parse("10.1.2.3/32"), 3}, {*net::Prefix::Parse("255.255.255.0/24"), 4},
      {*net::Prefix::Parse("fd00::/8"), 5},    {*net::Prefix::Parse("fd01::/64"), 6},
  };
  const SubnetTable table(subnets);
  const struct {
    const char* address;
    NetworkId network;
  } cases[] = {{"9.255.255.255", 0},   {"10.0.0.0", 1}, {"10.1.0.0", 2}, {"10.1.2.2", 2},
               {"10.1.2.3", 3},        {"10.1.2.4", 2}, {"10.2.0.0", 1}, {"11.0.0.0", 0},
               {"255.255.255.255", 4}, {"fcff::", 0},   {"fd00::1", 5},  {"fd01::1", 6},
               {"fd01:0:0:1::", 5},    {"ffff::", 0}};
  for (const auto& test : cases) {
    EXPECT_EQ(Find(table, test.address), test.network) << test.address;
  }
  EXPECT_EQ(Find(SubnetTable(), "10.0.0.1"), 0);
  EXPECT_EQ(Find(SubnetTable(), "::"), 0);
}

}  // namespace
}  // namespace vireo
