// Engines on a network in memory: a fake clock, links that delay, lose, double and reorder, and a
// data path just large enough to use the sessions as a worker does.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "dataplane/wg/engine.h"
#include "dataplane/wg/x25519.h"
#include "tests/support/seeded_random.h"

namespace vireo::wg::sim {

using namespace std::chrono_literals;
using Bytes = std::vector<std::byte>;

inline net::UdpEndpoint At(const char* text) { return *net::UdpEndpoint::Parse(text); }

struct Datagram {
  net::UdpEndpoint from;
  net::UdpEndpoint to;
  Bytes bytes;
  std::uint8_t tos = 0;

  [[nodiscard]] MessageKind kind() const { return Classify(bytes); }
};

class Node;

class Network {
 public:
  struct Link {
    double loss = 0;
    double duplication = 0;
    Duration delay = 1ms;
    Duration jitter = 0ms;  // more than the spacing of packets reorders them
  };

  explicit Network(std::uint64_t seed = 1) : random_(seed) {}

  void Send(Datagram datagram);
  // Runs all that happens in that time, moment by moment: nothing is polled without being due.
  void Run(Duration time);
  // What Run does for one moment, without passing time.
  void Settle();

  FakeClock clock;
  Link link;
  // Asked for every datagram sent; false loses it.
  std::function<bool(const Datagram&)> filter = [](const Datagram&) { return true; };
  std::vector<Datagram> sent;  // all, the lost ones too
  std::uint64_t moments = 0;

  [[nodiscard]] std::size_t Count(MessageKind kind, const net::UdpEndpoint& from) const;
  [[nodiscard]] std::size_t Keepalives(const net::UdpEndpoint& from) const;
  // The last one sent of that kind. REQUIRES: there is one.
  [[nodiscard]] const Datagram& Last(MessageKind kind) const;

 private:
  friend class Node;

  void Deliver();
  [[nodiscard]] bool Chance(double probability);

  std::mt19937_64 random_;
  std::multimap<Time, Datagram> in_flight_;
  std::vector<Node*> nodes_;
};

// A clock of which the wall part can be wrong.
class NodeClock final : public Clock {
 public:
  explicit NodeClock(const Clock& base) : base_(base) {}
  [[nodiscard]] Time Now() const override { return base_.Now(); }
  [[nodiscard]] WallTime WallNow() const override { return base_.WallNow() + offset; }
  Duration offset{0};

 private:
  const Clock& base_;
};

// One device: an engine, its host, and a worker.
class Node final : private Engine::Host {
 public:
  struct Remote {
    Peer* peer = nullptr;
    PeerPath path;
    std::deque<Bytes> staged;
    std::vector<Bytes> received;
    std::size_t staged_dropped = 0;  // DropStaged calls
    std::size_t endpoint_changes = 0;
  };

  Node(Network& network, const net::UdpEndpoint& address, std::uint64_t seed);
  ~Node() override;

  [[nodiscard]] const PublicKey& key() const { return engine->public_key(); }

  // Knows each other; endpoints too unless told otherwise.
  Remote& AddPeer(Node& other, bool with_endpoint = true);
  Remote& AddPeer(const PublicKey& key, std::optional<net::UdpEndpoint> endpoint);
  void RemovePeer(const PublicKey& key);
  Remote& To(const Node& other) { return *remotes_.at(other.key()); }
  Remote& To(const PublicKey& other) { return *remotes_.at(other); }

  // What a worker does with a packet for the peer: seals and sends, or stages.
  void SendData(Node& other, Bytes packet) { SendData(To(other), std::move(packet)); }
  void SendData(Remote& remote, Bytes packet);
  // Tells payloads apart.
  static Bytes Payload(std::uint32_t number);

  // A datagram arrived.
  void Receive(const Datagram& datagram);
  // Hands the worker's events to the engine.
  void DeliverEvents();
  // Ends the process and starts it again with the same configuration.
  void Restart(bool remember_timestamps = true);
  void Roam(const net::UdpEndpoint& to) { address = to; }

  net::UdpEndpoint address;
  NodeClock clock;
  std::unique_ptr<SessionTable> sessions;
  std::unique_ptr<Engine> engine;
  std::optional<HandshakeVerdict> last_verdict;
  std::map<HandshakeVerdict, std::size_t> verdicts;
  std::map<std::string, std::size_t> drops;
  std::size_t retired = 0;
  std::size_t marks_written = 0;
  WallTime mark{};
  bool lose_events = false;

 private:
  void SendMessage(Peer* peer, const net::UdpEndpoint& to, ConstBytes message,
                   std::uint8_t tos) override;
  void SendKeepalive(Peer& peer) override;
  bool FlushStaged(Peer& peer) override;
  void DropStaged(Peer& peer) override;
  void EndpointChanged(Peer& peer) override;
  void Retire(std::unique_ptr<Session> session) override;
  void TimestampReserved(WallTime mark) override;

  void Start(const PrivateKey& key);
  void Seal(Remote& remote, Session& session, ConstBytes packet);
  void Open(const Datagram& datagram);
  void Post(std::function<void()> event);
  [[nodiscard]] Remote& RemoteOf(const Peer& peer) { return *remotes_.at(peer.public_key()); }
  [[nodiscard]] std::int64_t Now() const { return clock.Now().time_since_epoch().count(); }

  friend class Network;
  Network& network_;
  test::SeededRandom random_;
  std::map<PublicKey, std::unique_ptr<Remote>> remotes_;
  std::vector<std::unique_ptr<Remote>> removed_;
  std::vector<std::unique_ptr<Session>> retired_;
  std::deque<std::function<void()>> events_;
};

}  // namespace vireo::wg::sim
