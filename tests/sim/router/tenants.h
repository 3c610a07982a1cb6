// Tenant networks on simulated routers: hosts that send and get Ethernet frames.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <vector>

#include "dataplane/net/headers.h"
#include "tests/sim/router/sim_network.h"

namespace vireo::sim {

// A frame that carries `number`; its type is one for experiments (IEEE 802 local 1).
inline Bytes Frame(const net::MacAddress& to, const net::MacAddress& from, std::uint32_t number,
                   std::size_t size = 60) {
  Bytes bytes(size);
  auto* header = reinterpret_cast<net::EthernetHeader*>(bytes.data());
  header->destination = to;
  header->source = from;
  header->type = 0x88b5;
  std::memcpy(bytes.data() + sizeof *header, &number, sizeof number);
  return bytes;
}
inline std::uint32_t FrameNumber(ConstBytes frame) {
  std::uint32_t number;
  std::memcpy(&number, frame.data() + sizeof(net::EthernetHeader), sizeof number);
  return number;
}
inline net::MacAddress HostMac(unsigned number) {
  return {{2, 0, 0, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

// A VM: one NIC on a bridged port of its router.
struct Host {
  void Send(ConstBytes frame) { port->Inject(0, frame); }
  void Send(const Host& to, std::uint32_t number) { Send(Frame(to.mac, mac, number)); }
  // Numbers of the frames it has got since the last call.
  std::vector<std::uint32_t> Received() {
    std::vector<std::uint32_t> numbers;
    for (const SentFrame& frame : port->Collect()) numbers.push_back(FrameNumber(frame.bytes));
    return numbers;
  }

  Node* node;
  std::uint32_t vni;
  net::MacAddress mac;
  MemoryPort* port;
  PortId id;
};

// Routers that all peer with each other and know each other as VXLAN tunnel end points.
class Tenants {
 public:
  Tenants(Network& network, std::vector<Node*> nodes, bool v6 = false)
      : network_(network), nodes_(std::move(nodes)) {
    for (Node* node : nodes_) {
      node->router->networks().SetOwnVtep(Vtep(*node, v6));
      for (Node* other : nodes_) {
        if (other == node) continue;
        PeerRecord& peer = node->AddPeer(*other);
        if (v6) node->router->AddAllowedIp(peer, net::Prefix::Make(Vtep(*other, true), 128));
        EXPECT_TRUE(
            node->router->networks().SetRouter(peer.path->slot, {.vtep = Vtep(*other, v6)}).ok());
      }
    }
  }

  static net::IpAddress Vtep(const Node& node, bool v6 = false) {
    const std::string number = std::to_string(node.number);
    return *net::IpAddress::Parse(v6 ? "fd00::" + number : "10.0." + number + ".200");
  }
  static std::uint32_t SlotOf(const Node& node, const Node& other) {
    return node.router->FindPeer(wg::PublicKeyOf(Node::KeyOf(other.number)))->path->slot;
  }

  // The network exists on all routers.
  void AddNetwork(std::uint32_t vni, bool flood = false) {
    AddNetwork(NetworkSpec{.vni = vni, .flood = flood});
  }
  void AddNetwork(const NetworkSpec& spec) {
    const std::uint32_t vni = spec.vni;
    for (Node* node : nodes_) {
      ASSERT_TRUE(node->router->networks().Add(spec).ok());
      for (Node* other : nodes_) {
        if (other == node) continue;
        ASSERT_TRUE(node->router->networks().AddRouter(vni, SlotOf(*node, *other)).ok());
      }
    }
  }
  // A host that all routers know.
  Host& AddHost(Node& node, std::uint32_t vni, unsigned number,
                std::initializer_list<const char*> addresses = {}) {
    auto port = std::make_unique<MemoryPort>(
        MemoryPort::Options{.name = "vm" + std::to_string(number) + "-" + std::to_string(vni),
                            .link = Link::kEthernet,
                            .mtu = 1300,
                            .mac = {{2, 1, 0, 0, 0, 1}},
                            .pool = SimPool()});
    Host host{&node, vni, HostMac(number), port.get(), 0};
    host.id =
        node.router->AddPort(std::move(port), {.role = PortRole::kAccess, .bridged = true}).value();
    EXPECT_TRUE(node.router->networks().AttachPort(vni, host.id).ok());
    EndpointSpec endpoint{.mac = host.mac};
    for (const char* text : addresses) {
      endpoint.addresses.push_back(*net::IpAddress::Parse(text));
    }
    for (Node* other : nodes_) {
      const Place place = other == &node ? Place{Place::Kind::kPort, host.id}
                                         : Place{Place::Kind::kRouter, SlotOf(*other, node)};
      endpoint.place = place;
      EXPECT_TRUE(other->router->networks().PutEndpoint(vni, endpoint).ok());
    }
    hosts_.push_back(host);
    network_.Settle();
    return hosts_.back();
  }

  // Their routers have a session then: no handshake is in the way.
  void Meet(Host& x, Host& y) {
    x.Send(y, 0);
    network_.Settle();
    (void)y.Received();
  }

 private:
  Network& network_;
  std::vector<Node*> nodes_;
  std::deque<Host> hosts_;
};

}  // namespace vireo::sim
