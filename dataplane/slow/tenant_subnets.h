// Which network has an address: the subnets of all networks, by tenant. Networks of one tenant are
// routed to each other, so no two of their subnets may overlap.
//
// Thread: slow path only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/slow/tenant_objects.h"

namespace vireo {

class TenantSubnets {
 public:
  struct Entry {
    net::Prefix prefix;
    std::uint32_t vni = 0;
  };

  // REQUIRES: Check(spec) is fine, all counting but what spec replaces and what was removed.
  void Add(const NetworkSpec& spec);
  void Remove(const NetworkSpec& spec);

  // Whether the network's subnets overlap each other or one here whose network counts. Error
  // kInvalidArgument: which two do. `counts(vni)` is asked about networks of the same tenant.
  template <typename Counts>
  [[nodiscard]] Status Check(const NetworkSpec& spec, Counts counts) const {
    for (std::size_t i = 0; i < spec.subnets.size(); ++i) {
      const net::Prefix& prefix = spec.subnets[i].prefix;
      for (std::size_t j = 0; j < i; ++j) {
        if (Overlap(prefix, spec.subnets[j].prefix)) {
          return Refuse(spec, prefix, {spec.subnets[j].prefix, spec.vni});
        }
      }
      if (const auto other = Overlapping(spec, prefix, counts)) {
        return Refuse(spec, prefix, *other);
      }
    }
    return {};
  }

  // The subnet of `network` or another network of its tenant that has the address. A network
  // without a tenant has no others.
  [[nodiscard]] std::optional<Entry> Find(const NetworkSpec& network,
                                          const net::IpAddress& address) const;

 private:
  using Tenant = std::tuple<std::string, std::uint32_t, net::Family>;  // VNI if it has no name
  using Subnets = std::map<net::IpAddress, Entry>;  // by first address; they do not overlap

  static Tenant TenantOf(const NetworkSpec& spec, net::Family family) {
    return {spec.tenant, spec.tenant.empty() ? spec.vni : 0, family};
  }
  static bool Overlap(const net::Prefix& a, const net::Prefix& b) {
    return a.address.family == b.address.family && (a.Contains(b.address) || b.Contains(a.address));
  }
  static Error Refuse(const NetworkSpec& spec, const net::Prefix& prefix, const Entry& other);

  template <typename Counts>
  [[nodiscard]] std::optional<Entry> Overlapping(const NetworkSpec& spec, const net::Prefix& prefix,
                                                 Counts counts) const {
    const auto of_tenant = tenants_.find(TenantOf(spec, prefix.address.family));
    if (of_tenant == tenants_.end()) return std::nullopt;
    const Subnets& subnets = of_tenant->second;
    auto it = subnets.lower_bound(prefix.address);
    if (it != subnets.begin()) --it;  // the only one before it that may reach into it
    for (; it != subnets.end(); ++it) {
      if (Overlap(prefix, it->second.prefix)) {
        if (counts(it->second.vni)) return it->second;
      } else if (it->first > prefix.address) {
        break;
      }
    }
    return std::nullopt;
  }

  std::map<Tenant, Subnets> tenants_;
};

}  // namespace vireo
