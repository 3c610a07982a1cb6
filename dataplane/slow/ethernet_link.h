// What an Ethernet port needs above the frame: neighbours, our addresses on it, echo, fragments.
#pragma once

#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/net/address.h"
#include "dataplane/port/packet.h"
#include "dataplane/port/port.h"
#include "dataplane/table/route_table.h"
#include "dataplane/table/snapshot.h"
#include "dataplane/table/underlay_path.h"

namespace vireo {

// Thread: slow path only.
class EthernetLink {
 public:
  // What a link asks of its router.
  class Host {
   public:
    virtual ~Host() = default;
    // Sends a packet whose way out is known: a finished frame (kRaw), or one that waited for its
    // neighbour.
    virtual void Send(Packet* packet) = 0;
    // A packet with these bytes and no metadata; nullptr if there is no buffer.
    virtual Packet* NewPacket(ConstBytes bytes) = 0;
    virtual void Drop(Packet* packet, DropReason reason) = 0;
    // A neighbour was found or lost: underlay paths and routes must be built anew.
    virtual void NeighboursChanged() = 0;
    // For what was dropped without being a packet any more.
    virtual void CountDrop(DropReason reason) = 0;
  };

  virtual ~EthernetLink() = default;

  // Takes an ARP message or an IP packet addressed to us, its Ethernet header still in front of
  // data().
  virtual void Take(Packet* packet) = 0;
  // Holds the packet until its neighbour is known (Meta().remote's for a WireGuard message, its own
  // destination's for an inner packet); drops it as neighbour_unresolved if that does not answer.
  virtual void WaitForNeighbour(Packet* packet) = 0;
  // Our addresses on the link.
  [[nodiscard]] virtual std::vector<net::IpAddress> Addresses() const = 0;
  // Whether `remote` can be reached over this link.
  [[nodiscard]] virtual bool HasRoute(const net::IpAddress& remote) const = 0;
  // Fills in the path's headers; `resolved` stays false if the neighbour is not known yet, and the
  // link asks for it. REQUIRES: HasRoute(path.remote.address).
  virtual void Resolve(UnderlayPath& path) = 0;
  // Adds the link's own addresses, subnets and neighbours.
  virtual void AddRoutes(std::vector<RouteTable::Route>& routes,
                         std::vector<Nexthop>& nexthops) const = 0;
  virtual void Poll(Time now) = 0;
  [[nodiscard]] virtual Time NextDeadline() const = 0;
};

}  // namespace vireo
