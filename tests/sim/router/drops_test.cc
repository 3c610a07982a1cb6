// Every drop reason, reached the way packets of a network reach it.

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "dataplane/net/arp.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/move_message.h"
#include "dataplane/stage/tunnel_header.h"
#include "dataplane/wg/messages.h"
#include "dataplane/worker/pipeline.h"
#include "tests/sim/router/sim_network.h"
#include "tests/sim/router/tenant_packets.h"
#include "tests/sim/router/tenants.h"
#include "tests/support/eal_environment.h"

namespace vireo::sim {
namespace {

using namespace std::chrono_literals;

std::set<DropReason>& Reached() {
  static std::set<DropReason> reached;
  return reached;
}

void ExpectDropped(const Node& node, DropReason reason, std::uint64_t times = 1) {
  EXPECT_EQ(node.Drops(reason), times) << Name(reason);
  Reached().insert(reason);
}

// Two routers with a session.
struct Pair {
  Pair() {
    a.Send(b, 0);
    net.Settle();
    (void)b.Received();
  }
  // The datagram in which a sends the packet; it does not arrive.
  Datagram Sealed(const Bytes& packet) {
    Datagram caught;
    net.wire = [&](Datagram d) {
      caught = std::move(d);
      return std::vector<Datagram>{};
    };
    a.Send(packet);
    net.Settle();
    net.wire = [](Datagram d) { return std::vector<Datagram>{std::move(d)}; };
    return caught;
  }
  Datagram Sealed() { return Sealed(InnerPacket(1, 2, 1)); }
  void Deliver(const Datagram& datagram) {
    net.Deliver(datagram);
    net.Settle();
  }
  // A message of a's with any payload.
  Datagram SealedRaw(Bytes payload) {
    wg::Session& session = *a_to_b.path->current.load();
    const std::uint64_t counter = session.send_counter.fetch_add(1);
    Bytes message(wg::kTransportHeaderSize + payload.size() + kAeadTagSize + kAeadTailroom);
    auto* header = reinterpret_cast<wg::TransportHeader*>(message.data());
    header->type = 4;
    header->receiver_index = session.remote_index;
    header->counter = counter;
    std::copy(payload.begin(), payload.end(), message.begin() + wg::kTransportHeaderSize);
    AeadJob job{&session.send_key, counter, message.data() + wg::kTransportHeaderSize,
                static_cast<std::uint32_t>(payload.size()), false};
    MakeAead()->SealBurst({&job, 1});
    message.resize(message.size() - kAeadTailroom);
    return {a.address, b.address, message, 0};
  }

  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  PeerRecord& a_to_b = a.AddPeer(b);
  PeerRecord& b_to_a = b.AddPeer(a);
};

TEST(Drops, OfWireGuardMessages) {
  Pair pair;
  Datagram sealed = pair.Sealed();
  Datagram changed = sealed;
  changed.bytes.resize(31);
  pair.Deliver(changed);
  ExpectDropped(pair.b, DropReason::kMessageInvalid);

  changed = sealed;
  changed.bytes[4] ^= std::byte{1};
  pair.Deliver(changed);
  ExpectDropped(pair.b, DropReason::kSessionUnknown);

  changed = sealed;
  changed.bytes[40] ^= std::byte{1};
  pair.Deliver(changed);
  ExpectDropped(pair.b, DropReason::kAuthenticationFailed);

  pair.Deliver(sealed);
  pair.Deliver(sealed);
  ExpectDropped(pair.b, DropReason::kReplayed);

  changed = {pair.a.address, pair.b.address, Bytes(148), 0};
  changed.bytes[0] = std::byte{1};
  pair.Deliver(changed);
  ExpectDropped(pair.b, DropReason::kHandshakeRejected);

  for (unsigned i = 0; i < SlowPathLink::kHandshakes + 7; ++i) pair.net.Deliver(changed);
  while (RunLoop(*pair.b.router->workers()[0], pair.net.clock) != 0) {
  }
  ExpectDropped(pair.b, DropReason::kHandshakeQueueFull, 7);
  pair.net.Settle();

  sealed = pair.Sealed();
  pair.net.clock.Advance(181s);
  pair.Deliver(sealed);
  ExpectDropped(pair.b, DropReason::kSessionExpired);
}

TEST(Drops, OfInnerPackets) {
  Pair pair;
  pair.Deliver(pair.SealedRaw(Bytes(48, std::byte{0x11})));
  ExpectDropped(pair.b, DropReason::kInnerInvalid);

  Datagram marked = pair.Sealed();
  marked.tos = net::kEcnCongestionExperienced;
  pair.Deliver(marked);
  ExpectDropped(pair.b, DropReason::kEcnInvalid);

  pair.b.router->ClearAllowedIps(pair.b_to_a);
  pair.b.router->Commit();
  pair.Deliver(pair.Sealed());
  ExpectDropped(pair.b, DropReason::kSourceNotAllowed);
}

TEST(Drops, OfAccessPackets) {
  Pair pair;
  pair.a.Send(Bytes(40, std::byte{0x77}));
  pair.a.Send(InnerPacket(7, 2, 0));
  pair.a.Send(InnerPacket(1, 7, 0));
  pair.a.Send(InnerPacket(1, 2, 0, 1421));
  Bytes last_hop = InnerPacket(1, 2, 0);
  auto* ip = reinterpret_cast<net::Ipv4Header*>(last_hop.data());
  ip->ttl = 1;
  ip->checksum = 0;
  net::SetIpv4Checksum(ip);
  pair.a.Send(last_hop);
  pair.net.Settle();
  ExpectDropped(pair.a, DropReason::kAdmitInvalid);
  ExpectDropped(pair.a, DropReason::kSourceSpoofed);
  ExpectDropped(pair.a, DropReason::kNoRoute);
  ExpectDropped(pair.a, DropReason::kTooBig);
  ExpectDropped(pair.a, DropReason::kTtlExpired);
  // Their senders are told: unreachable, too big, time exceeded.
  EXPECT_EQ(pair.a.Received().size(), 3u);

  Node& c = pair.net.Add();
  pair.a.AddPeer(c, false);
  pair.a.Send(c, 1);
  pair.net.Settle();
  ExpectDropped(pair.a, DropReason::kNoEndpoint);
}

TEST(Drops, WithoutASession) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  PeerRecord& to_b = a.AddPeer(b);  // b does not know a
  a.Send(b, 1);
  net.Run(120s);
  ExpectDropped(a, DropReason::kNoSession);

  for (unsigned i = 0; i < SlowPathLink::kPackets + 3; ++i) a.Send(b, i);
  while (RunLoop(*a.router->workers()[0], net.clock) != 0) {
  }
  ExpectDropped(a, DropReason::kSlowPathFull, 3);
  a.router->RemovePeer(to_b);
  net.Settle();
  ExpectDropped(a, DropReason::kShutdown, SlowPathLink::kPackets);
}

TEST(Drops, OfWhatWouldGoBack) {
  Network net;
  Node& hub = net.Add();
  Node& left = net.Add();
  PeerRecord& to_hub = left.AddPeer(hub);
  left.router->AddAllowedIp(to_hub, *net::Prefix::Parse("10.0.9.0/24"));
  left.router->Commit();
  PeerRecord& to_left = hub.AddPeer(left);
  hub.router->AddAllowedIp(to_left, *net::Prefix::Parse("10.0.9.0/24"));
  hub.router->Commit();
  left.Send(InnerPacket(2, 9, 1));
  net.Settle();
  ExpectDropped(hub, DropReason::kLoopedBack);
}

// A router whose ports carry Ethernet; uplink at 192.0.2.1, MAC 02::1.
class OnEthernet : public ::testing::Test {
 protected:
  static constexpr net::MacAddress kMac{{2, 0, 0, 0, 0, 1}};
  static constexpr net::MacAddress kOther{{2, 0, 0, 0, 0, 9}};

  OnEthernet() : router_(clock_, random_, {.pool = Pool()}) {
    auto port = std::make_unique<MemoryPort>(MemoryPort::Options{.name = "uplink",
                                                                 .link = Link::kEthernet,
                                                                 .mtu = 1500,
                                                                 .mac = kMac,
                                                                 .capacity = 64,
                                                                 .pool = Pool()});
    uplink_ = port.get();
    PortOptions options{.role = PortRole::kUplink, .listen_port = 51820};
    options.addresses.push_back({net::IpAddress::V4(0xc0000201u), 24});
    EXPECT_TRUE(router_.AddPort(std::move(port), options).ok());
    router_.engine().SetPrivateKey(Node::KeyOf(1));
    router_.engine().SetUp(true);
    router_.quiescence().Online(0);
    Run();
    (void)uplink_->Collect();
  }
  ~OnEthernet() override { router_.quiescence().Offline(0); }

  static rte_mempool* Pool() {
    static rte_mempool* pool = MakePacketPool("ethernet", 255, 1728);
    return pool;
  }

  void Run() {
    bool worked = true;
    while (worked) {
      worked = RunLoop(*router_.workers()[0], clock_) != 0 || router_.HasWork();
      router_.Process();
      router_.quiescence().Pass(0);
    }
  }
  // A UDP datagram from 192.0.2.9 to the router.
  static Bytes Frame(std::uint16_t port = 51820, std::size_t payload = 40) {
    Bytes bytes(14 + 20 + 8 + payload);
    auto* frame = reinterpret_cast<net::EthernetHeader*>(bytes.data());
    frame->destination = kMac;
    frame->source = kOther;
    frame->type = net::kEtherTypeIpv4;
    auto* udp = reinterpret_cast<net::UdpHeader*>(bytes.data() + 34);
    udp->destination_port = port;
    udp->length = static_cast<std::uint16_t>(8 + payload);
    SetIp(bytes, 0xc0000201u, 0);
    return bytes;
  }
  static void SetIp(Bytes& bytes, std::uint32_t destination, std::uint16_t fragment) {
    auto* ip = reinterpret_cast<net::Ipv4Header*>(bytes.data() + 14);
    std::memset(ip, 0, sizeof *ip);
    ip->version_length = 0x45;
    ip->total_length = static_cast<std::uint16_t>(bytes.size() - 14);
    ip->id = 77;
    ip->fragment = fragment;
    ip->ttl = 64;
    ip->protocol = net::kProtocolUdp;
    ip->source = 0xc0000209u;
    ip->destination = destination;
    net::SetIpv4Checksum(ip);
  }
  void Expect(DropReason reason, const Bytes& frame) {
    const std::uint64_t before = Drops(reason);
    uplink_->Inject(0, frame);
    Run();
    EXPECT_EQ(Drops(reason), before + 1) << Name(reason);
    Reached().insert(reason);
  }
  std::uint64_t Drops(DropReason reason) const {
    const auto i = static_cast<std::size_t>(reason);
    return router_.drops()[i] + router_.workers()[0]->counters.drops[i].value();
  }

  FakeClock clock_;
  SeededRandom random_{1};
  Router router_;
  MemoryPort* uplink_ = nullptr;
};

TEST_F(OnEthernet, FramesAreDroppedByName) {
  Bytes frame = Frame();
  Expect(DropReason::kFrameTooShort, Bytes(frame.begin(), frame.begin() + 13));
  frame[0] = std::byte{4};  // another MAC
  Expect(DropReason::kNotForUs, frame);
  frame = Frame();
  reinterpret_cast<net::EthernetHeader*>(frame.data())->type = net::kEtherTypeVlan;
  frame[15] = std::byte{5};
  Expect(DropReason::kVlanUnknown, frame);
  frame = Frame();
  reinterpret_cast<net::EthernetHeader*>(frame.data())->type = 0x88ccu;
  Expect(DropReason::kEtherTypeUnknown, frame);
  frame = Frame();
  frame[24] ^= std::byte{1};  // the header checksum
  Expect(DropReason::kIpHeaderInvalid, frame);
  frame = Frame();
  reinterpret_cast<net::UdpHeader*>(frame.data() + 34)->length = 7;
  Expect(DropReason::kUdpInvalid, frame);
  Expect(DropReason::kPortClosed, Frame(53));
}

TEST_F(OnEthernet, FragmentsAreDroppedByName) {
  Bytes first = Frame();
  SetIp(first, 0xc0000201u, net::kIpv4MoreFragments);
  uplink_->Inject(0, first);
  Run();
  clock_.Advance(2s);
  Run();
  EXPECT_EQ(Drops(DropReason::kFragmentTimeout), 1u);
  Reached().insert(DropReason::kFragmentTimeout);

  first.resize(first.size() - 3);  // not a multiple of eight, with more to come
  SetIp(first, 0xc0000201u, net::kIpv4MoreFragments);
  Expect(DropReason::kFragmentInvalid, first);
}

TEST_F(OnEthernet, MessageInFragmentsIsPutTogether) {
  Bytes whole = Frame(51820, 148);
  Bytes first(whole.begin(), whole.begin() + 14 + 20 + 80);
  SetIp(first, 0xc0000201u, net::kIpv4MoreFragments);
  Bytes second(14 + 20 + 76);
  std::copy(whole.begin(), whole.begin() + 14, second.begin());
  SetIp(second, 0xc0000201u, 80 / 8);
  uplink_->Inject(0, second);
  uplink_->Inject(0, first);
  Run();
  EXPECT_EQ(Drops(DropReason::kMessageInvalid), 1u);  // 148 zeros: whole, but no WireGuard
}

TEST_F(OnEthernet, NeighbourThatDoesNotAnswerIsNamed) {
  PeerRecord& record = *router_.AddPeer(wg::PublicKeyOf(Node::KeyOf(2))).value();
  router_.engine().SetEndpoint(*record.peer, {net::IpAddress::V4(0xc0000263u), 1, 0});
  router_.engine().SetPersistentKeepalive(*record.peer, 1s);
  for (int i = 0; i < 50; ++i) {
    Run();
    (void)uplink_->Collect();
    clock_.Advance(100ms);
  }
  EXPECT_GE(Drops(DropReason::kNeighbourUnresolved), 1u);
  Reached().insert(DropReason::kNeighbourUnresolved);
}

TEST_F(OnEthernet, EmptyPoolIsNamed) {
  std::vector<Packet*> taken;
  while (Packet* packet = AllocatePacket(Pool())) taken.push_back(packet);
  PeerRecord& record = *router_.AddPeer(wg::PublicKeyOf(Node::KeyOf(2))).value();
  router_.engine().SetEndpoint(*record.peer, {net::IpAddress::V4(0xc0000263u), 1, 0});
  router_.engine().SetPersistentKeepalive(*record.peer, 1s);
  router_.Process();
  EXPECT_GE(Drops(DropReason::kNoBuffer), 1u);
  Reached().insert(DropReason::kNoBuffer);
  for (Packet* packet : taken) FreePacket(packet);
}

TEST_F(OnEthernet, FullPortIsNamed) {
  // Each ping is answered; nobody collects the answers.
  Bytes ping = Frame();
  auto* ip = reinterpret_cast<net::Ipv4Header*>(ping.data() + 14);
  ip->protocol = net::kProtocolIcmp;
  net::SetIpv4Checksum(ip);
  Bytes body(ping.size() - 34);
  body[0] = std::byte{8};
  const Be16 checksum = net::InternetSum().Add(body).Checksum();
  std::memcpy(body.data() + 2, &checksum, 2);
  std::copy(body.begin(), body.end(), ping.begin() + 34);
  for (int i = 0; i < 70; ++i) {
    uplink_->Inject(0, ping);
    Run();
  }
  EXPECT_GE(Drops(DropReason::kTransmitFull), 1u);
  Reached().insert(DropReason::kTransmitFull);
}

// A packet without headroom in a pool that is empty, and a port that takes no more.
TEST(Drops, ForWantOfRoom) {
  Pair pair;
  rte_mempool* small = MakePacketPool("small", 127, 1728);
  Packet* packet = AllocatePacket(small);
  std::vector<Packet*> taken;
  while (Packet* other = AllocatePacket(small)) taken.push_back(other);
  packet->data_off = 0;
  const Bytes inner = InnerPacket(1, 2, 1);
  SetSize(packet, static_cast<std::uint16_t>(inner.size()));
  std::memcpy(Data(packet), inner.data(), inner.size());
  ASSERT_EQ(pair.a.access->InjectPackets(0, {&packet, 1}), 1u);
  pair.net.Settle();
  ExpectDropped(pair.a, DropReason::kNoHeadroom);
  for (Packet* other : taken) FreePacket(other);
  rte_mempool_free(small);
}

TEST(Drops, OfTenantFrames) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants(net, {&a, &b});
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);

  h1.Send(Frame(net::kBroadcastMac, HostMac(9), 1));
  h1.Send(Frame(h1.mac, h1.mac, 1));
  h1.Send(Frame(HostMac(9), h1.mac, 1));
  net.Settle();
  ExpectDropped(a, DropReason::kSourceMacSpoofed);
  ExpectDropped(a, DropReason::kHairpin);
  ExpectDropped(a, DropReason::kDestinationUnknown);
  // Nobody is at b.
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 1));
  net.Settle();
  ExpectDropped(b, DropReason::kNoMember);

  Host& h2 = tenants.AddHost(b, 7, 2);
  // b learns that h2 has gone before a does.
  ASSERT_TRUE(
      b.router->networks()
          .PutEndpoint(7, {.mac = h2.mac, .place = {Place::Kind::kRouter, Tenants::SlotOf(b, a)}})
          .ok());
  h1.Send(h2, 1);
  net.Settle();
  ExpectDropped(b, DropReason::kNotHere);
  // b does not know h1 behind a any more.
  ASSERT_TRUE(b.router->networks().RemoveEndpoint(7, h1.mac).ok());
  h1.Send(h2, 1);
  net.Settle();
  ExpectDropped(b, DropReason::kSourceNotAtRouter);
  ASSERT_TRUE(b.router->networks().Remove(7).ok());
  net.Settle();
  h1.Send(h2, 1);
  net.Settle();
  ExpectDropped(b, DropReason::kNetworkUnknown);

  ASSERT_TRUE(a.router->networks().DetachPort(h1.id).ok());
  net.Settle();
  h1.Send(h2, 1);
  net.Settle();
  ExpectDropped(a, DropReason::kPortUnattached);
}

// What endpoints claim, ask and send to their gateway.
TEST(Drops, OfTenantPackets) {
  Network net;
  Node& a = net.Add();
  Tenants tenants(net, {&a});
  tenants.AddNetwork(NetworkSpec{.vni = 7,
                                 .subnets = {{*net::Prefix::Parse("10.1.0.0/24"), Ip("10.1.0.254")},
                                             {*net::Prefix::Parse("fd01::/64"), Ip("fd01::fe")}}});
  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.0.1", "fd01::1"});
  Host& h2 = tenants.AddHost(a, 7, 2, {"10.1.0.2"});
  const auto ipv4 = [&](const net::MacAddress& to, const Bytes& packet) {
    h1.Send(FrameOf(to, h1.mac, net::kEtherTypeIpv4, packet));
    net.Settle();
  };
  ipv4(h2.mac, Udp(Ip("10.1.0.3"), Ip("10.1.0.2")));
  ExpectDropped(a, DropReason::kSourceAddressSpoofed);
  ipv4(h2.mac, Udp(Ip("10.1.0.1"), Ip("10.1.0.2"), 0, 64, 67, 68));
  ExpectDropped(a, DropReason::kGatewaySpoofed);
  h1.Send(ArpFrame(net::MakeArpAnnouncement(h1.mac, Ip("10.1.0.2")), h1.mac));
  net.Settle();
  ExpectDropped(a, DropReason::kArpSpoofed);
  Bytes solicitation = SolicitationFrame(h1.mac, Ip("fd01::1"), Ip("fd01::2"));
  solicitation.back() ^= std::byte{1};
  h1.Send(solicitation);
  net.Settle();
  ExpectDropped(a, DropReason::kNdSpoofed);
  h1.Send(ArpFrame(net::MakeArpRequest(h1.mac, Ip("10.1.0.1"), Ip("10.1.0.9")), h1.mac));
  net.Settle();
  ExpectDropped(a, DropReason::kTargetUnknown);
  ipv4(net::kGatewayMac, Udp(Ip("10.1.0.1"), Ip("10.1.0.254")));
  ExpectDropped(a, DropReason::kNotServed);
  h1.Send(FrameOf(net::kGatewayMac, h1.mac, 0x88b5, {}));
  net.Settle();
  ExpectDropped(a, DropReason::kNotRouted);
  ipv4(net::kGatewayMac, Udp(Ip("10.1.0.1"), Ip("10.2.0.1")));
  ExpectDropped(a, DropReason::kNoSubnet);
  ipv4(net::kGatewayMac, Udp(Ip("10.1.0.1"), Ip("10.1.0.9")));
  ExpectDropped(a, DropReason::kAddressUnknown);
}

TEST(Drops, OfRoutersThatMayNotHaveTheNetwork) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants(net, {&a, &b});
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  ASSERT_TRUE(b.router->networks().RemoveRouter(7, Tenants::SlotOf(b, a)).ok());
  net.Settle();
  h1.Send(h2, 1);
  net.Settle();
  ExpectDropped(b, DropReason::kRouterNotMember);
  ASSERT_TRUE(a.router->networks().Change({.vni = 7, .policy = {.countries = {"HR"}}}).ok());
  net.Settle();
  h1.Send(h2, 1);
  net.Settle();
  ExpectDropped(a, DropReason::kPolicyForbids);
}

TEST(Drops, OfPortsThatSendTooMuch) {
  Network net;
  Node& a = net.Add();
  Tenants tenants(net, {&a});
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  ASSERT_TRUE(
      a.router->networks()
          .Change({.vni = 7, .rate = {.peak_rate = 1000, .peak_burst = 1514}, .broadcast_rate = 1})
          .ok());
  net.Settle();
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 1));
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 2));
  for (std::uint32_t i = 0; i < 25; ++i) h1.Send(h2, i);  // 1514 - 60 bytes: 24 frames
  net.Settle();
  ExpectDropped(a, DropReason::kBroadcastRateExceeded);
  ExpectDropped(a, DropReason::kRateExceeded);
}

TEST(Drops, OfVxlanThatIsNone) {
  Pair pair;
  pair.b.router->networks().SetOwnVtep(Tenants::Vtep(pair.b));
  ASSERT_TRUE(pair.b.router->networks().Add({.vni = 7}).ok());
  ASSERT_TRUE(pair.b.router->networks()
                  .SetRouter(Tenants::SlotOf(pair.b, pair.a), {.vtep = Tenants::Vtep(pair.a)})
                  .ok());
  pair.net.Settle();
  // From a's tunnel end point to b's tunnel end point, VXLAN's port, but no VXLAN inside.
  Bytes packet = InnerPacket(1, 2, 1);
  auto* ip = reinterpret_cast<net::Ipv4Header*>(packet.data());
  ip->source = 0x0a0001c8u;
  ip->destination = 0x0a0002c8u;
  net::SetIpv4Checksum(ip);
  auto* udp = reinterpret_cast<net::UdpHeader*>(ip + 1);
  udp->destination_port = 4789;
  udp->length = 80;
  pair.Deliver(pair.SealedRaw(packet));
  ExpectDropped(pair.b, DropReason::kVxlanInvalid);
}

TEST(Drops, OfCopiesThatAreTooMany) {
  Network net;
  Node& a = net.Add();
  Tenants tenants(net, {&a});
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  for (unsigned i = 2; i < 70; ++i) tenants.AddHost(a, 7, i);
  for (std::uint32_t i = 0; i < 64; ++i) h1.Send(Frame(net::kBroadcastMac, h1.mac, i));
  net.Settle();
  // 68 receivers, of which the last of each frame gets the frame itself.
  ExpectDropped(a, DropReason::kCopiesFull, 64 * 67 - Worker::kMaxCopies);
}

// What b drops of a message for its tunnel end point.
TEST(Drops, OfMessagesBetweenRouters) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants(net, {&a, &b});
  tenants.AddNetwork(7);
  // A host behind a speaks as if it were a router.
  Bytes packet = InnerPacket(1, 2, 1);
  auto* ip = reinterpret_cast<net::Ipv4Header*>(packet.data());
  ip->destination = 0x0a0002c8u;
  net::SetIpv4Checksum(ip);
  auto* udp = reinterpret_cast<net::UdpHeader*>(ip + 1);
  for (const std::uint16_t port : {std::uint16_t{4789}, net::kOverlayControlPort}) {
    udp->destination_port = port;
    udp->length = 80;
    a.Send(packet);
  }
  net.Settle();
  ExpectDropped(b, DropReason::kVtepSpoofed, 2);
  // a itself says what is no message. No worker of ours would: the engine's own way.
  Packet* bad = AllocatePacket(SimPool());
  SetSize(bad, 40);
  std::memset(Data(bad), 0, 40);
  PrependTunnelHeader(bad, Tenants::Vtep(a), Tenants::Vtep(b), net::kOverlayControlPort,
                      net::kOverlayControlPort, 0);
  Meta(bad).peer = a.router->peers()[Tenants::SlotOf(a, b)]->path.get();
  ASSERT_TRUE(a.router->workers()[0]->injected.Push(bad));
  net.Settle();
  ExpectDropped(b, DropReason::kOverlayControlInvalid);
}

TEST(Drops, OfFramesForAnEndpointThatIsAwayForTooLong) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants(net, {&a, &b});
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Moves& moves = a.router->moves();
  ASSERT_TRUE(moves.Arm(7, h2.mac, 1, {Place::Kind::kRouter, Tenants::SlotOf(a, b)}).ok());
  ASSERT_TRUE(moves.Hold(7, h2.mac).ok());
  for (std::uint32_t i = 0; i < MoveLimits{}.packets + 3; ++i) {
    h1.Send(h2, i);
    net.Settle();
  }
  ExpectDropped(a, DropReason::kHoldFull, 3);
  net.Run(std::chrono::seconds(11));
  ExpectDropped(a, DropReason::kHoldExpired, MoveLimits{}.packets);
}

TEST(Drops, OfRemovedPorts) {
  Network net;
  Node& a = net.Add();
  Worker& worker = *a.router->workers()[0];
  const auto add = [&] {
    auto made = std::make_unique<MemoryPort>(MemoryPort::Options{
        .name = "hosts", .link = Link::kEthernet, .mac = HostMac(1), .pool = SimPool()});
    MemoryPort* port = made.get();
    PortOptions options{.role = PortRole::kAccess};
    options.addresses.push_back({*net::IpAddress::Parse("10.200.0.1"), 24});
    EXPECT_TRUE(a.router->AddPort(std::move(made), options).ok());
    net.Settle();  // its announcement is out
    return port;
  };
  // Who has 10.200.0.1? It is the slow path that answers.
  Bytes request(sizeof(net::EthernetHeader) + net::kArpSize);
  *reinterpret_cast<net::EthernetHeader*>(request.data()) = {net::kBroadcastMac, HostMac(2),
                                                             net::kEtherTypeArp};
  net::BuildArp(net::MakeArpRequest(HostMac(2), *net::IpAddress::Parse("10.200.0.2"),
                                    *net::IpAddress::Parse("10.200.0.1")),
                std::span(request).subspan<sizeof(net::EthernetHeader), net::kArpSize>());

  // The answer waits for a worker.
  MemoryPort* port = add();
  port->Inject(0, request);
  RunLoop(worker, net.clock);
  a.router->Process();
  ASSERT_FALSE(worker.injected.empty());
  ASSERT_TRUE(a.router->RemovePort(port->id()).ok());
  a.router->Commit();
  net.Settle();
  ExpectDropped(a, DropReason::kPortGone, 1);

  // The question waits for the slow path.
  port = add();
  port->Inject(0, request);
  RunLoop(worker, net.clock);
  ASSERT_FALSE(a.router->link().packets.empty());
  ASSERT_TRUE(a.router->RemovePort(port->id()).ok());
  net.Settle();
  ExpectDropped(a, DropReason::kPortGone, 2);
}

// Last: defined last, and run in one process with the others (ctest runs the whole suite for it).
TEST(DropsAll, ReasonsAreReachedByTheTestsAbove) {
  if (Reached().empty()) GTEST_SKIP() << "needs the other tests of this file in the same run";
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    EXPECT_TRUE(Reached().contains(reason)) << Name(reason);
  }
}

TEST(DropsAll, AreDocumented) {
  std::ifstream file(VIREO_SOURCE_DIR "/docs/drops.md");
  std::stringstream text;
  text << file.rdbuf();
  std::string rows;
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    rows += "| `" + std::string(Name(reason)) + "` | " + std::string(Stage(reason)) + " | " +
            std::string(Text(reason)) + " |\n";
  }
  EXPECT_NE(text.str().find(rows), std::string::npos) << "docs/drops.md must have these rows:\n"
                                                      << rows;
}

}  // namespace
}  // namespace vireo::sim
