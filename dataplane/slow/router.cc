#include "dataplane/slow/router.h"

#include <algorithm>

namespace vireo {

Router::Router(const Clock& clock, RandomSource& random, Options options)
    : clock_(clock),
      options_(std::move(options)),
      quiescence_(options_.workers),
      sessions_(random),
      endpoints_(random.Next64(),
                 [this](std::shared_ptr<const void> array) {
                   quiescence_.Defer([held = std::move(array)] {});
                 }),
      moves_(clock, networks_, move_table_,
             {.send = [this](std::uint32_t slot,
                             ConstBytes message) { SendOverlayControl(slot, message); },
              .warm =
                  [this](std::uint32_t slot) {
                    if (slot < peers_.size() && peers_[slot] != nullptr &&
                        peers_[slot]->path->current.load(std::memory_order_relaxed) == nullptr) {
                      SendKeepalive(*peers_[slot]->peer);
                    }
                  },
              .wake_workers =
                  [this] {
                    for (auto& worker : workers_) worker->doorbell.Ring();
                  },
              .passed = [this](std::uint64_t epoch) { return WorkersPassed(epoch); },
              .retire = [this](auto gates) { quiescence_.Retire(std::move(gates)); }}),
      path_probes_(clock, random, networks_, options_.probe_path_mtu,
                   {.way = [this](std::uint32_t slot) { return WayTo(slot); },
                    .send = [this](std::uint32_t slot, ConstBytes message, std::uint16_t padding,
                                   bool whole) { SendProbe(slot, message, padding, whole); },
                    .changed = [this](std::uint32_t slot) { PublishUnderlay(*peers_[slot]); }}),
      icmp_limiter_(random.Next64()),
      tenant_services_(clock, networks_, *this, random.Next64()),
      engine_(std::make_unique<wg::Engine>(
          clock, random, sessions_, static_cast<wg::Engine::Host&>(*this),
          wg::Engine::Options{.timestamp_mark = options_.timestamp_mark})) {
  for (std::uint16_t i = 0; i < options_.workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, sessions_, link_, MakeAead(options_.aead)));
    if (options_.workers == 1) workers_.back()->sharing = wg::Sharing::kSole;
  }
  networks_.SetSuiteOf([this](std::uint32_t slot) -> std::optional<CipherSuite> {
    if (slot >= peers_.size() || peers_[slot] == nullptr) return std::nullopt;
    return peers_[slot]->peer->suite();
  });
  Commit();
}

Router::~Router() {
  // Removing a peer retires its sessions and drops its staged packets through the members here.
  for (auto& record : peers_) {
    if (record != nullptr) RemovePeer(*record);
  }
  engine_.reset();
  quiescence_.ReclaimAll();  // while there is what it gives numbers back to
  std::array<Packet*, kMaxBurst> packets;
  const auto free_all = [&packets](Ring<Packet*>& ring) {
    while (const unsigned count = ring.Pop(packets)) {
      for (Packet* packet : std::span(packets).first(count)) FreePacket(packet);
    }
  };
  free_all(link_.handshakes);
  free_all(link_.packets);
  for (auto& worker : workers_) {
    free_all(worker->injected);
    worker->held.Extract(
        UINT16_MAX, [](Packet*) { return true; }, FreePacket);
  }
}

Result<PeerRecord*> Router::AddPeer(const wg::PublicKey& key) {
  const bool reuse = !free_slots_.empty();
  const std::uint32_t slot = reuse ? free_slots_.back() : static_cast<std::uint32_t>(peers_.size());
  auto record = std::make_unique<PeerRecord>(slot, options_.workers);
  auto added = engine_->AddPeer(key, *record->path);
  if (!added) return added.error();
  record->peer = *added;
  record->peer->owner = record.get();
  if (reuse) {
    free_slots_.pop_back();
    peers_[slot] = std::move(record);
  } else {
    peers_.push_back(std::move(record));
  }
  dirty_ = true;
  return peers_[slot].get();
}

void Router::RemovePeer(PeerRecord& record) {
  ClearAllowedIps(record);
  engine_->RemovePeer(*record.peer);
  const std::uint32_t slot = record.path->slot;
  networks_.ForgetRouter(slot);
  record.path->underlay.store(nullptr, std::memory_order_release);
  quiescence_.Retire(std::move(record.underlay));
  removed_paths_.push_back(std::move(record.path));
  peers_[slot].reset();
  removed_slots_.push_back(slot);
}

PeerRecord* Router::FindPeer(const wg::PublicKey& key) const {
  const wg::Peer* peer = engine_->Find(key);
  return peer == nullptr ? nullptr : static_cast<PeerRecord*>(peer->owner);
}

void Router::AddAllowedIp(PeerRecord& record, const net::Prefix& prefix) {
  const auto [it, inserted] = allowed_ips_.try_emplace(prefix, &record);
  if (!inserted && it->second != &record) {
    it->second->allowed_ips.erase(prefix);
    it->second = &record;
  }
  record.allowed_ips.insert(prefix);
  dirty_ = true;
}

void Router::RemoveAllowedIp(PeerRecord& record, const net::Prefix& prefix) {
  if (record.allowed_ips.erase(prefix) == 0) return;
  allowed_ips_.erase(prefix);
  dirty_ = true;
}

void Router::ClearAllowedIps(PeerRecord& record) {
  for (const net::Prefix& prefix : record.allowed_ips) allowed_ips_.erase(prefix);
  record.allowed_ips.clear();
  dirty_ = true;
}

void Router::SetInnerMtu(std::uint16_t mtu) {
  if (mtu == inner_mtu_) return;
  inner_mtu_ = mtu;
  underlays_dirty_ = true;
  dirty_ = true;  // what frames fit
}

void Router::SetTraceRules(std::unique_ptr<TraceRules> rules) {
  for (auto& worker : workers_) {
    worker->published_trace.store(rules.get(), std::memory_order_release);
  }
  quiescence_.Retire(std::move(trace_rules_));
  trace_rules_ = std::move(rules);
}

// Packets point to their peer's path while they wait in a worker's queue or in ours. So a path is
// retired only when the snapshot no longer has it and the workers' queues are empty (what a worker
// has taken out, it is done with after a quiescent point), and freed only after what was in our
// queue by then has been taken.
//
// The same goes for the ids of removed ports, which such packets have as their way in or out.
void Router::RetireRemoved() {
  const bool empty = std::all_of(workers_.begin(), workers_.end(),
                                 [](const auto& worker) { return worker->injected.empty(); });
  if (!empty) return;
  for (auto& path : removed_paths_) quiescence_.Retire(std::move(path));
  removed_paths_.clear();
  if (!removed_port_ids_.empty()) {
    quiescence_.Defer([this, ids = std::exchange(removed_port_ids_, {})] {
      free_port_ids_.insert(free_port_ids_.end(), ids.begin(), ids.end());
    });
  }
}

void Router::Process() {
  Commit();
  RetireRemoved();
  quiescence_.Collect();
  TakeEvents();
  TakePackets();
  TakeHandshakes();
  const Time now = clock_.Now();
  for (auto& link : links_) {
    if (link != nullptr) link->Poll(now);
  }
  FollowQuietPorts();
  moves_.Poll(now);
  path_probes_.Poll(now);
  captures_.Poll(now);
  tenant_services_.Poll(now, ports_.size());
  engine_->Poll();
  Commit();
  quiescence_.Reclaim();
}

Time Router::NextDeadline() const {
  Time deadline =
      std::min({engine_->NextDeadline(), moves_.NextDeadline(), path_probes_.NextDeadline(),
                tenant_services_.NextDeadline(), captures_.NextDeadline()});
  for (const auto& link : links_) {
    if (link != nullptr) deadline = std::min(deadline, link->NextDeadline());
  }
  return deadline;
}

bool Router::WorkersPassed(std::uint64_t epoch) const {
  return std::ranges::all_of(workers_, [&](const auto& worker) {
    return worker->moves_seen.load(std::memory_order_acquire) >= epoch;
  });
}

wg::PeerCounters Router::CountersOf(const PeerRecord& record) const {
  wg::PeerCounters sum;
  sum.rx_bytes = record.peer->handshake_rx_bytes();
  sum.tx_bytes = record.peer->handshake_tx_bytes();
  for (std::uint32_t i = 0; i < record.path->workers; ++i) {
    const auto& counters = record.path->counters[i];
    sum.rx_bytes += counters.rx_bytes.load(std::memory_order_relaxed);
    sum.tx_bytes += counters.tx_bytes.load(std::memory_order_relaxed);
    sum.rx_packets += counters.rx_packets.load(std::memory_order_relaxed);
    sum.tx_packets += counters.tx_packets.load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace vireo
