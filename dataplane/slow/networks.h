// The tenant networks of a router: which there are, who has them, and where their endpoints are.
//
// Endpoints change one at a time in a table that workers read in place; the rest is written to the
// next snapshot.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/table/endpoint_table.h"
#include "dataplane/table/snapshot.h"

namespace vireo {

// Thread: slow path only. Networks are named by their VNI. Errors: kNotFound (no such network,
// port, router or endpoint), kAlreadyExists, kInvalidArgument; none of them changes anything.
class Networks {
 public:
  explicit Networks(EndpointTable& endpoints) : endpoints_(endpoints) {}

  struct Network {
    std::uint32_t vni = 0;
    bool flood = false;
    std::set<PortId> ports;
    std::set<std::uint32_t> routers;  // peer slots
    std::map<net::MacAddress, Place> endpoints;
  };

  Status Add(std::uint32_t vni, bool flood);
  // With all its endpoints; its ports stay, attached to none.
  Status Remove(std::uint32_t vni);
  // A bridged port is in one network at most. REQUIRES: the router has the port, bridged.
  Status AttachPort(std::uint32_t vni, PortId port);
  Status DetachPort(PortId port);
  // The network is on that router too: it gets the frames that go to everybody.
  Status AddRouter(std::uint32_t vni, std::uint32_t peer_slot);
  Status RemoveRouter(std::uint32_t vni, std::uint32_t peer_slot);
  // Says where the endpoint is, known or new: on an attached port or behind a member router.
  Status PutEndpoint(std::uint32_t vni, const net::MacAddress& mac, Place place);
  Status RemoveEndpoint(std::uint32_t vni, const net::MacAddress& mac);
  // The peer is gone: no network has it any more, and its endpoints are nowhere.
  void ForgetRouter(std::uint32_t peer_slot);

  // The address at which the peer takes VXLAN; family kNone: it is no router.
  void SetVtep(std::uint32_t peer_slot, const net::IpAddress& address);
  // Our own, at most one a family.
  void SetOwnVtep(const net::IpAddress& address);

  // By VNI.
  [[nodiscard]] const Network* Find(std::uint32_t vni) const;
  // Ids of removed networks. They may be given to others, by FreeIds, only when no worker can hold
  // a frame or a snapshot of theirs: one tenant's frames must never be taken for another's.
  [[nodiscard]] std::vector<NetworkId> TakeRemovedIds() { return std::exchange(removed_ids_, {}); }
  void FreeIds(const std::vector<NetworkId>& ids) {
    free_ids_.insert(free_ids_.end(), ids.begin(), ids.end());
  }
  // True once after each change that the workers' snapshot must have.
  [[nodiscard]] bool TakeChanged() { return std::exchange(changed_, false); }
  // Writes networks, routers and the ports' networks. REQUIRES: the snapshot has its ports.
  // `path_of` gives a peer's path by slot, nullptr if there is none.
  template <typename PathOf>
  void WriteTo(Snapshot& snapshot, PathOf path_of) const {
    WriteNetworks(snapshot);
    for (const auto& [slot, vtep] : vteps_) {
      const bool reachable = vtep.is_v4() ? snapshot.vtep_v4.is_v4() : snapshot.vtep_v6.is_v6();
      if (snapshot.routers.size() <= slot) snapshot.routers.resize(slot + 1);
      if (reachable) snapshot.routers[slot] = {path_of(slot), vtep};
    }
  }

 private:
  struct Entry {
    NetworkId id = 0;
    Network network;
  };
  Result<Entry*> Get(std::uint32_t vni);
  void WriteNetworks(Snapshot& snapshot) const;

  EndpointTable& endpoints_;
  std::map<std::uint32_t, Entry> networks_;  // by VNI
  std::vector<NetworkId> free_ids_, removed_ids_;
  NetworkId next_id_ = 1;
  std::map<PortId, std::uint32_t> attached_;  // port to VNI
  std::map<std::uint32_t, net::IpAddress> vteps_;
  net::IpAddress own_v4_, own_v6_;
  bool changed_ = false;
};

}  // namespace vireo
