#include "dataplane/slow/network_policy.h"

#include <algorithm>
#include <string_view>

namespace vireo {
namespace {

std::string NameOf(const NetworkSpec& network) { return "network " + std::to_string(network.vni); }

std::optional<std::string> NotInList(const NetworkSpec& network, std::string_view what,
                                     const std::string& value,
                                     const std::vector<std::string>& list) {
  if (list.empty()) return std::nullopt;
  if (!value.empty() && std::ranges::find(list, value) != list.end()) return std::nullopt;
  std::string text(what);
  text += value.empty() ? " is not known and so" : " " + value + " is";
  text += " not in " + NameOf(network) + "'s list ";
  for (std::size_t i = 0; i < list.size(); ++i) text += (i == 0 ? "" : ", ") + list[i];
  return text;
}

}  // namespace

std::optional<std::string> RefusalOf(const NetworkSpec& network, const RouterSpec& router) {
  if (auto no = NotInList(network, "country", router.country, network.policy.countries)) return no;
  return NotInList(network, "provider", router.provider, network.policy.providers);
}

std::optional<std::string> RefusalOf(const NetworkSpec& network, std::optional<CipherSuite> suite) {
  if (!network.policy.suite || suite == network.policy.suite) return std::nullopt;
  return "the tunnel's suite is " + (suite ? std::string(Name(*suite)) : "not known") + " and " +
         NameOf(network) + " wants " + std::string(Name(*network.policy.suite));
}

}  // namespace vireo
