#include "dataplane/table/subnet_table.h"

#include "dataplane/base/bytes.h"

namespace vireo {

SubnetTable::SubnetTable(std::span<const Subnet> subnets) {
  std::vector<PrefixSpan<std::uint32_t>> spans4;
  std::vector<PrefixSpan<Address6>> spans6;
  for (const Subnet& subnet : subnets) AddSpan(subnet.prefix, subnet.network, spans4, spans6);
  v4_ = Flatten(std::move(spans4), 0);
  v6_ = Flatten(std::move(spans6), 0);
}

NetworkId SubnetTable::Find(net::Family family, const std::byte* raw) const {
  const std::uint32_t found = family == net::Family::kIpv4
                                  ? v4_.Find(reinterpret_cast<const Be32*>(raw)->value())
                                  : v6_.Find(LoadV6(raw));
  return static_cast<NetworkId>(found);
}

}  // namespace vireo
