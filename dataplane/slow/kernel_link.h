// An Ethernet uplink that shares its interface with the kernel: addresses, routes and neighbours
// are the kernel's, asked for over netlink.
//
// Notifications are read whenever the router takes a turn, once a second at least, and every 10 ms
// while packets wait for a neighbour.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <vector>

#include "dataplane/slow/ethernet_link.h"
#include "dataplane/slow/netlink_neighbours.h"
#include "dataplane/slow/port_options.h"
#include "dataplane/slow/underlay_header.h"

namespace vireo {

class KernelLink final : public EthernetLink {
 public:
  static constexpr std::size_t kWaitingPackets = 256;
  static constexpr Duration kWaitTime = std::chrono::seconds(3);  // then neighbour_unresolved
  static constexpr Duration kUseInterval = std::chrono::seconds(25);

  // The references must outlive the link. Errors: as NetlinkNeighbours::Open.
  static Result<std::unique_ptr<KernelLink>> Open(const Clock& clock, Port& port,
                                                  const PortOptions& options,
                                                  EthernetLink::Host& host);
  ~KernelLink() override;

  void Take(Packet* packet) override;
  void WaitForNeighbour(Packet* packet) override;
  [[nodiscard]] std::vector<net::IpAddress> Addresses() const override;
  [[nodiscard]] bool HasRoute(const net::IpAddress& remote) const override;
  void Resolve(UnderlayPath& path) override;
  void AddRoutes(std::vector<RouteTable::Route>&, std::vector<Nexthop>&) const override {}
  void Poll(Time now) override;
  [[nodiscard]] Time NextDeadline() const override;

 private:
  struct Waiting {
    Packet* packet;
    Time deadline;
  };

  KernelLink(const Clock& clock, Port& port, const PortOptions& options, EthernetLink::Host& host,
             std::unique_ptr<NetlinkNeighbours> netlink);
  // Sends what can be sent by now; drops what has waited for too long.
  void SendWaiting(Time now);

  const Clock& clock_;
  Port& port_;
  const PortOptions options_;
  EthernetLink::Host& host_;
  std::unique_ptr<NetlinkNeighbours> netlink_;
  std::vector<net::IpAddress> addresses_;
  std::set<net::IpAddress> used_;  // neighbours that paths lead over
  Time next_use_{};
  Time next_look_{};
  std::deque<Waiting> waiting_;  // oldest first
};

}  // namespace vireo
