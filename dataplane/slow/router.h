// One router: its ports, peers and workers, and everything that is not done for every packet.
//
// Theory of operation. The router is the engine's Host and the workers' slow path. It is driven
// from outside: Process() takes what workers handed over, lets the timers run, and publishes what
// changed; NextDeadline() says when it wants to be called though nothing was handed over. The
// daemon calls it from an event loop, a simulation from a loop with a fake clock.
//
// Thread safety: one thread, the slow path's. Workers meet it only in SlowPathLink, their own rings
// and what it publishes (snapshot, underlay paths, sessions).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/base/random.h"
#include "dataplane/base/result.h"
#include "dataplane/port/port.h"
#include "dataplane/slow/captures.h"
#include "dataplane/slow/ethernet_link.h"
#include "dataplane/slow/icmp_limiter.h"
#include "dataplane/slow/moves.h"
#include "dataplane/slow/networks.h"
#include "dataplane/slow/path_probes.h"
#include "dataplane/slow/peer_record.h"
#include "dataplane/slow/port_options.h"
#include "dataplane/slow/tenant_services.h"
#include "dataplane/stage/worker.h"
#include "dataplane/table/snapshot.h"
#include "dataplane/wg/engine.h"
#include "dataplane/worker/quiescence.h"

struct rte_mempool;

namespace vireo {

class Router final : private wg::Engine::Host, private EthernetLink::Host {
 public:
  struct Options {
    std::uint16_t workers = 1;
    AeadBackend aead = AeadBackend::kBest;
    // Everything out of a tunnel goes to the only access port, whose kernel routes it (drop-in).
    bool to_host = false;
    bool probe_path_mtu = false;  // of the other routers; else what SetInnerMtu says holds for all
    WallTime timestamp_mark{};    // see wg::Engine::Options
    // Writes the mark where it survives a restart.
    std::function<void(WallTime)> save_timestamp_mark = [](WallTime) {};
    rte_mempool* pool = nullptr;  // for the packets that the router itself makes
  };

  // REQUIRES: EAL runs. The references must outlive the router.
  Router(const Clock& clock, RandomSource& random, Options options);
  // REQUIRES: no worker runs.
  ~Router() override;

  // Configuration. A change reaches the workers with the next Commit (Process does one).
  // Errors: of a port that shares its interface with the kernel, what netlink says.
  // Ports of one router have different names. Other ports' traffic is not touched. Other errors:
  // kAlreadyExists, kExhausted.
  Result<PortId> AddPort(std::unique_ptr<Port> port, PortOptions options);
  // Access ports only. The port's endpoints are forgotten, no packet goes in or out any more after
  // the next Commit, and the port is closed when no worker can be in it. The id may be another
  // port's later. Errors: kNotFound, kUnsupported (an uplink), kConflict (an armed move: disarm it
  // first).
  Status RemovePort(PortId id);
  // Waits until removed ports are closed, so that their interfaces and sockets may be used again:
  // as long as the workers' longest loop, unless `longest` ends it (false). Not from within
  // Process.
  [[nodiscard]] bool AwaitPortsClosed(std::chrono::milliseconds longest);
  [[nodiscard]] std::optional<PortId> FindPort(std::string_view name) const;
  Result<PeerRecord*> AddPeer(const wg::PublicKey& key);
  void RemovePeer(PeerRecord& record);
  [[nodiscard]] PeerRecord* FindPeer(const wg::PublicKey& key) const;
  // Adding a prefix that another peer has moves it (cryptokey routing).
  void AddAllowedIp(PeerRecord& record, const net::Prefix& prefix);
  void RemoveAllowedIp(PeerRecord& record, const net::Prefix& prefix);
  void ClearAllowedIps(PeerRecord& record);
  // Bytes of inner packet: what padding never exceeds and, on a router, what fits into the tunnels
  // as far as the path MTU is not known better.
  void SetInnerMtu(std::uint16_t mtu);
  // Tenant networks; changes reach the workers as the rest does, endpoints at once.
  [[nodiscard]] Networks& networks() { return networks_; }
  // Endpoints that move between routers.
  [[nodiscard]] Moves& moves() { return moves_; }
  [[nodiscard]] const Moves& moves() const { return moves_; }
  // What is known of the path MTU to the other routers.
  [[nodiscard]] const PathProbes& path_probes() const { return path_probes_; }
  void SetTraceRules(std::unique_ptr<TraceRules> rules);
  [[nodiscard]] Captures& captures() { return captures_; }
  void Commit();

  // The event loop's side.
  void Process();
  [[nodiscard]] Time NextDeadline() const;
  // Whether workers have handed over something that Process has not taken yet.
  [[nodiscard]] bool HasWork() const {
    return !link_.events.empty() || !link_.packets.empty() || !link_.handshakes.empty() ||
           moves_.HasWork() || quiet_changed_.load();
  }
  // Whether every worker has acted on all that the move table said up to the epoch.
  [[nodiscard]] bool WorkersPassed(std::uint64_t epoch) const;
  [[nodiscard]] std::uint64_t move_epoch() const {
    return move_table_.epoch.load(std::memory_order_relaxed);
  }

  // Views. Peers by slot, ports by id; nullptr where a slot or an id is free.
  [[nodiscard]] wg::Engine& engine() { return *engine_; }
  [[nodiscard]] const std::vector<std::unique_ptr<PeerRecord>>& peers() const { return peers_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Port>>& ports() const { return ports_; }
  [[nodiscard]] const PortOptions& port_options(PortId id) const { return port_options_[id]; }
  [[nodiscard]] const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }
  [[nodiscard]] Quiescence& quiescence() { return quiescence_; }
  [[nodiscard]] SlowPathLink& link() { return link_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  // Handshakes included, as `wg show` counts.
  [[nodiscard]] wg::PeerCounters CountersOf(const PeerRecord& record) const;
  // Of the slow path itself; the workers have their own.
  [[nodiscard]] const std::array<std::uint64_t, kDropReasons>& drops() const { return drops_; }
  [[nodiscard]] const std::array<std::uint64_t, wg::kHandshakeVerdicts>& verdicts() const {
    return verdicts_;
  }

 private:
  // wg::Engine::Host
  void SendMessage(wg::Peer* peer, const net::UdpEndpoint& to, ConstBytes message,
                   std::uint8_t tos) override;
  void SendKeepalive(wg::Peer& peer) override;
  bool FlushStaged(wg::Peer& peer) override;
  void DropStaged(wg::Peer& peer) override;
  void EndpointChanged(wg::Peer& peer) override;
  void SuiteChanged(wg::Peer&) override { networks_.MarkChanged(); }
  void Retire(std::unique_ptr<wg::Session> session) override;
  void TimestampReserved(WallTime mark) override;

  // EthernetLink::Host
  void Send(Packet* packet) override;
  Packet* NewPacket(ConstBytes bytes) override;
  void Drop(Packet* packet, DropReason reason) override;
  void NeighboursChanged() override;
  void CountDrop(DropReason reason) override;

  // ports.cc
  Result<std::unique_ptr<EthernetLink>> MakeLink(Port& port, const PortOptions& options);
  void CommitPorts();
  void FollowQuietPorts();

  // handover.cc: what workers handed over.
  void TakeEvents();
  void TakePackets();
  void TakeHandshakes();
  void TakeHandshake(Packet* packet);
  void TakePacket(Packet* packet);
  void RetireRemoved();
  void WaitForNeighbour(Packet* packet);
  void GiveToLink(Packet* packet);
  void AnswerOwned(Packet* packet);
  void AnswerError(Packet* packet);
  void AnswerFrameTooBig(Packet* packet);
  [[nodiscard]] std::optional<net::IpAddress> OwnAddress(net::Family family) const;
  void Stage(Packet* packet);
  void TakeOverlayControl(Packet* packet);
  void SendOverlayControl(std::uint32_t peer_slot, ConstBytes message);

  // path_ways.cc: what the path MTU's probes need.
  [[nodiscard]] std::optional<PathProbes::Way> WayTo(std::uint32_t peer_slot) const;
  void SendProbe(std::uint32_t peer_slot, ConstBytes message, std::uint16_t padding, bool whole);
  void SizePath(UnderlayPath& path, std::uint32_t peer_slot) const;
  void WriteFrameSizes(Snapshot& snapshot) const;

  // publish.cc: what workers read.
  [[nodiscard]] std::optional<PortId> ChooseUplink(const PeerRecord& record,
                                                   const net::IpAddress& remote) const;
  void PublishUnderlay(PeerRecord& record);
  void PublishAllUnderlays();
  [[nodiscard]] std::unique_ptr<Snapshot> BuildSnapshot();

  const Clock& clock_;
  const Options options_;
  SlowPathLink link_;
  Quiescence quiescence_;
  wg::SessionTable sessions_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Captures captures_{clock_, quiescence_, workers_, options_.workers};
  std::vector<std::unique_ptr<Port>> ports_;  // index: PortId, as the two below
  std::vector<PortOptions> port_options_;
  std::vector<std::unique_ptr<EthernetLink>> links_;  // nullptr for other links
  // Ports that the published snapshot still has, ids that packets may still have, ids for new
  // ports.
  std::vector<std::unique_ptr<Port>> removed_ports_;
  std::vector<PortId> removed_port_ids_, free_port_ids_;
  unsigned closing_ports_ = 0;  // out of the snapshot, but workers may be in them
  bool ports_changed_ = false;  // workers must learn of it

  std::vector<std::unique_ptr<PeerRecord>> peers_;
  // Slots of removed peers may be others' only when no worker can take one for the other.
  std::vector<std::uint32_t> free_slots_, removed_slots_;
  std::map<net::Prefix, PeerRecord*> allowed_ips_;
  std::vector<std::unique_ptr<wg::PeerPath>> removed_paths_;  // of removed peers, see RetireRemoved
  std::uint16_t inner_mtu_ = 1420;

  EndpointTable endpoints_;
  Networks networks_{endpoints_};
  MoveTable move_table_;
  Moves moves_;
  PathProbes path_probes_;
  std::vector<bool> quiet_;                 // by PortId: as moves_ was told
  std::atomic<bool> quiet_changed_{false};  // a port says so: any thread sets, slow path clears

  std::unique_ptr<Snapshot> snapshot_;
  std::unique_ptr<TraceRules> trace_rules_;
  bool dirty_ = true;             // the snapshot no longer says what is configured
  bool underlays_dirty_ = false;  // neighbours changed
  PortId handshake_port_ = 0;     // by which the message came that the engine is working on

  IcmpLimiter icmp_limiter_;
  TenantServices tenant_services_;
  std::array<std::uint64_t, kDropReasons> drops_{};
  std::array<std::uint64_t, wg::kHandshakeVerdicts> verdicts_{};
  std::unique_ptr<wg::Engine> engine_;  // last: its end calls back into the members above
};

}  // namespace vireo
