// Looking through the endpoints of networks, for whoever reads them back.

#include <algorithm>

#include "dataplane/slow/networks.h"

namespace vireo {

std::optional<std::pair<Place, std::uint64_t>> Networks::FindPlace(
    const Network& network, const net::MacAddress& mac) const {
  const auto record = table_.FindRecord(network.id, mac);
  if (!record) return std::nullopt;
  return std::pair(table_.Find(network.id, mac), records_[*record].epoch);
}

bool Networks::WorthScanning(std::uint32_t vni) const {
  const Network* network = Find(vni);
  // A list's records lie anywhere, a scan goes through memory in order.
  return network != nullptr && network->endpoints > records_.size() / 8;
}

std::vector<EndpointRecords::Index> Networks::RecordsOf(std::uint32_t vni,
                                                        EndpointRecords::Index first) const {
  std::vector<EndpointRecords::Index> indices;
  const auto it = networks_.find(vni);
  if (it == networks_.end()) return indices;
  for (std::uint32_t i = it->second.head; i != EndpointRecord::kNone; i = records_[i].next) {
    if (i >= first) indices.push_back(i);
  }
  std::ranges::sort(indices);
  return indices;
}

}  // namespace vireo
