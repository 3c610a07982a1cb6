// Whole routers on memory ports, joined by a network in memory under a fake clock: one thread, no
// sleeping, repeatable.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dataplane/port/memory_port.h"
#include "dataplane/slow/router.h"

namespace vireo::sim {

using Bytes = std::vector<std::byte>;

// Where all simulated packets come from.
rte_mempool* SimPool();

// Repeatable randomness.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void Fill(MutableBytes out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

// An IPv4/UDP packet of `size` bytes from 10.0.SOURCE.1 to 10.0.DESTINATION.1 that carries
// `number`.
Bytes InnerPacket(unsigned source, unsigned destination, std::uint32_t number,
                  std::size_t size = 100, std::uint8_t tos = 0);
// The number in such a packet.
std::uint32_t NumberOf(ConstBytes packet);

// A datagram on the underlay.
struct Datagram {
  net::UdpEndpoint from, to;
  Bytes bytes;
  std::uint8_t tos = 0;
  bool dont_fragment = false;
};

class Network;

// Router number N: 192.0.2.N on the underlay, 10.0.N.0/24 behind it.
class Node {
 public:
  Node(Network& network, unsigned number, Router::Options options);

  // Makes `other` a peer that has 10.0.OTHER.0/24.
  PeerRecord& AddPeer(Node& other, bool with_endpoint = true,
                      CipherSuite suite = CipherSuite::kChaCha20Poly1305);
  // A host behind the router sends.
  void Send(ConstBytes packet) { access->Inject(0, packet); }
  void Send(Node& to, std::uint32_t payload, std::size_t size = 100) {
    Send(InnerPacket(number, to.number, payload, size));
  }
  // What hosts behind the router have got since the last call.
  std::vector<Bytes> Received();
  [[nodiscard]] std::uint64_t Drops(DropReason reason) const;
  // Workers and slow path, until nobody has anything to do.
  void Run();
  // The private key is the number, over and over.
  [[nodiscard]] static wg::PrivateKey KeyOf(unsigned number);

  Network& network;
  const unsigned number;
  net::UdpEndpoint address;  // as the others see it; change it to roam
  SeededRandom random;
  std::unique_ptr<Router> router;
  MemoryPort* uplink = nullptr;
  MemoryPort* access = nullptr;
};

class Network {
 public:
  explicit Network(std::uint64_t seed = 1);
  ~Network();

  Node& Add(Router::Options options = {});
  // Lets routers and datagrams run until all is quiet, without time passing.
  void Settle();
  // The same every `step` of fake time, with `each` called before.
  void Run(
      Duration time, Duration step = std::chrono::milliseconds(100),
      const std::function<void()>& each = [] {});
  // Puts a datagram on the wire as if `from` had sent it.
  void Deliver(const Datagram& datagram);

  FakeClock clock;
  std::mt19937_64 random;
  // What becomes of a datagram: the datagrams that arrive (itself, none, or several).
  std::function<std::vector<Datagram>(Datagram)> wire = [](Datagram d) {
    return std::vector<Datagram>{std::move(d)};
  };
  std::vector<std::unique_ptr<Node>> nodes;

 private:
  bool Exchange();
};

}  // namespace vireo::sim
