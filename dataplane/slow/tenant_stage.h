// What the router's networks will be when a batch's changes so far have been made, without making
// them: so a batch with a mistake is refused before it has touched anything.
//
// Theory of operation. The stage holds only what the batch touches and looks through to the router
// for the rest. Places (ports and routers of a network) that the batch takes away take their
// endpoints along; instead of finding these, the stage counts how often a place was lost, and an
// endpoint lives only as long as the count is what it was when the endpoint came. A router that is
// made anew has another number here, beyond all slots, so that nothing of the former is its; so
// have ports that are not there yet, beyond all port ids.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "dataplane/slow/port_names.h"
#include "dataplane/slow/router.h"
#include "dataplane/slow/tenant_changes.h"

namespace vireo {

// Thread: slow path only. The router must not change while the stage is in use.
class TenantStage {
 public:
  // The references must outlive the stage.
  TenantStage(Router& router, const PortNames& ports, const PutPorts& put_ports);

  // Takes the change into the view, or refuses it with the error that the router would give; then
  // the stage is of no more use. `change` must outlive the stage.
  Status Take(const TenantChange& change);

 private:
  struct PlaceState {
    bool here = false;
    unsigned lost = 0;  // how often in this batch
  };
  struct StagedEndpoint {
    const EndpointSpec* spec = nullptr;  // nullptr: removed
    Place place;
    unsigned lost = 0;  // of its place when it was put there
  };
  struct MacHash {
    std::size_t operator()(const net::MacAddress& mac) const noexcept;
  };
  struct AddressHash {
    std::size_t operator()(const net::IpAddress& address) const noexcept;
  };
  using PlaceKey = std::pair<Place::Kind, std::uint32_t>;
  struct Network {
    const NetworkSpec* spec = nullptr;          // nullptr: it does not exist
    const Networks::Network* former = nullptr;  // nullptr: it has nothing but what is here
    std::map<PlaceKey, PlaceState> places;
    std::unordered_map<net::MacAddress, StagedEndpoint, MacHash> endpoints;
    std::unordered_map<net::IpAddress, net::MacAddress, AddressHash> owners;  // may be outdated
  };
  struct Peer {
    bool exists = false;
    bool is_router = false;
    std::uint32_t slot = 0;  // or a number beyond all slots
  };
  struct StagedPort {
    std::uint32_t index = 0;  // PortId, or a number beyond all of them
    bool bridged = false;
  };
  struct NewPort {
    const api::PortConfig* config = nullptr;
    std::uint32_t index = 0;
  };
  class View;

  Status Take(const PutRouter& change);
  Status Take(const RemoveRouter& change);
  Status Take(const PutOwnRouter& change);
  Status Take(const PutNetwork& change);
  Status Take(const RemoveNetwork& change);
  Status Take(const AttachPort& change);
  Status Take(const DetachPort& change);
  Status Take(const PutPort& change);
  Status Take(const RemovePort& change);
  Status Take(const PutMember& change);
  Status Take(const RemoveMember& change);
  Status Take(const PutEndpoint& change);
  Status Take(const RemoveEndpoint& change);

  Network& At(std::uint32_t vni);
  [[nodiscard]] Status CheckSubnets(const NetworkSpec& spec) const;
  void ForgetSubnets(const Network& network);
  Result<Network*> Get(std::uint32_t vni);
  Peer& PeerOf(const wg::PublicKey& key);
  [[nodiscard]] Result<StagedPort> PortOf(const std::string& name) const;
  [[nodiscard]] Status CheckAddresses(const api::PortConfig& port) const;
  Result<Peer*> RouterOf(const wg::PublicKey& key);
  Result<Place> Resolve(const PutEndpoint& change);
  [[nodiscard]] std::uint32_t VniOf(std::uint32_t port) const;
  void Detach(std::uint32_t port, std::uint32_t vni);
  void Lose(Network& network, Place::Kind kind, std::uint32_t index);

  // Of one network.
  [[nodiscard]] bool Has(const Network& network, const Place& place) const;
  [[nodiscard]] static unsigned LostOf(const Network& network, const Place& place);
  [[nodiscard]] bool Lives(const Network& network, const Place& place, unsigned lost) const;
  [[nodiscard]] std::optional<std::uint64_t> EpochOf(const Network& network,
                                                     const net::MacAddress& mac) const;
  [[nodiscard]] std::optional<net::MacAddress> OwnerOf(const Network& network,
                                                       const net::IpAddress& address) const;

  Router& router_;
  const PortNames& ports_;
  const PutPorts& put_ports_;
  const Networks& present_;
  std::unordered_map<std::uint32_t, Network> networks_;
  TenantSubnets subnets_;  // of the networks that the batch has put
  std::unordered_map<wg::PublicKey, Peer> peers_;
  std::set<std::uint32_t> gone_;  // slots of routers that the batch removes
  std::uint32_t next_slot_ = Place::kMaxIndex + 1;
  std::unordered_map<std::uint32_t, std::uint32_t> attached_;  // by port; 0: to none
  std::map<std::string, NewPort> new_ports_;
  std::set<std::string> removed_ports_;
  std::uint32_t next_port_ = std::uint32_t{kNoPort} + 1;
  std::size_t new_networks_ = 0, new_endpoints_ = 0, new_peers_ = 0;
};

}  // namespace vireo
