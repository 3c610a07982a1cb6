// An Ethernet port whose frames are all ours: own ARP and neighbour discovery, echo, fragments.
#pragma once

#include <map>
#include <set>

#include "dataplane/net/reassembly.h"
#include "dataplane/slow/ethernet_link.h"
#include "dataplane/slow/link_routes.h"
#include "dataplane/slow/neighbours.h"
#include "dataplane/slow/port_options.h"
#include "dataplane/slow/underlay_header.h"

namespace vireo {

class OwnedLink final : public EthernetLink, private Neighbours::Output {
 public:
  // The references must outlive the link.
  OwnedLink(const Clock& clock, Port& port, const PortOptions& options, EthernetLink::Host& host);

  void Take(Packet* packet) override;
  void WaitForNeighbour(Packet* packet) override;
  [[nodiscard]] std::vector<net::IpAddress> Addresses() const override;
  [[nodiscard]] bool HasRoute(const net::IpAddress& remote) const override;
  void Resolve(UnderlayPath& path) override;
  void AddRoutes(std::vector<RouteTable::Route>& routes,
                 std::vector<Nexthop>& nexthops) const override;
  void Poll(Time now) override;
  [[nodiscard]] Time NextDeadline() const override;

 private:
  // Neighbours::Output
  void SendFrame(ConstBytes frame) override;
  void Resolved(const net::IpAddress& neighbour, const net::MacAddress& mac) override;
  void Unreachable(const net::IpAddress& neighbour) override;
  void Conflict(const net::IpAddress& owned, const net::MacAddress& other) override;
  void SendPacket(Neighbours::PacketHandle packet, const net::MacAddress& mac) override;
  void DropPacket(Neighbours::PacketHandle packet) override;

  void TakeIp(Packet* packet);
  void TakeFragment(Packet* packet);
  [[nodiscard]] bool Echo(Packet* packet);
  [[nodiscard]] UnderlayIdentity Identity() const;
  void SendSealed(Packet* packet, const net::MacAddress& mac);
  void SendInner(Packet* packet, const net::MacAddress& mac);
  [[nodiscard]] std::uint16_t EthernetSize() const;

  const Clock& clock_;
  Port& port_;
  const PortOptions options_;
  EthernetLink::Host& host_;
  const LinkRoutes routes_;
  std::map<net::IpAddress, net::MacAddress> resolved_;
  std::set<net::IpAddress> watched_;
  net::Reassembler reassembler_;
  bool started_ = false;
  Neighbours neighbours_;
};

}  // namespace vireo
