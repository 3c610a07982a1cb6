// Captures over the control socket: every packet once, as it is there, with why it was dropped.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "dataplane/slow/control_service.h"
#include "tests/sim/router/tenant_packets.h"

namespace vireo::sim {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Bytes BytesOfText(const std::string& text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

// What one capture at a node sees.
class Reader {
 public:
  explicit Reader(Node& node, const v1::BeginCaptureRequest& what = {}) : node_(node) {
    v1::Request request;
    *request.mutable_begin_capture() = what;
    begun = service_.Handle(request);
    node_.Run();
  }
  v1::ReadCaptureResponse Answer(bool end = false) {
    v1::Request request;
    request.mutable_read_capture()->set_id(begun.begin_capture().id());
    request.mutable_read_capture()->set_end(end);
    last = service_.Handle(request);
    return last.read_capture();
  }
  std::vector<v1::CapturedPacket> Read() {
    const v1::ReadCaptureResponse answer = Answer();
    return {answer.packets().begin(), answer.packets().end()};
  }

  v1::Response begun, last;

 private:
  Node& node_;
  ControlService service_{*node_.router, {}};
};

v1::BeginCaptureRequest AtPort(const std::string& name) {
  v1::BeginCaptureRequest request;
  request.add_ports(name);
  return request;
}

class Captured : public ::testing::Test {
 protected:
  Captured() {
    tenants.AddNetwork(7);
    tenants.AddNetwork(8);
  }
  v1::BeginCaptureRequest AtPeer(Node& node) {
    v1::BeginCaptureRequest request;
    request.add_peers(BytesOf(wg::PublicKeyOf(Node::KeyOf(node.number))));
    return request;
  }

  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants{net, {&a, &b}};
};

TEST_F(Captured, PortShowsWhatItReceivesAndSends) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Reader reader(a, AtPort("vm1-7"));
  const Bytes there = Frame(h2.mac, h1.mac, 1, 100);
  const Bytes back = Frame(h1.mac, h2.mac, 2, 200);
  h1.Send(there);
  net.Settle();
  net.clock.Advance(5ms);
  h2.Send(back);
  net.Settle();
  const auto answer = reader.Answer();
  ASSERT_THAT(answer.packets(), SizeIs(2));
  ASSERT_THAT(answer.interfaces(), SizeIs(1));
  EXPECT_EQ(answer.interfaces(0).name(), "vm1-7");
  EXPECT_EQ(answer.interfaces(0).link(), "ethernet");
  EXPECT_EQ(answer.packets(0).way(), "in");
  EXPECT_EQ(BytesOfText(answer.packets(0).bytes()), there);
  EXPECT_EQ(answer.packets(0).drop_reason(), "");
  EXPECT_EQ(answer.packets(1).way(), "out");
  EXPECT_EQ(BytesOfText(answer.packets(1).bytes()), back);
  EXPECT_EQ(answer.packets(1).unix_ns() - answer.packets(0).unix_ns(), 5'000'000);
  EXPECT_EQ(answer.packets(1).unix_ns(), net.clock.WallNow().time_since_epoch().count());
  EXPECT_THAT(reader.Read(), IsEmpty()) << "each packet is given once";
}

TEST_F(Captured, DroppedPacketHasItsReasonAndIsThereOnce) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Reader reader(a, AtPort("vm1-7"));
  h1.Send(h2, 1);
  h1.Send(Frame(h2.mac, HostMac(99), 2));  // a MAC that is not the VM's
  h1.Send(Frame(HostMac(50), h1.mac, 3));  // to nobody
  net.Settle();
  std::vector<std::string> reasons;
  for (const auto& packet : reader.Read()) reasons.push_back(packet.drop_reason());
  EXPECT_THAT(reasons, ElementsAre("", "source_mac_spoofed", "destination_unknown"));
}

TEST_F(Captured, PeerShowsInnerPacketsOfBothWays) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  tenants.Meet(h1, h2);
  Reader reader(a, AtPeer(b));
  h1.Send(Frame(h2.mac, h1.mac, 1, 101));
  h2.Send(Frame(h1.mac, h2.mac, 2, 77));
  a.Send(b, 3, 90);  // plain IP beside VXLAN
  net.Settle();
  const auto answer = reader.Answer();
  ASSERT_THAT(answer.packets(), SizeIs(3));
  EXPECT_EQ(answer.interfaces(0).link(), "ip");
  EXPECT_TRUE(answer.interfaces(0).peer());
  std::multiset<std::pair<std::string, std::size_t>> seen;
  for (const auto& packet : answer.packets()) {
    EXPECT_EQ(packet.size(), packet.bytes().size());
    seen.emplace(packet.way(), packet.bytes().size());  // without WireGuard's padding
  }
  EXPECT_EQ(seen, (std::multiset<std::pair<std::string, std::size_t>>{
                      {"in", 77 + 36}, {"out", 90}, {"out", 101 + 36}}));
}

TEST_F(Captured, PeersPacketThatIsRefusedHasItsReason) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  tenants.Meet(h1, h2);
  Reader reader(b, AtPeer(a));
  // What a says about a host that b knows to be elsewhere.
  ASSERT_TRUE(b.router->networks().RemoveEndpoint(7, h1.mac).ok());
  h1.Send(h2, 5);
  net.Settle();
  const auto packets = reader.Read();
  ASSERT_THAT(packets, SizeIs(1));
  EXPECT_EQ(packets[0].drop_reason(), "source_not_at_router");
  EXPECT_THAT(packets[0].drop_text(), HasSubstr("not an endpoint behind"));
  EXPECT_EQ(packets[0].way(), "in");
}

TEST_F(Captured, PacketThatIsDroppedLaterIsShownOnceMore) {
  Node& silent = net.Add();
  a.AddPeer(silent);
  net.wire = [](Datagram) { return std::vector<Datagram>{}; };
  v1::BeginCaptureRequest what;
  what.add_peers(BytesOf(wg::PublicKeyOf(Node::KeyOf(silent.number))));
  Reader reader(a, what);
  a.Send(silent, 9, 64);
  net.Settle();
  EXPECT_THAT(reader.Read(), IsEmpty());  // it waits for a handshake
  // Handshakes are given up after 90 s.
  std::vector<v1::CapturedPacket> packets;
  const auto read = [&] {
    for (auto& packet : reader.Read()) packets.push_back(packet);
  };
  net.Run(120s, 1s, read);
  read();
  EXPECT_EQ(a.Drops(DropReason::kNoSession), 1u);
  ASSERT_THAT(packets, SizeIs(1));
  EXPECT_EQ(packets[0].drop_reason(), "no_session");
  EXPECT_EQ(NumberOf(BytesOfText(packets[0].bytes())), 9u);
}

TEST_F(Captured, UplinkShowsMessagesWithMadeUpHeaders) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  tenants.Meet(h1, h2);
  Reader reader(b, AtPort("uplink"));
  h1.Send(h2, 1);
  net.Settle();
  // A forged message: the tag is wrong.
  net.Deliver({a.address, b.address, Bytes(100, std::byte{4}), 0});
  net.Settle();
  const auto packets = reader.Read();
  ASSERT_THAT(packets, SizeIs(2));
  const Bytes bytes = BytesOfText(packets[0].bytes());
  const net::Flow flow = net::ReadFlowOfPacket(bytes);
  EXPECT_EQ(flow.source, a.address.address);
  EXPECT_EQ(flow.source_port, a.address.port);
  EXPECT_EQ(flow.size, bytes.size());
  EXPECT_EQ(bytes[28], std::byte{4});
  EXPECT_EQ(packets[1].drop_reason(), "message_invalid");
}

TEST_F(Captured, SnapLengthCutsAndTellsTheSize) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  v1::BeginCaptureRequest what = AtPort("vm1-7");
  what.set_snap_length(40);
  Reader reader(a, what);
  h1.Send(Frame(h2.mac, h1.mac, 1, 30));
  h1.Send(Frame(h2.mac, h1.mac, 1, 41));
  h1.Send(Frame(h2.mac, h1.mac, 1, 1000));
  net.Settle();
  std::vector<std::pair<std::uint32_t, std::size_t>> sizes;
  for (const auto& packet : reader.Read()) sizes.emplace_back(packet.size(), packet.bytes().size());
  using Size = std::pair<std::uint32_t, std::size_t>;
  EXPECT_THAT(sizes, ElementsAre(Size{30, 30}, Size{41, 40}, Size{1000, 40}));
}

TEST_F(Captured, MatchesByAddressProtocolPortAndNetwork) {
  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.0.1", "fd01::1"});
  Host& h2 = tenants.AddHost(b, 7, 2, {"10.1.0.2", "fd01::2"});
  tenants.Meet(h1, h2);
  const auto count = [&](auto set) {
    v1::BeginCaptureRequest what = AtPeer(b);
    set(*what.mutable_match());
    Reader reader(a, what);
    const auto send = [&](const Bytes& packet, std::uint16_t type) {
      h1.Send(FrameOf(h2.mac, h1.mac, type, packet));
    };
    send(Udp(Ip("10.1.0.1"), Ip("10.1.0.2"), 1, 64, 5000, 53), net::kEtherTypeIpv4);
    send(Echo(Ip("10.1.0.1"), Ip("10.1.0.2")), net::kEtherTypeIpv4);
    send(Udp(Ip("fd01::1"), Ip("fd01::2"), 1, 64, 53, 5000), net::kEtherTypeIpv6);
    a.Send(b, 1);
    net.Settle();
    const std::size_t packets = reader.Read().size();
    (void)reader.Answer(true);
    net.Settle();
    (void)reader.Answer(true);
    return packets;
  };
  EXPECT_EQ(count([](v1::CaptureMatch&) {}), 4u);
  EXPECT_EQ(count([](v1::CaptureMatch& m) { m.set_source("10.1.0.0/24"); }), 2u);
  EXPECT_EQ(count([](v1::CaptureMatch& m) { m.set_destination("fd01::2"); }), 1u);
  EXPECT_EQ(count([](v1::CaptureMatch& m) { m.set_protocol(net::kProtocolUdp); }), 3u);
  EXPECT_EQ(count([](v1::CaptureMatch& m) { m.set_transport_port(53); }), 2u);
  EXPECT_EQ(count([](v1::CaptureMatch& m) { m.set_vni(7); }), 3u);
  EXPECT_EQ(count([](v1::CaptureMatch& m) { m.set_vni(8); }), 0u);
}

TEST_F(Captured, NetworkOfAPortMatchesItsFrames) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Host& other = tenants.AddHost(a, 8, 3);
  v1::BeginCaptureRequest what;  // everywhere
  what.mutable_match()->set_vni(7);
  Reader reader(a, what);
  h1.Send(h2, 1);
  other.Send(h2, 2);
  net.Settle();
  EXPECT_THAT(reader.Read(), SizeIs(2));  // in by one port, out by the other
}

TEST_F(Captured, WhatFindsNoRoomIsCountedAndTrafficGoesOn) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Reader reader(a, AtPort("vm1-7"));
  std::uint64_t sent = 0;
  std::uint64_t arrived = 0;
  while (sent < CaptureRing::kBytes / 1000) {
    for (int i = 0; i < 64; ++i) h1.Send(Frame(h2.mac, h1.mac, 1, 1200));
    sent += 64;
    a.Run();
    arrived += h2.Received().size();
  }
  EXPECT_EQ(arrived, sent);
  std::uint64_t got = 0;
  v1::ReadCaptureResponse answer;
  do {
    answer = reader.Answer();
    got += static_cast<std::uint64_t>(answer.packets_size());
    EXPECT_LT(answer.ByteSizeLong(), 2u << 20);
  } while (answer.more());
  EXPECT_GT(answer.left_out(), 0u);
  EXPECT_EQ(got + answer.left_out(), sent);
  h1.Send(h2, 1);
  net.Settle();
  EXPECT_THAT(reader.Read(), SizeIs(1)) << "there is room again";
}

TEST_F(Captured, EndsWhenAskedAndIsForgotten) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Reader reader(a, AtPort("vm1-7"));
  h1.Send(h2, 1);
  net.Settle();
  v1::ReadCaptureResponse answer = reader.Answer(true);
  EXPECT_THAT(answer.packets(), SizeIs(1));
  EXPECT_TRUE(answer.more()) << "workers may still be copying";
  h1.Send(h2, 2);
  net.Settle();
  answer = reader.Answer(true);
  EXPECT_THAT(answer.packets(), IsEmpty());
  EXPECT_FALSE(answer.more());
  (void)reader.Answer();
  EXPECT_EQ(reader.last.error().code(), "not-found");
}

TEST_F(Captured, EndsByItselfWhenNobodyReads) {
  Reader reader(a);
  net.Run(9s, 1s);
  (void)reader.Read();
  EXPECT_TRUE(reader.last.has_read_capture());
  net.Run(11s, 1s);
  (void)reader.Read();
  EXPECT_EQ(reader.last.error().code(), "not-found");
  EXPECT_EQ(a.router->workers()[0]->published_captures.load(), nullptr);
}

TEST_F(Captured, RefusesWhatItCannotDo) {
  EXPECT_EQ(Reader(a, AtPort("none")).begun.error().code(), "not-found");
  v1::BeginCaptureRequest stranger;
  stranger.add_peers(std::string(32, 'x'));
  EXPECT_EQ(Reader(a, stranger).begun.error().code(), "not-found");
  v1::BeginCaptureRequest wrong;
  wrong.mutable_match()->set_source("10.0.0.0/33");
  EXPECT_EQ(Reader(a, wrong).begun.error().code(), "invalid-argument");
  wrong.mutable_match()->set_source("");
  wrong.mutable_match()->set_transport_port(65536);
  EXPECT_EQ(Reader(a, wrong).begun.error().code(), "invalid-argument");
  std::deque<Reader> readers;
  for (std::size_t i = 0; i < CaptureSet::kMax; ++i) {
    EXPECT_TRUE(readers.emplace_back(a).begun.has_begin_capture());
  }
  EXPECT_EQ(Reader(a).begun.error().code(), "exhausted");
}

}  // namespace
}  // namespace vireo::sim
