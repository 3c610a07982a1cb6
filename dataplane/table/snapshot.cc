#include "dataplane/table/snapshot.h"

#include <algorithm>
#include <bit>

namespace vireo {

VniIndex::VniIndex(std::span<const NetworkEntry> networks)
    : slots_(std::bit_ceil(std::max<std::size_t>(networks.size() * 2, 2))) {
  for (std::size_t id = 1; id < networks.size(); ++id) {
    const std::uint32_t vni = networks[id].vni;
    if (vni == 0) continue;  // a free id
    std::size_t i = vni;
    while (slots_[i & (slots_.size() - 1)].network != 0) ++i;
    slots_[i & (slots_.size() - 1)] = {vni, static_cast<NetworkId>(id)};
  }
}

}  // namespace vireo
