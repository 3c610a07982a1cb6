#include "dataplane/slow/netlink_neighbours.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vireo {
namespace {

constexpr std::uint32_t kGroups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR |
                                  RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
// States in which the kernel itself would send to the neighbour's MAC.
constexpr unsigned kHasMac =
    NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;

std::uint8_t KernelFamily(const net::IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

std::optional<net::IpAddress> ToAddress(std::uint8_t family, ConstBytes bytes) {
  if (family == AF_INET && bytes.size() == 4) return net::IpAddress::V4(bytes);
  if (family == AF_INET6 && bytes.size() == 16) return net::IpAddress::V6(bytes);
  return std::nullopt;
}

std::optional<net::MacAddress> ToMac(ConstBytes bytes) {
  net::MacAddress mac;
  if (bytes.size() != mac.bytes.size()) return std::nullopt;
  std::memcpy(mac.bytes.data(), bytes.data(), bytes.size());
  return mac;
}

// A string as the kernel sends it, with its terminator.
std::string ToText(ConstBytes bytes) {
  if (bytes.empty()) return {};
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  return {text, strnlen(text, bytes.size())};
}

// A gateway of the other family (IPv4 by way of IPv6, RFC 8950) is in RTA_VIA.
std::optional<net::IpAddress> ReadGateway(const NetlinkAnswer& route, std::uint8_t family) {
  if (const auto gateway = ToAddress(family, route.Find<rtmsg>(RTA_GATEWAY))) return gateway;
  const ConstBytes via = route.Find<rtmsg>(RTA_VIA);
  if (via.size() < sizeof(std::uint16_t)) return std::nullopt;
  std::uint16_t via_family;
  std::memcpy(&via_family, via.data(), sizeof via_family);
  return ToAddress(static_cast<std::uint8_t>(via_family), via.subspan(sizeof via_family));
}

}  // namespace

Result<std::unique_ptr<NetlinkNeighbours>> NetlinkNeighbours::Open(const std::string& name) {
  // Events first: what changes while the rest is read is then not missed.
  auto events = NetlinkSocket::Open(kGroups);
  if (!events) return events.error();
  auto requests = NetlinkSocket::Open(0);
  if (!requests) return requests.error();
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return Error{ErrorCode::kInvalidArgument, "\"" + name + "\" is no interface's name"};
  }
  NetlinkMessage message(RTM_GETLINK, 0, ifinfomsg{});
  message.Add(IFLA_IFNAME, AsBytes(std::string_view(name.c_str(), name.size() + 1)));
  auto interface = ReadInterface(*requests, message, name);
  if (!interface) return interface.error();
  return std::unique_ptr<NetlinkNeighbours>(
      new NetlinkNeighbours(std::move(*requests), std::move(*events), std::move(*interface)));
}

Result<NetlinkNeighbours::Interface> NetlinkNeighbours::ReadInterface(NetlinkSocket& requests,
                                                                      NetlinkMessage& message,
                                                                      const std::string& name) {
  Interface interface;
  bool is_ethernet = false;
  const int error = requests.Request(message, [&](const NetlinkAnswer& answer) {
    ifinfomsg link;
    if (answer.type != RTM_NEWLINK || !answer.Read(link)) return;
    const auto mac = ToMac(answer.Find<ifinfomsg>(IFLA_ADDRESS));
    is_ethernet = link.ifi_type == ARPHRD_ETHER && mac.has_value();
    interface.index = static_cast<unsigned>(link.ifi_index);
    interface.name = ToText(answer.Find<ifinfomsg>(IFLA_IFNAME));
    interface.mac = mac.value_or(net::MacAddress{});
    interface.mtu = ReadNumber(answer.Find<ifinfomsg>(IFLA_MTU), 0);
    interface.up = (link.ifi_flags & IFF_UP) != 0 && (link.ifi_flags & IFF_LOWER_UP) != 0;
  });
  if (error != 0) return SystemError("interface " + name, error);
  if (!is_ethernet) {
    return Error{ErrorCode::kUnsupported, "interface " + name + " is not an Ethernet interface"};
  }
  return interface;
}

Result<std::vector<OwnedAddress>> NetlinkNeighbours::Addresses() {
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{});
  std::vector<OwnedAddress> addresses;
  const int error = requests_.Request(message, [&](const NetlinkAnswer& answer) {
    ifaddrmsg entry;
    if (answer.type != RTM_NEWADDR || !answer.Read(entry)) return;
    const std::uint32_t flags = ReadNumber(answer.Find<ifaddrmsg>(IFA_FLAGS), entry.ifa_flags);
    if (entry.ifa_index != interface_.index || (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0) {
      return;
    }
    // On a link of two, IFA_ADDRESS is the other end's.
    auto address = ToAddress(entry.ifa_family, answer.Find<ifaddrmsg>(IFA_LOCAL));
    if (!address) address = ToAddress(entry.ifa_family, answer.Find<ifaddrmsg>(IFA_ADDRESS));
    if (address) addresses.push_back({*address, entry.ifa_prefixlen});
  });
  if (error != 0) return SystemError("cannot read the addresses of " + interface_.name, error);
  return addresses;
}

Result<NetlinkNeighbours::Path> NetlinkNeighbours::Find(const net::IpAddress& destination) {
  rtmsg body{};
  body.rtm_family = KernelFamily(destination);
  body.rtm_dst_len = static_cast<std::uint8_t>(destination.size() * 8);
  NetlinkMessage message(RTM_GETROUTE, 0, body);
  message.Add(RTA_DST, destination.span());
  // Of all destinations only a link-local one does not name its link. Naming it for others would
  // make the kernel take them to be on the link where there is no route.
  if (destination.IsLinkLocal()) message.Add(RTA_OIF, interface_.index);
  std::optional<Result<Path>> path;
  const int error = requests_.Request(message, [&](const NetlinkAnswer& answer) {
    if (answer.type == RTM_NEWROUTE) path = ReadRoute(answer, destination);
  });
  // The last two are what routes say that prohibit a destination, or drop what goes there.
  if (error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES || error == EINVAL) {
    return Error{ErrorCode::kNotFound, "no route to " + destination.ToString()};
  }
  if (error != 0)
    return SystemError("cannot look up the route to " + destination.ToString(), error);
  if (!path) return Error{ErrorCode::kNotFound, "no route to " + destination.ToString()};
  if (path->ok()) path->value().mac = FindMac(path->value().neighbour);
  return *std::move(path);
}

Result<NetlinkNeighbours::Path> NetlinkNeighbours::ReadRoute(
    const NetlinkAnswer& answer, const net::IpAddress& destination) const {
  rtmsg route;
  if (!answer.Read(route)) return Error{ErrorCode::kProtocol, "netlink route is cut short"};
  switch (route.rtm_type) {
    case RTN_UNICAST:
      break;
    case RTN_LOCAL:
      return Error{ErrorCode::kInvalidArgument, destination.ToString() + " is our own address"};
    case RTN_BROADCAST:
    case RTN_MULTICAST:
    case RTN_ANYCAST:
      return Error{ErrorCode::kInvalidArgument,
                   destination.ToString() + " is not one host's address"};
    default:
      return Error{ErrorCode::kNotFound, "no route to " + destination.ToString()};
  }
  if (ReadNumber(answer.Find<rtmsg>(RTA_OIF), 0) != interface_.index) {
    return Error{ErrorCode::kNotFound,
                 "the route to " + destination.ToString() + " is not by " + interface_.name};
  }
  const auto source = ToAddress(route.rtm_family, answer.Find<rtmsg>(RTA_PREFSRC));
  if (!source) {
    return Error{ErrorCode::kNotFound,
                 interface_.name + " has no address to reach " + destination.ToString() + " from"};
  }
  const ConstBytes metrics = answer.Find<rtmsg>(RTA_METRICS);
  const std::uint32_t mtu = ReadNumber(NetlinkAnswer::FindAttribute(metrics, RTAX_MTU), 0);
  return Path{.neighbour = ReadGateway(answer, route.rtm_family).value_or(destination),
              .source = *source,
              .mac = std::nullopt,
              .mtu = mtu != 0 ? mtu : interface_.mtu};
}

std::optional<net::MacAddress> NetlinkNeighbours::FindMac(const net::IpAddress& neighbour) {
  ndmsg body{};
  body.ndm_family = KernelFamily(neighbour);
  body.ndm_ifindex = static_cast<int>(interface_.index);
  NetlinkMessage message(RTM_GETNEIGH, 0, body);
  message.Add(NDA_DST, neighbour.span());
  std::optional<net::MacAddress> mac;
  // An error is ENOENT: not known to the kernel, which is no mistake.
  (void)requests_.Request(message, [&](const NetlinkAnswer& answer) {
    ndmsg entry;
    if (answer.type != RTM_NEWNEIGH || !answer.Read(entry)) return;
    if ((entry.ndm_state & kHasMac) != 0) mac = ToMac(answer.Find<ndmsg>(NDA_LLADDR));
  });
  return mac;
}

Status NetlinkNeighbours::Use(const net::IpAddress& neighbour) {
  ndmsg body{};
  body.ndm_family = KernelFamily(neighbour);
  body.ndm_ifindex = static_cast<int>(interface_.index);
  body.ndm_state = NUD_NONE;
  body.ndm_flags = NTF_USE;
  NetlinkMessage message(RTM_NEWNEIGH, NLM_F_CREATE, body);
  message.Add(NDA_DST, neighbour.span());
  const int error = requests_.Request(message, [](const NetlinkAnswer&) {});
  if (error != 0) {
    return SystemError(
        "cannot make the kernel find " + neighbour.ToString() + " on " + interface_.name, error);
  }
  return {};
}

NetlinkNeighbours::Changes NetlinkNeighbours::Process() {
  Changes changes;
  const bool complete =
      events_.Receive([&](const NetlinkAnswer& answer) { Note(answer, changes); });
  if (!complete) changes.paths = changes.interface = true;
  if (changes.interface) {
    ifinfomsg body{};
    body.ifi_index = static_cast<int>(interface_.index);  // it may have another name by now
    NetlinkMessage message(RTM_GETLINK, 0, body);
    auto now = ReadInterface(requests_, message, interface_.name);
    if (now) {
      interface_ = std::move(*now);
    } else {
      interface_.up = false;  // gone
    }
  }
  std::sort(changes.neighbours.begin(), changes.neighbours.end());
  changes.neighbours.erase(std::unique(changes.neighbours.begin(), changes.neighbours.end()),
                           changes.neighbours.end());
  return changes;
}

void NetlinkNeighbours::Note(const NetlinkAnswer& notification, Changes& changes) {
  switch (notification.type) {
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      ndmsg entry;
      if (!notification.Read(entry) ||
          static_cast<unsigned>(entry.ndm_ifindex) != interface_.index) {
        return;
      }
      const auto address = ToAddress(entry.ndm_family, notification.Find<ndmsg>(NDA_DST));
      if (address && !address->IsMulticast()) changes.neighbours.push_back(*address);
      return;
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      ifaddrmsg entry;
      if (notification.Read(entry) && entry.ifa_index == interface_.index) changes.paths = true;
      return;
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      // Of any interface: a better route elsewhere takes a path away from here. Cached clones are
      // no routes.
      rtmsg route;
      if (notification.Read(route) && (route.rtm_flags & RTM_F_CLONED) == 0) changes.paths = true;
      return;
    }
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      ifinfomsg link;
      if (notification.Read(link) && static_cast<unsigned>(link.ifi_index) == interface_.index) {
        changes.interface = true;
      }
      return;
    }
    default:
      return;
  }
}

}  // namespace vireo
