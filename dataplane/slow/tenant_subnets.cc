#include "dataplane/slow/tenant_subnets.h"

namespace vireo {

void TenantSubnets::Add(const NetworkSpec& spec) {
  for (const Subnet& subnet : spec.subnets) {
    const net::IpAddress& first = subnet.prefix.address;
    tenants_[TenantOf(spec, first.family)].insert_or_assign(first, Entry{subnet.prefix, spec.vni});
  }
}

void TenantSubnets::Remove(const NetworkSpec& spec) {
  for (const Subnet& subnet : spec.subnets) {
    const auto of_tenant = tenants_.find(TenantOf(spec, subnet.prefix.address.family));
    if (of_tenant == tenants_.end()) continue;
    const auto it = of_tenant->second.find(subnet.prefix.address);
    if (it != of_tenant->second.end() && it->second.vni == spec.vni) of_tenant->second.erase(it);
    if (of_tenant->second.empty()) tenants_.erase(of_tenant);
  }
}

std::optional<TenantSubnets::Entry> TenantSubnets::Find(const NetworkSpec& network,
                                                        const net::IpAddress& address) const {
  const auto of_tenant = tenants_.find(TenantOf(network, address.family));
  if (of_tenant == tenants_.end()) return std::nullopt;
  auto it = of_tenant->second.upper_bound(address);
  if (it == of_tenant->second.begin()) return std::nullopt;
  --it;
  if (!it->second.prefix.Contains(address)) return std::nullopt;
  return it->second;
}

Error TenantSubnets::Refuse(const NetworkSpec& spec, const net::Prefix& prefix,
                            const Entry& other) {
  std::string text = "network " + std::to_string(spec.vni) + ": subnet " + prefix.ToString() +
                     " overlaps " + other.prefix.ToString() + " of ";
  if (other.vni == spec.vni) {
    text += "the same network";
  } else {
    text += "network " + std::to_string(other.vni) + " of the same tenant \"" + spec.tenant +
            "\", to which it is routed";
  }
  return {ErrorCode::kInvalidArgument, text + "; give each address to one subnet only"};
}

}  // namespace vireo
