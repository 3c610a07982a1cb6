// VMs that move between simulated routers, on an underlay with delays: every frame is numbered, and
// a model says where it may arrive.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <vector>

#include "tests/sim/router/tenants.h"

namespace vireo::sim {

using std::chrono::milliseconds;

// Puts a delay between any two routers, the same for all datagrams of a pair and way.
class DelayedWire {
 public:
  using DelayOf = std::function<Duration(const Datagram&)>;

  DelayedWire(Network& network, DelayOf delay) : network_(network), delay_(std::move(delay)) {
    network_.wire = [this](Datagram d) {
      for (Datagram& arrives : faults(std::move(d))) {
        const Time due = network_.clock.Now() + delay_(arrives);
        waiting_.push({due, next_++, std::move(arrives)});
      }
      return std::vector<Datagram>{};
    };
  }
  void Deliver() {
    while (!waiting_.empty() && waiting_.top().due <= network_.clock.Now()) {
      network_.Deliver(waiting_.top().datagram);
      waiting_.pop();
    }
  }
  // What becomes of a datagram before its delay: none, itself, or several.
  std::function<std::vector<Datagram>(Datagram)> faults = [](Datagram d) {
    return std::vector<Datagram>{std::move(d)};
  };

 private:
  struct Waiting {
    Time due;
    std::uint64_t number;
    Datagram datagram;
    bool operator<(const Waiting& other) const {
      return std::tie(due, number) > std::tie(other.due, other.number);
    }
  };

  Network& network_;
  DelayOf delay_;
  std::priority_queue<Waiting> waiting_;
  std::uint64_t next_ = 0;
};

// A VM. It hears and speaks only where it runs.
struct Vm {
  std::uint32_t vni;
  unsigned number;  // unique in its network
  unsigned router;  // where it is, or will be when it runs again
  bool running = true;
  std::uint64_t epoch = 0;
  [[nodiscard]] net::MacAddress mac() const { return HostMac(number); }
};

// Numbered frames from one VM to another.
struct Flow {
  unsigned from, to;  // index of the VM
  std::uint32_t sent = 0;
  std::uint32_t next = 0;  // that is to arrive
  Duration longest{};      // from sending to arrival
};

// Routers with all networks, and VMs on ports that they share: each router has two ports a network,
// one for VMs of even and one for VMs of odd number.
class MoveWorld {
 public:
  static constexpr std::size_t kFrameSize = 100;  // unlike the control messages'

  MoveWorld(unsigned routers, unsigned networks, DelayedWire::DelayOf delay, std::uint64_t seed = 1)
      : net(seed), wire(net, std::move(delay)) {
    for (unsigned i = 0; i < routers; ++i) nodes.push_back(&net.Add());
    tenants = std::make_unique<Tenants>(net, nodes);
    for (unsigned n = 1; n <= networks; ++n) {
      tenants->AddNetwork(n);
      for (unsigned r = 0; r < routers; ++r) {
        for (unsigned parity = 0; parity < 2; ++parity) AddPort(n, r, parity);
      }
    }
    for (Node* node : nodes) node->router->Commit();
  }

  unsigned AddVm(std::uint32_t vni, unsigned number, unsigned router) {
    vms.push_back({vni, number, router});
    for (unsigned r = 0; r < nodes.size(); ++r) EXPECT_TRUE(Put(vms.back(), r).ok());
    return static_cast<unsigned>(vms.size() - 1);
  }
  unsigned AddFlow(unsigned from, unsigned to) {
    flows.push_back({from, to});
    return static_cast<unsigned>(flows.size() - 1);
  }
  // The control plane's word to router `r`, as things are.
  Status Put(const Vm& vm, unsigned r) {
    return moves(r).PutEndpoint(
        vm.vni, {.mac = vm.mac(), .place = PlaceOf(vm, vm.router, r), .epoch = vm.epoch});
  }
  // Where router `r` finds the VM if it is at `router`.
  Place PlaceOf(const Vm& vm, unsigned router, unsigned r) {
    if (router == r) return {Place::Kind::kPort, ports[{vm.vni, r, vm.number % 2}]->id()};
    return {Place::Kind::kRouter, Tenants::SlotOf(*nodes[r], *nodes[router])};
  }
  Moves& moves(unsigned r) { return nodes[r]->router->moves(); }
  Status Arm(unsigned vm, unsigned to, unsigned r) {
    return moves(r).Arm(vms[vm].vni, vms[vm].mac(), vms[vm].epoch + 1, PlaceOf(vms[vm], to, r));
  }
  void ArmEverywhere(unsigned vm, unsigned to) {
    for (unsigned r = 0; r < nodes.size(); ++r) ASSERT_TRUE(Arm(vm, to, r).ok()) << r;
  }
  // The VM stops, and its router is told.
  void Stop(unsigned vm) {
    Collect();
    vms[vm].running = false;
    ASSERT_TRUE(moves(vms[vm].router).Hold(vms[vm].vni, vms[vm].mac()).ok());
  }
  // It runs again, at `router`, and says so (as QEMU does for it: RARP).
  void Resume(unsigned vm, unsigned router) {
    Vm& v = vms[vm];
    if (router != v.router) ++v.epoch;
    v.router = router;
    v.running = true;
    Bytes rarp = Frame(net::kBroadcastMac, v.mac(), 0);
    reinterpret_cast<net::EthernetHeader*>(rarp.data())->type = 0x8035;
    PortOf(v).Inject(0, rarp);
  }
  void Send(unsigned flow) {
    Flow& f = flows[flow];
    Vm& from = vms[f.from];
    if (!from.running) return;
    Bytes frame = Frame(vms[f.to].mac(), from.mac(), 0, kFrameSize);
    const Stamp stamp{flow, f.sent++, from.vni, net.clock.Now().time_since_epoch().count()};
    std::memcpy(frame.data() + sizeof(net::EthernetHeader), &stamp, sizeof stamp);
    PortOf(from).Inject(0, frame);
  }
  // Looks at all that came out of ports since the last time.
  void Collect() {
    for (auto& [key, port] : ports) {
      for (const SentFrame& frame : port->Collect()) Check(key, frame.bytes);
    }
  }
  void Run(
      Duration time, const std::function<void()>& each = [] {}) {
    net.Run(time, milliseconds(1), [&] {
      wire.Deliver();
      each();
      net.Settle();
      Collect();
    });
    Collect();
  }
  // All that was sent has arrived, once, in order, at the VM where it ran.
  void ExpectNothingLost() {
    EXPECT_EQ(out_of_order, 0u);
    EXPECT_EQ(astray, 0u);
    for (const Flow& flow : flows) EXPECT_EQ(flow.next, flow.sent);
  }
  MemoryPort& PortOf(const Vm& vm) { return *ports[{vm.vni, vm.router, vm.number % 2}]; }
  const Moves::Record* LastMove(unsigned vm, unsigned r) {
    records_ = moves(r).List();
    for (auto it = records_.rbegin(); it != records_.rend(); ++it) {
      if (it->vni == vms[vm].vni && it->mac == vms[vm].mac()) return &*it;
    }
    return nullptr;
  }

  Network net;
  DelayedWire wire;
  std::vector<Node*> nodes;
  std::unique_ptr<Tenants> tenants;
  std::map<std::tuple<std::uint32_t, unsigned, unsigned>, MemoryPort*> ports;
  std::vector<Vm> vms;
  std::vector<Flow> flows;
  std::uint64_t delivered = 0, out_of_order = 0;
  std::uint64_t astray = 0;  // came out where the VM does not run, or in another network
  bool may_lose = false;     // so numbers may be skipped

 private:
  struct Stamp {
    std::uint32_t flow, number, vni;
    std::int64_t time;
  };

  void AddPort(std::uint32_t vni, unsigned r, unsigned parity) {
    const std::string name = "vms" + std::to_string(vni) + "-" + std::to_string(parity);
    auto port = std::make_unique<MemoryPort>(MemoryPort::Options{.name = name,
                                                                 .link = Link::kEthernet,
                                                                 .mtu = 1300,
                                                                 .mac = {{2, 1, 0, 0, 0, 1}},
                                                                 .capacity = 2048,
                                                                 .pool = SimPool()});
    ports[{vni, r, parity}] = port.get();
    Router& router = *nodes[r]->router;
    const PortId id =
        router.AddPort(std::move(port), {.role = PortRole::kAccess, .bridged = true}).value();
    ASSERT_TRUE(router.networks().AttachPort(vni, id).ok());
  }

  // The first few, with what one needs to find out why.
  void Report(const Flow& flow, const Stamp& stamp) {
    if (may_lose || ++out_of_order > 10) return;
    ADD_FAILURE() << "frame " << stamp.number << " of flow " << stamp.flow << " (VM " << flow.from
                  << " to " << flow.to << ") instead of " << flow.next << ", sent at "
                  << stamp.time / 1'000'000 << " ms, arrived at "
                  << net.clock.Now().time_since_epoch().count() / 1'000'000;
  }

  void Check(const std::tuple<std::uint32_t, unsigned, unsigned>& at, const Bytes& bytes) {
    const auto* header = reinterpret_cast<const net::EthernetHeader*>(bytes.data());
    if (header->destination.IsMulticast()) return;
    Stamp stamp;
    std::memcpy(&stamp, bytes.data() + sizeof *header, sizeof stamp);
    Flow& flow = flows.at(stamp.flow);
    const Vm& vm = vms[flow.to];
    ++delivered;
    const auto& [vni, router, parity] = at;
    if (stamp.vni != vni || vm.vni != vni || !vm.running || vm.router != router ||
        vm.number % 2 != parity || header->destination != vm.mac()) {
      ++astray;
    }
    if (stamp.number != flow.next) Report(flow, stamp);
    flow.next = std::max(flow.next, stamp.number + 1);
    flow.longest = std::max(flow.longest, net.clock.Now() - Time(Duration(stamp.time)));
  }

  std::vector<Moves::Record> records_;
};

}  // namespace vireo::sim
