// One router for benchmarks, made by hand: no slow path, sessions that never end, and the addresses
// by which a sealing and an opening one know each other.
#pragma once

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"
#include "dataplane/port/memory_port.h"
#include "dataplane/stage/worker.h"
#include "dataplane/table/underlay_path.h"
#include "dataplane/worker/pipeline.h"

namespace vireo::bench {

inline constexpr unsigned kRoundPackets = 512;  // what a port holds at least, each way

inline net::MacAddress Mac(std::uint8_t last) { return {{2, 0, 0, 0, 0, last}}; }
inline net::IpAddress Underlay(std::uint8_t last) { return net::IpAddress::V4(0xc0000200u | last); }
inline std::uint32_t SourceOf(std::uint32_t peer) { return 0xac100000u + peer; }  // 172.16.0.0/12
inline std::uint32_t DestinationOf(std::uint32_t peer) { return 0x0a000000u + peer; }  // 10.0.0.0/8

// A tenant network of VMs at both sites: endpoint N of each side, on the sealing router's access
// port or on the opening router's. Side 0 seals.
inline constexpr std::uint32_t kVni = 0x123456;
inline constexpr NetworkId kNetwork = 1;
inline constexpr std::uint16_t kBridgedMtu =
    1500;  // room for the largest frame and VXLAN's headers
inline net::IpAddress EndpointAddress(unsigned side, std::uint32_t number) {
  return net::IpAddress::V4(0x0a000000u | side << 23 | number);
}
inline net::MacAddress EndpointMac(unsigned side, std::uint32_t number) {
  return {{2, static_cast<std::uint8_t>(side + 1), static_cast<std::uint8_t>(number >> 24),
           static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
           static_cast<std::uint8_t>(number)}};
}

class Rig {
 public:
  Rig(rte_mempool* pool, Link link, std::uint8_t self, std::uint8_t other, const Clock& clock,
      RandomSource& random)
      : uplink_({.name = "uplink",
                 .link = link == Link::kEthernet ? Link::kEthernet : Link::kUdp,
                 .mac = Mac(self),
                 .capacity = 2 * kRoundPackets,
                 .pool = pool}),
        access_({.name = "access",
                 .link = link,
                 .mac = Mac(static_cast<std::uint8_t>(self + 16)),
                 .capacity = 2 * kRoundPackets,
                 .pool = pool}),
        clock_(clock),
        table_(random),
        worker_(0, table_, link_, MakeAead()),
        self_(self),
        other_(other) {
    uplink_.set_id(0);
    access_.set_id(1);
    MakeUnderlay();
  }

  void AddPeer(std::uint32_t index, CipherSuite suite,
               std::span<const std::byte, kAeadKeySize> send,
               std::span<const std::byte, kAeadKeySize> receive) {
    auto path = std::make_unique<wg::PeerPath>();
    path->slot = index;
    path->workers = 1;
    path->counters = std::make_unique<wg::PeerPath::WorkerCounters[]>(1);
    underlays_.push_back(std::make_unique<UnderlayPath>(underlay_));
    path->underlay.store(underlays_.back().get());
    auto session = std::make_unique<wg::Session>(suite, send, receive);
    session->peer = path.get();
    session->local_index = table_.Allocate(path.get());
    session->initiator = true;
    session->confirmed = true;
    session->created = clock_.Now() + std::chrono::hours(24);  // does not expire while we measure
    table_.Publish(*session);
    path->current.store(session.get());
    paths_.push_back(std::move(path));
    sessions_.push_back(std::move(session));
  }

  // `by_source`: peers own the inner sources (the opening side), else the destinations.
  void Publish(bool by_source) {
    snapshot_.ports.resize(2);
    snapshot_.ports[0] = {.port = &uplink_,
                          .role = PortRole::kUplink,
                          .listen_port = 51820,
                          .vlan = {},
                          .addresses = {Underlay(self_)},
                          .check_source = false};
    snapshot_.ports[1] = {.port = &access_,
                          .role = PortRole::kAccess,
                          .listen_port = 0,
                          .vlan = {},
                          .addresses = {},
                          .check_source = !by_source};
    std::vector<RouteTable::Route> routes;
    const bool ethernet = access_.info().link == Link::kEthernet;
    snapshot_.nexthops.push_back(
        {.kind = ethernet ? Nexthop::Kind::kNeighbour : Nexthop::Kind::kPort,
         .port = 1,
         .mac = Mac(99),
         .peer = nullptr});
    const std::uint32_t local = by_source ? DestinationOf(0) : SourceOf(0);
    routes.push_back({net::Prefix::Make(net::IpAddress::V4(local), by_source ? 8 : 12), 0});
    for (std::uint32_t i = 0; i < paths_.size(); ++i) {
      snapshot_.nexthops.push_back(
          {.kind = Nexthop::Kind::kPeer, .port = 0, .mac = {}, .peer = paths_[i].get()});
      const std::uint32_t address = by_source ? SourceOf(i) : DestinationOf(i);
      routes.push_back({net::Prefix::Make(net::IpAddress::V4(address), 32), i + 1});
    }
    snapshot_.routes = RouteTable(routes);
    worker_.sharing = wg::Sharing::kSole;  // as in a router with one worker
    snapshot_.moves = &moves_;
    worker_.published_snapshot.store(&snapshot_);
  }

  // After Publish: the access port carries frames of a network of which half of `endpoints` are
  // here, on it, and half behind the peer. REQUIRES: one peer.
  void MakeBridged(unsigned side, unsigned endpoints) {
    snapshot_.ports[1].bridged = true;
    snapshot_.ports[1].network = kNetwork;
    snapshot_.vtep_v4 = net::IpAddress::V4(side == 0 ? SourceOf(0) : DestinationOf(0));
    snapshot_.networks.resize(kNetwork + 1);
    snapshot_.networks[kNetwork] = {.vni = kVni,
                                    .flood = false,
                                    .ports = {1},
                                    .routers = {},
                                    .allowed_here = true,
                                    .allowed = {1},
                                    .forbidden = {}};
    snapshot_.vnis = VniIndex(snapshot_.networks);
    snapshot_.tenants.resize(1);
    snapshot_.routers.push_back({paths_[0].get(),
                                 net::IpAddress::V4(side == 0 ? DestinationOf(0) : SourceOf(0)),
                                 kBridgedMtu - net::kVxlanOverIpv4});
    underlays_[0]->inner_mtu = kBridgedMtu;
    for (std::uint32_t i = 0; i < endpoints / 2; ++i) {
      table_of_endpoints_.Put(kNetwork, EndpointMac(side, i), {Place::Kind::kPort, 1});
      table_of_endpoints_.Put(kNetwork, EndpointMac(1 - side, i), {Place::Kind::kRouter, 0});
      for (const unsigned of : {0u, 1u}) {
        table_of_endpoints_.PutAddress(kNetwork, EndpointAddress(of, i), EndpointMac(of, i));
      }
    }
    snapshot_.endpoints = &table_of_endpoints_;
  }

  void Run() {
    while (RunLoop(worker_, clock_) != 0) {
    }
  }

  MemoryPort& uplink() { return uplink_; }
  MemoryPort& access() { return access_; }
  Worker& worker() { return worker_; }
  wg::Session& session(std::uint32_t i) { return *sessions_[i]; }

 private:
  void MakeUnderlay() {
    underlay_.remote = {Underlay(other_), 51820, 0};
    underlay_.port = 0;
    underlay_.inner_mtu = 1420;
    underlay_.header_size = 42;
    auto* frame = reinterpret_cast<net::EthernetHeader*>(
        underlay_.header.data() + underlay_.header.size() - underlay_.header_size);
    frame->destination = Mac(other_);
    frame->source = Mac(self_);
    frame->type = net::kEtherTypeIpv4;
    auto* ip = reinterpret_cast<net::Ipv4Header*>(frame + 1);
    std::memset(ip, 0, sizeof *ip);
    ip->version_length = 0x45;
    ip->ttl = 64;
    ip->protocol = net::kProtocolUdp;
    ip->source = Underlay(self_).v4_host_order();
    ip->destination = Underlay(other_).v4_host_order();
    net::SetIpv4Checksum(ip);
    auto* udp = reinterpret_cast<net::UdpHeader*>(ip + 1);
    udp->source_port = 51820;
    udp->destination_port = 51820;
    udp->length = 0;
    udp->checksum = 0;
  }

  MemoryPort uplink_;
  MemoryPort access_;
  const Clock& clock_;
  SlowPathLink link_;
  wg::SessionTable table_;
  Worker worker_;
  const std::uint8_t self_, other_;
  UnderlayPath underlay_;  // each peer has a copy of its own
  std::vector<std::unique_ptr<UnderlayPath>> underlays_;
  EndpointTable table_of_endpoints_{0x5eed, [](const auto&) {}};
  MoveTable moves_;
  Snapshot snapshot_;
  std::vector<std::unique_ptr<wg::PeerPath>> paths_;
  std::vector<std::unique_ptr<wg::Session>> sessions_;
};

}  // namespace vireo::bench
