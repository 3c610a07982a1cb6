// What a tenant network answers its endpoints itself: ARP and neighbour discovery for endpoints and
// gateways, DHCP, router advertisements, ping of the gateway, and ICMP errors.
//
// Theory of operation. Workers hand over frames of endpoints, whose claims they have checked. All
// answers follow from the control plane's records, so that there is no state here but when to
// advertise next, and every router gives the same ones. An answer goes out by the port where the
// question came in.
//
// Thread safety: slow path only.
#pragma once

#include <optional>

#include "dataplane/base/clock.h"
#include "dataplane/slow/ethernet_link.h"
#include "dataplane/slow/icmp_limiter.h"
#include "dataplane/slow/networks.h"

namespace vireo {

class TenantServices {
 public:
  // Short enough for a changed address, MTU or name server to arrive within half of it.
  static constexpr std::uint32_t kLeaseTime = 3600;  // seconds
  // RFC 4861 §6.2.1: intervals of router advertisements and how long they hold.
  static constexpr Duration kAdvertiseInterval = std::chrono::seconds(200);
  static constexpr std::uint16_t kRouterLifetime = 1800;  // seconds

  // The references must outlive this.
  TenantServices(const Clock& clock, const Networks& networks, EthernetLink::Host& host,
                 std::uint64_t seed)
      : clock_(clock), networks_(networks), host_(host), limiter_(seed) {}

  // Takes a frame for the gateway or a service (PacketKind::kTenant) over.
  void Take(Packet* packet);
  // Takes a frame over that was dropped for Meta().reason (PacketKind::kTenantError), and tells its
  // source if it may.
  void TakeError(Packet* packet);
  // Advertises the router on a slice of the router's first `ports` ports.
  void Poll(Time now, std::size_t ports);
  [[nodiscard]] Time NextDeadline() const;

 private:
  using Network = Networks::Network;
  // Who sent a frame, and where an answer goes.
  struct Asker {
    const Network& network;
    PortId port;
    net::MacAddress mac;
  };

  [[nodiscard]] std::optional<Asker> AskerOf(Packet* packet);
  void SendFrame(PortId port, const net::MacAddress& to, const net::MacAddress& from,
                 std::uint16_t type, ConstBytes payload);
  void AnswerEcho(Packet* packet, const Asker& asker);

  // tenant_neighbours.cc
  void AnswerArp(Packet* packet, const Asker& asker);
  void AnswerSolicitation(Packet* packet, const Asker& asker);
  // tenant_dhcp.cc
  void AnswerDhcp(Packet* packet, const Asker& asker);
  // tenant_advertisements.cc
  void AnswerRouterSolicitation(Packet* packet, const Asker& asker);
  void Advertise(const Network& network, PortId port, const net::MacAddress& to,
                 const net::IpAddress& destination, const EndpointSpec* endpoint);

  const Clock& clock_;
  const Networks& networks_;
  EthernetLink::Host& host_;
  IcmpLimiter limiter_;
  Time next_slice_{};     // of advertisements
  std::size_t port_ = 0;  // where it begins
};

}  // namespace vireo
