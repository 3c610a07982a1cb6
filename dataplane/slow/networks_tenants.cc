// What workers read of subnets and gateways: which networks are routed to each other, and what
// every router answers for in them.

#include <map>
#include <string>

#include "dataplane/net/gateway.h"
#include "dataplane/slow/networks.h"

namespace vireo {
namespace {

void WriteServices(const NetworkSpec& spec, NetworkEntry& out) {
  out.routed = spec.kind == NetworkKind::kRouted;
  out.mtu = spec.mtu;
  for (const Subnet& subnet : spec.subnets) {
    (subnet.prefix.address.is_v4() ? out.serves_v4 : out.serves_v6) = true;
    if (subnet.gateway.family != net::Family::kNone) out.gateways.push_back(subnet.gateway);
  }
  if (out.serves_v4) out.gateways.push_back(net::ServiceAddressV4());
  if (out.serves_v6) out.gateways.push_back(net::ServiceAddressV6());
}

}  // namespace

void Networks::WriteTenants(Snapshot& snapshot) const {
  std::map<std::string_view, std::uint32_t> by_name;
  std::vector<std::vector<SubnetTable::Subnet>> subnets(1);
  for (const auto& [vni, entry] : networks_) {
    const NetworkSpec& spec = entry.network.spec;
    NetworkEntry& out = snapshot.networks[entry.network.id];
    WriteServices(spec, out);
    if (spec.subnets.empty()) continue;
    const auto next = static_cast<std::uint32_t>(subnets.size());
    // A network without a tenant is routed to no other.
    out.tenant = spec.tenant.empty() ? next : by_name.try_emplace(spec.tenant, next).first->second;
    if (out.tenant == next) subnets.emplace_back();
    for (const Subnet& subnet : spec.subnets) {
      subnets[out.tenant].push_back({subnet.prefix, entry.network.id});
    }
  }
  for (const auto& of_tenant : subnets) snapshot.tenants.emplace_back(of_tenant);
}

}  // namespace vireo
