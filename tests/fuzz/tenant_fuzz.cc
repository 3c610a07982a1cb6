// What a tenant's VM, or another router of the overlay, can send: DHCP, router and neighbour
// solicitations and advertisements, ARP, ICMP, IPv6 extension headers, VXLAN frames, messages about
// moves, path probes. The input is a list of messages, each a byte of kind, two bytes of size, and
// its bytes; they go through two whole routers.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/net/checksum.h"
#include "dataplane/net/extension_headers.h"
#include "dataplane/net/gateway.h"
#include "dataplane/net/inner.h"
#include "dataplane/net/move_message.h"
#include "dataplane/net/path_probe.h"
#include "dataplane/net/vxlan.h"
#include "dataplane/port/eal.h"
#include "dataplane/stage/tunnel_header.h"
#include "tests/sim/router/sim_network.h"

namespace {

using namespace vireo;

void Require(bool condition) {
  if (!condition) std::abort();
}

constexpr std::uint32_t kShared = 7;  // the tenant that both routers have
constexpr std::uint32_t kOther = 8;   // a tenant's that b alone has, with the same addresses
constexpr net::MacAddress kVmA{{2, 0, 0, 0, 0, 1}}, kVmB{{2, 0, 0, 0, 0, 2}};
constexpr std::size_t kLargest = 1500;

net::IpAddress Ip(const char* text) { return *net::IpAddress::Parse(text); }

// a -- b, each with a VM in the shared network; b also has one of another tenant's.
class World {
 public:
  World() {
    for (sim::Node* node : {&a_, &b_}) {
      sim::Node& other = node == &a_ ? b_ : a_;
      const PeerRecord& peer = node->AddPeer(other);
      Networks& networks = node->router->networks();
      networks.SetOwnVtep(VtepOf(*node));
      Require(networks.SetRouter(peer.path->slot, {.vtep = VtepOf(other)}).ok());
      AddNetwork(*node, kShared, "red");
      Require(networks.AddRouter(kShared, peer.path->slot).ok());
    }
    AddNetwork(b_, kOther, "blue");
    vm_a_ = AddPort(a_, kShared);
    vm_b_ = AddPort(b_, kShared);
    stranger_ = AddPort(b_, kOther);
    Require(b_.router->networks().PutEndpoint(kOther, Endpoint(kVmA, *stranger_)).ok());
    for (sim::Node* node : {&a_, &b_}) {
      Place at_a{Place::Kind::kPort, vm_a_->id()};
      Place at_b{Place::Kind::kPort, vm_b_->id()};
      (node == &a_ ? at_b : at_a) = {Place::Kind::kRouter, node->router->peers()[0]->path->slot};
      PutEndpoint(*node, kVmA, at_a, {Ip("10.7.0.1"), Ip("fd07::1")});
      PutEndpoint(*node, kVmB, at_b, {Ip("10.7.0.2"), Ip("fd07::2")});
    }
    Settle();
    a_.Send(b_, 1);  // the handshake
    Settle();
    free_ = UsageOf(sim::SimPool()).free;
  }

  // A frame from a's VM.
  void FromVm(std::vector<std::byte> frame) { vm_a_->Inject(0, frame); }
  // An inner packet that a itself makes: from its tunnel end point to b's.
  void FromRouter(ConstBytes payload, std::uint16_t port) {
    Packet* packet = AllocatePacket(sim::SimPool());
    SetSize(packet, static_cast<std::uint16_t>(payload.size()));
    std::copy(payload.begin(), payload.end(), Data(packet));
    PrependTunnelHeader(packet, VtepOf(a_), VtepOf(b_), port, port, 0);
    Meta(packet).peer = a_.router->peers()[0]->path.get();
    Require(a_.router->workers()[0]->injected.Push(packet));
  }
  // All that was sent has ended: nothing is left of it but what came out of ports, whole and where
  // it may.
  void Settle() {
    network_.Settle();
    for (const SentFrame& frame : stranger_->Collect()) Require(IsAdvertisement(frame.bytes));
    for (MemoryPort* port : {vm_a_, vm_b_}) {
      for (const SentFrame& frame : port->Collect()) {
        Require(frame.bytes.size() >= sizeof(net::EthernetHeader));
      }
    }
    for (sim::Node* node : {&a_, &b_}) (void)node->access->Collect();
  }
  void End() {
    Settle();
    // Sessions and limits go on; a rekey's packets are gone by the next second.
    network_.clock.Advance(std::chrono::seconds(1));
    a_.Send(b_, 1);
    Settle();
    Require(UsageOf(sim::SimPool()).free == free_);
  }

 private:
  // What the gateway of the stranger's own network says now and then: nobody asked for it.
  static bool IsAdvertisement(ConstBytes frame) {
    constexpr std::size_t kIcmp = sizeof(net::EthernetHeader) + sizeof(net::Ipv6Header);
    if (frame.size() <= kIcmp) return false;
    const auto& ethernet = *reinterpret_cast<const net::EthernetHeader*>(frame.data());
    const auto& ip =
        *reinterpret_cast<const net::Ipv6Header*>(frame.data() + sizeof(net::EthernetHeader));
    return ethernet.source == net::kGatewayMac && ethernet.type.value() == net::kEtherTypeIpv6 &&
           ip.next_header == net::kProtocolIcmpv6 && frame[kIcmp] == std::byte{134};
  }
  static net::IpAddress VtepOf(const sim::Node& node) {
    return Ip(node.number == 1 ? "10.0.1.200" : "10.0.2.200");
  }
  static EndpointSpec Endpoint(const net::MacAddress& mac, const Port& port) {
    return {.mac = mac, .addresses = {Ip("10.7.0.1")}, .place = {Place::Kind::kPort, port.id()}};
  }
  static void AddNetwork(sim::Node& node, std::uint32_t vni, const char* tenant) {
    NetworkSpec spec{.vni = vni, .tenant = tenant, .flood = vni == kShared};
    spec.subnets.push_back({*net::Prefix::Parse("10.7.0.0/24"), Ip("10.7.0.254")});
    spec.subnets.push_back({*net::Prefix::Parse("fd07::/64"), Ip("fd07::fe")});
    spec.dns = {Ip("10.7.0.53"), Ip("fd07::53")};
    Require(node.router->networks().Add(spec).ok());
  }
  static MemoryPort* AddPort(sim::Node& node, std::uint32_t vni) {
    auto port = std::make_unique<MemoryPort>(MemoryPort::Options{.name = "vm" + std::to_string(vni),
                                                                 .link = Link::kEthernet,
                                                                 .mtu = kLargest,
                                                                 .mac = {{2, 1, 0, 0, 0, 1}},
                                                                 .pool = sim::SimPool()});
    MemoryPort* raw = port.get();
    auto id = node.router->AddPort(std::move(port), {.role = PortRole::kAccess, .bridged = true});
    Require(id.ok() && node.router->networks().AttachPort(vni, *id).ok());
    return raw;
  }
  static void PutEndpoint(sim::Node& node, const net::MacAddress& mac, Place place,
                          std::vector<net::IpAddress> addresses) {
    const EndpointSpec spec{.mac = mac, .addresses = std::move(addresses), .place = place};
    Require(node.router->networks().PutEndpoint(kShared, spec).ok());
  }

  sim::Network network_;
  sim::Node& a_ = network_.Add();
  sim::Node& b_ = network_.Add();
  MemoryPort* vm_a_ = nullptr;
  MemoryPort* vm_b_ = nullptr;
  MemoryPort* stranger_ = nullptr;
  unsigned free_ = 0;
};

World& TheWorld() {
  static World* world = [] {
    Require(
        StartEal({.huge_pages = HugePages::kNever, .memory_mib = 256, .file_prefix = "fuzz"}).ok());
    return new World;  // lives as long as the program, like EAL
  }();
  return *world;
}

// What is read is what is written.
void TryMessages(ConstBytes bytes) {
  if (const auto message = net::ParseMoveMessage(bytes)) {
    std::array<std::byte, net::kMoveMessageSize> built;
    net::BuildMoveMessage(*message, built);
    Require(net::ParseMoveMessage(built) == message);
  }
  if (const auto probe = net::ParsePathProbe(bytes)) {
    Require(net::IsPathProbe(bytes));
    std::array<std::byte, net::kPathProbeSize> built;
    net::BuildPathProbe(*probe, built);
    Require(net::ParsePathProbe(built) == probe);
  }
}

// Makes the frame one that a's VM may send, so that it comes further than the first check. Odd
// kinds get a right IPv4 header checksum as well, which a fuzzer would not guess.
void Dress(std::vector<std::byte>& frame, bool checksum) {
  if (frame.size() < sizeof(net::EthernetHeader)) return;
  auto* header = reinterpret_cast<net::EthernetHeader*>(frame.data());
  header->source = kVmA;
  const MutableBytes payload = MutableBytes(frame).subspan(sizeof *header);
  const net::InnerPacket ip = net::ParseInner(payload);
  if (checksum && ip.is_v4()) {
    net::SetIpv4Checksum(reinterpret_cast<net::Ipv4Header*>(payload.data()));
  }
}

void Take(World& world, std::uint8_t kind, std::vector<std::byte> bytes) {
  if (bytes.size() > kLargest) bytes.resize(kLargest);
  switch (kind & 7) {
    case 0:
      world.FromVm(std::move(bytes));
      break;
    case 1:
    case 2:
      Dress(bytes, (kind & 7) == 2);
      world.FromVm(std::move(bytes));
      break;
    case 3:
      world.FromRouter(bytes, net::kVxlanPort);
      break;
    case 4: {  // a frame of one of b's networks
      std::vector<std::byte> vxlan(sizeof(net::VxlanHeader));
      auto* header = reinterpret_cast<net::VxlanHeader*>(vxlan.data());
      header->flags = net::kVxlanVniValid;
      header->vni_reserved = (kind & 8) != 0 ? kOther << 8 : kShared << 8;
      if ((kind & 16) != 0) Dress(bytes, true);
      vxlan.insert(vxlan.end(), bytes.begin(), bytes.end());
      world.FromRouter(vxlan, net::kVxlanPort);
      break;
    }
    case 5:
      TryMessages(bytes);
      world.FromRouter(bytes, net::kOverlayControlPort);
      break;
    default:
      world.Settle();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World& world = TheWorld();
  while (size >= 3) {
    const std::uint8_t kind = data[0];
    const std::size_t length = std::min<std::size_t>(data[1] << 8 | data[2], size - 3);
    const auto* bytes = reinterpret_cast<const std::byte*>(data + 3);
    Take(world, kind, {bytes, bytes + length});
    data += 3 + length;
    size -= 3 + length;
  }
  world.End();
  return 0;
}
