// Neighbours, routes and addresses of an interface that the kernel keeps, for a port that shares
// the NIC with it (rtnetlink(7)).
//
// Theory of operation. The kernel is asked for each destination when a path to it is built, which
// is once a peer and change, not once a packet; nothing is kept here. The kernel does not see the
// packets that bypass it, so it has to be told that a neighbour is in use: it then finds it, or
// probes it if it is stale, as if it had sent to it itself.
//
// Thread safety: one thread. Belongs to the network namespace of the thread that opened it.
#pragma once

#include <linux/rtnetlink.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/slow/link_routes.h"
#include "dataplane/slow/netlink_socket.h"

namespace vireo {

class NetlinkNeighbours {
 public:
  // How the interface is.
  struct Interface {
    std::string name;
    unsigned index = 0;
    net::MacAddress mac;
    std::uint32_t mtu = 0;  // largest IP packet, bytes
    bool up = false;        // set up, and has a carrier
  };

  // How the kernel would send to a destination.
  struct Path {
    net::IpAddress neighbour;            // a gateway, or the destination itself
    net::IpAddress source;               // to send from
    std::optional<net::MacAddress> mac;  // the neighbour's, if it is known: see Use
    std::uint32_t mtu = 0;               // of the route, else of the interface, bytes
  };

  // What became different since the last Process.
  struct Changes {
    std::vector<net::IpAddress> neighbours;  // found, lost, moved, or just gone stale; each once
    bool paths = false;      // routes or addresses, or notifications were lost: any path may differ
    bool interface = false;  // interface(); so may any path

    [[nodiscard]] bool any() const { return !neighbours.empty() || paths || interface; }
  };

  // Errors: kNotFound if there is no such interface; kUnsupported if it is not Ethernet.
  static Result<std::unique_ptr<NetlinkNeighbours>> Open(const std::string& name);

  [[nodiscard]] const Interface& interface() const { return interface_; }
  // The interface's addresses that can be used: no tentative and no duplicate ones.
  [[nodiscard]] Result<std::vector<OwnedAddress>> Addresses();

  // Errors: kNotFound if there is no route, or it leaves by another interface;
  // kInvalidArgument for a destination that no other host has.
  [[nodiscard]] Result<Path> Find(const net::IpAddress& destination);

  // Tells the kernel that we send to `neighbour`: it looks for it if it is not known, and checks it
  // if it is stale. Of effect once; to be called again, every 30 s or so, while it is in use.
  // Changes tell the result. The kernel asks for an IPv6 neighbour only from a link-local address,
  // so the interface must have one. REQUIRES: `neighbour` is a Path's.
  [[nodiscard]] Status Use(const net::IpAddress& neighbour);

  // Polls readable when Process has something to read. Level-triggered.
  [[nodiscard]] int fd() const { return events_.fd(); }
  // Reads notifications, without blocking.
  [[nodiscard]] Changes Process();

 private:
  NetlinkNeighbours(NetlinkSocket requests, NetlinkSocket events, Interface interface)
      : requests_(std::move(requests)),
        events_(std::move(events)),
        interface_(std::move(interface)) {}

  // `message` asks for the interface; `name` is for the text of errors.
  static Result<Interface> ReadInterface(NetlinkSocket& requests, NetlinkMessage& message,
                                         const std::string& name);
  Result<Path> ReadRoute(const NetlinkAnswer& answer, const net::IpAddress& destination) const;
  std::optional<net::MacAddress> FindMac(const net::IpAddress& neighbour);
  void Note(const NetlinkAnswer& notification, Changes& changes);

  NetlinkSocket requests_;
  NetlinkSocket events_;
  Interface interface_;
};

}  // namespace vireo
