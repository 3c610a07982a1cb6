// The tenant networks of a router: which there are, who has them, and where their endpoints are.
//
// Endpoints change one at a time in a table that workers read in place; the rest is written to the
// next snapshot.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/slow/endpoint_records.h"
#include "dataplane/slow/tenant_objects.h"
#include "dataplane/slow/tenant_subnets.h"
#include "dataplane/table/endpoint_table.h"
#include "dataplane/table/snapshot.h"

namespace vireo {

// A network as checks of its endpoints see it: as it is, or as it will be after a batch.
class NetworkView {
 public:
  virtual ~NetworkView() = default;
  [[nodiscard]] virtual const NetworkSpec& spec() const = 0;
  // Whether the network is at that port or router.
  [[nodiscard]] virtual bool Has(const Place& place) const = 0;
  // The endpoint that has the address.
  [[nodiscard]] virtual std::optional<net::MacAddress> Owner(
      const net::IpAddress& address) const = 0;
  // nullopt: no such endpoint.
  [[nodiscard]] virtual std::optional<std::uint64_t> EpochOf(const net::MacAddress& mac) const = 0;
  // No room for another endpoint.
  [[nodiscard]] virtual bool full() const = 0;
};

// Errors: as Networks' of the same object.
[[nodiscard]] Status CheckNetwork(const NetworkSpec& spec);
[[nodiscard]] Status CheckSameKind(const NetworkSpec& present, const NetworkSpec& spec);
[[nodiscard]] Status CheckRouter(const RouterSpec& spec);
// `place` instead of the spec's.
[[nodiscard]] Status CheckEndpoint(const NetworkView& network, const EndpointSpec& spec,
                                   const Place& place);

// Thread: slow path only. Networks are named by their VNI. Errors: kNotFound (no such network,
// port, router or endpoint), kAlreadyExists, kInvalidArgument, kConflict (an older epoch); none of
// them changes anything.
class Networks {
 public:
  explicit Networks(EndpointTable& table) : table_(table) {}

  struct Network {
    NetworkSpec spec;
    NetworkId id = 0;
    std::set<PortId> ports;
    std::set<std::uint32_t> routers;  // peer slots
    std::size_t endpoints = 0;        // how many
  };

  Status Add(NetworkSpec spec);
  // What a living network may change: all but its VNI and kind.
  Status Change(NetworkSpec spec);
  // With all its endpoints; its ports stay, attached to none.
  Status Remove(std::uint32_t vni);
  // A bridged port is in one network at most. REQUIRES: the router has the port, bridged.
  Status AttachPort(std::uint32_t vni, PortId port);
  Status DetachPort(PortId port);
  // The network is on that router too: it gets the frames that go to everybody.
  Status AddRouter(std::uint32_t vni, std::uint32_t peer_slot);
  Status RemoveRouter(std::uint32_t vni, std::uint32_t peer_slot);
  // Says all about an endpoint, known or new: on an attached port or behind a member router.
  // The place's `move` is not looked at: an endpoint that is in a move stays in it.
  Status PutEndpoint(std::uint32_t vni, const EndpointSpec& spec);
  Status RemoveEndpoint(std::uint32_t vni, const net::MacAddress& mac);
  // Only where it is; for moves. REQUIRES: it exists.
  void SetPlace(std::uint32_t vni, const net::MacAddress& mac, Place place, std::uint64_t epoch);
  // The peer is gone: no network has it any more, and its endpoints are nowhere.
  void ForgetRouter(std::uint32_t peer_slot);

  // Makes the peer a router of the overlay.
  Status SetRouter(std::uint32_t peer_slot, RouterSpec spec);
  // What we are ourselves; a VTEP address of each family at most.
  void SetOwnVtep(const net::IpAddress& address);
  void SetOwn(RouterSpec spec);
  // The address of that family; family kNone: we have none.
  [[nodiscard]] const net::IpAddress& own_vtep(net::Family family) const {
    return family == net::Family::kIpv4 ? own_v4_ : own_v6_;
  }
  void ClearOwnVteps();

  // Called with each endpoint in a move that is about to be forgotten.
  void SetForgotten(std::function<void(std::uint32_t vni, const net::MacAddress& mac)> forgotten) {
    forgotten_ = std::move(forgotten);
  }

  // Tells the suite of the tunnel to a peer; nullopt: not known. MarkChanged() when one changes.
  using SuiteOf = std::function<std::optional<CipherSuite>(std::uint32_t peer_slot)>;
  void SetSuiteOf(SuiteOf suite_of) { suite_of_ = std::move(suite_of); }
  void MarkChanged() { changed_ = true; }
  // The rule of the network's policy that keeps the router (nullopt: ourselves) from having it, for
  // a person; nullopt: it may.
  [[nodiscard]] Result<std::optional<std::string>> ExplainPolicy(
      std::uint32_t vni, std::optional<std::uint32_t> peer_slot) const;

  // By VNI; nullptr, nullopt: no such.
  [[nodiscard]] const Network* Find(std::uint32_t vni) const;
  [[nodiscard]] const Network* FindById(NetworkId id) const;
  [[nodiscard]] std::optional<EndpointSpec> FindEndpoint(std::uint32_t vni,
                                                         const net::MacAddress& mac) const;
  // The same without the addresses: place and epoch.
  [[nodiscard]] std::optional<std::pair<Place, std::uint64_t>> FindPlace(
      const Network& network, const net::MacAddress& mac) const;
  // Of the endpoint that has the address.
  [[nodiscard]] std::optional<net::MacAddress> FindOwner(std::uint32_t vni,
                                                         const net::IpAddress& address) const;
  [[nodiscard]] std::optional<net::MacAddress> FindOwner(const Network& network,
                                                         const net::IpAddress& address) const {
    return table_.Owner(network.id, address.family, address.span().data());
  }
  // The network whose subnet the address lies in: `network` or another one of its tenant; nullptr:
  // none of them.
  [[nodiscard]] const Network* FindInTenant(const NetworkSpec& network,
                                            const net::IpAddress& address) const;
  [[nodiscard]] const TenantSubnets& subnets() const { return subnets_; }
  [[nodiscard]] const RouterSpec* FindRouter(std::uint32_t peer_slot) const;
  [[nodiscard]] const RouterSpec& own() const { return own_; }
  [[nodiscard]] const std::map<std::uint32_t, RouterSpec>& routers() const { return routers_; }
  [[nodiscard]] bool HasPorts() const { return !attached_.empty(); }
  // 0: attached to none.
  [[nodiscard]] std::uint32_t VniOfPort(PortId port) const;
  // In the order of VNIs.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [vni, entry] : networks_) visit(entry.network);
  }
  template <typename Visit>
  void ForEachEndpoint(std::uint32_t vni, Visit visit) const {
    const auto it = networks_.find(vni);
    if (it == networks_.end()) return;
    for (std::uint32_t i = it->second.head; i != EndpointRecord::kNone; i = records_[i].next) {
      visit(Describe(records_[i]));
    }
  }

  [[nodiscard]] std::size_t size() const { return networks_.size(); }
  [[nodiscard]] std::size_t endpoints() const { return table_.size(); }
  // How many more networks and endpoints there may be.
  [[nodiscard]] std::size_t network_room() const {
    return free_ids_.size() + (UINT16_MAX - next_id_);
  }
  [[nodiscard]] std::size_t endpoint_room() const { return records_.room(); }
  // Networks from `after` on, in the order of VNIs, until `visit` says false.
  template <typename Visit>
  void ForEachFrom(std::uint32_t after, Visit visit) const {
    for (auto it = networks_.upper_bound(after); it != networks_.end(); ++it) {
      if (!visit(it->second.network)) return;
    }
  }
  // Endpoints from record `first` on, in the order of records, until `visit(record, vni, endpoint)`
  // says false. An endpoint keeps its record as long as it lives. `vni` 0: of all networks.
  template <typename Visit>
  void ForEachEndpointFrom(EndpointRecords::Index first, std::uint32_t vni, Visit visit) const {
    const auto visit_one = [&](EndpointRecords::Index i) {
      return visit(i, vnis_[records_[i].network], Describe(records_[i]));
    };
    if (vni != 0 && !WorthScanning(vni)) {
      for (const EndpointRecords::Index i : RecordsOf(vni, first)) {
        if (!visit_one(i)) return;
      }
      return;
    }
    const Network* wanted = vni == 0 ? nullptr : Find(vni);
    for (std::size_t i = first; i < records_.size(); ++i) {
      const NetworkId id = records_[static_cast<EndpointRecords::Index>(i)].network;
      if (id == 0 || (wanted != nullptr && id != wanted->id)) continue;
      if (!visit_one(static_cast<EndpointRecords::Index>(i))) return;
    }
  }

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
    for (const auto& [slot, router] : routers_) {
      const bool reachable =
          router.vtep.is_v4() ? snapshot.vtep_v4.is_v4() : snapshot.vtep_v6.is_v6();
      if (snapshot.routers.size() <= slot) snapshot.routers.resize(slot + 1);
      if (reachable) snapshot.routers[slot] = {path_of(slot), router.vtep};
    }
  }

 private:
  struct Entry {
    Network network;
    std::uint32_t head = EndpointRecord::kNone;  // of its endpoints
  };
  class View;
  Result<Entry*> Get(std::uint32_t vni);
  [[nodiscard]] EndpointSpec Describe(const EndpointRecord& record) const;
  // Whether going through all records finds the network's endpoints sooner than its list does.
  [[nodiscard]] bool WorthScanning(std::uint32_t vni) const;
  [[nodiscard]] std::vector<EndpointRecords::Index> RecordsOf(std::uint32_t vni,
                                                              EndpointRecords::Index first) const;
  void SetAddresses(EndpointRecord& record, const std::vector<net::IpAddress>& addresses);
  void Forget(Entry& entry, EndpointRecords::Index index);
  void ForgetAllAt(Entry& entry, Place::Kind kind, std::uint32_t index);
  void WriteNetworks(Snapshot& snapshot) const;
  void WriteTenants(Snapshot& snapshot) const;
  void WritePolicy(const Network& network, NetworkEntry& out) const;
  [[nodiscard]] std::optional<std::string> Explain(const Network& network,
                                                   std::uint32_t slot) const;

  EndpointTable& table_;
  EndpointRecords records_;
  TenantSubnets subnets_;                    // of all networks
  std::map<std::uint32_t, Entry> networks_;  // by VNI
  std::vector<std::uint32_t> vnis_;          // by id
  std::vector<NetworkId> free_ids_, removed_ids_;
  NetworkId next_id_ = 1;
  std::map<PortId, std::uint32_t> attached_;     // port to VNI
  std::map<std::uint32_t, RouterSpec> routers_;  // by peer slot
  RouterSpec own_;
  net::IpAddress own_v4_, own_v6_;
  std::function<void(std::uint32_t, const net::MacAddress&)> forgotten_;
  // By port; kept when a port goes, as workers may still count with it.
  std::map<PortId, std::unique_ptr<PortMeter>> meters_;
  SuiteOf suite_of_ = [](std::uint32_t) { return std::nullopt; };
  bool changed_ = false;
};

}  // namespace vireo
