#include "tests/sim/router/sim_network.h"

#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"
#include "dataplane/worker/pipeline.h"

namespace vireo::sim {

rte_mempool* SimPool() {
  static rte_mempool* pool = MakePacketPool("sim", 16383, 1728);
  return pool;
}

namespace {

constexpr std::size_t kNumberAt = sizeof(net::Ipv4Header) + sizeof(net::UdpHeader);

}  // namespace

Bytes InnerPacket(unsigned source, unsigned destination, std::uint32_t number, std::size_t size,
                  std::uint8_t tos) {
  Bytes bytes(size);
  auto* ip = reinterpret_cast<net::Ipv4Header*>(bytes.data());
  ip->version_length = 0x45;
  ip->tos = tos;
  ip->total_length = static_cast<std::uint16_t>(size);
  ip->ttl = 64;
  ip->protocol = net::kProtocolUdp;
  ip->source = 0x0a000001u | source << 8;
  ip->destination = 0x0a000001u | destination << 8;
  net::SetIpv4Checksum(ip);
  std::memcpy(bytes.data() + kNumberAt, &number, sizeof number);
  return bytes;
}

std::uint32_t NumberOf(ConstBytes packet) {
  std::uint32_t number;
  std::memcpy(&number, packet.data() + kNumberAt, sizeof number);
  return number;
}

wg::PrivateKey Node::KeyOf(unsigned number) {
  std::array<std::byte, 32> bytes;
  bytes.fill(static_cast<std::byte>(number));
  return wg::PrivateKey(bytes);
}

Node::Node(Network& net, unsigned n, Router::Options options)
    : network(net),
      number(n),
      address{net::IpAddress::V4(0xc0000200u | n), 51820, 0},
      random(net.random()) {
  if (options.pool == nullptr) options.pool = SimPool();
  rte_mempool* pool = options.pool;
  router = std::make_unique<Router>(net.clock, random, std::move(options));
  for (const auto& worker : router->workers()) router->quiescence().Online(worker->index);
  auto up = std::make_unique<MemoryPort>(
      MemoryPort::Options{.name = "uplink", .link = Link::kUdp, .capacity = 16384, .pool = pool});
  auto down = std::make_unique<MemoryPort>(
      MemoryPort::Options{.name = "access", .link = Link::kIp, .capacity = 16384, .pool = pool});
  uplink = up.get();
  access = down.get();
  PortOptions behind{.role = PortRole::kAccess};
  behind.addresses.push_back({net::IpAddress::V4(0x0a0000feu | n << 8), 24});
  behind.check_source = true;
  (void)router->AddPort(std::move(up), {.role = PortRole::kUplink});
  (void)router->AddPort(std::move(down), behind);
  router->engine().SetPrivateKey(KeyOf(n));
  router->engine().SetUp(true);
  router->Commit();
}

PeerRecord& Node::AddPeer(Node& other, bool with_endpoint, CipherSuite suite) {
  PeerRecord& record = *router->AddPeer(wg::PublicKeyOf(KeyOf(other.number))).value();
  router->AddAllowedIp(record,
                       net::Prefix::Make(net::IpAddress::V4(0x0a000000u | other.number << 8), 24));
  router->engine().SetSuite(*record.peer, suite);
  if (with_endpoint) router->engine().SetEndpoint(*record.peer, other.address);
  router->Commit();
  return record;
}

std::vector<Bytes> Node::Received() {
  std::vector<Bytes> packets;
  for (SentFrame& frame : access->Collect()) packets.push_back(std::move(frame.bytes));
  return packets;
}

std::uint64_t Node::Drops(DropReason reason) const {
  const auto i = static_cast<std::size_t>(reason);
  std::uint64_t sum = router->drops()[i];
  for (const auto& worker : router->workers()) sum += worker->counters.drops[i].value();
  return sum;
}

void Node::Run() {
  bool worked = true;
  while (worked) {
    worked = false;
    for (const auto& worker : router->workers()) {
      worked |= RunLoop(*worker, network.clock) != 0;
      router->quiescence().Pass(worker->index);
    }
    worked |= router->HasWork();
    router->Process();
    worked |= !router->WorkersPassed(router->move_epoch());
  }
}

Network::Network(std::uint64_t seed) : random(seed) {}

Network::~Network() {
  for (const auto& node : nodes) {
    for (const auto& worker : node->router->workers()) {
      node->router->quiescence().Offline(worker->index);
    }
  }
}

Node& Network::Add(Router::Options options) {
  nodes.push_back(
      std::make_unique<Node>(*this, static_cast<unsigned>(nodes.size() + 1), std::move(options)));
  return *nodes.back();
}

void Network::Deliver(const Datagram& datagram) {
  for (const auto& node : nodes) {
    if (node->address == datagram.to) {
      node->uplink->Inject(0, datagram.bytes, datagram.from, datagram.tos);
    }
  }
}

bool Network::Exchange() {
  bool moved = false;
  for (const auto& node : nodes) {
    node->Run();
    for (SentFrame& frame : node->uplink->Collect()) {
      moved = true;
      for (const Datagram& datagram : wire({node->address, frame.remote, std::move(frame.bytes),
                                            frame.outer_tos, frame.dont_fragment})) {
        Deliver(datagram);
      }
    }
  }
  return moved;
}

void Network::Settle() {
  while (Exchange()) {
  }
}

void Network::Run(Duration time, Duration step, const std::function<void()>& each) {
  for (const Time end = clock.Now() + time; clock.Now() < end;) {
    each();
    Settle();
    clock.Advance(step);
  }
  Settle();
}

}  // namespace vireo::sim
