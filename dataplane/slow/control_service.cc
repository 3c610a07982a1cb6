#include "dataplane/slow/control_service.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "dataplane/api/control_frame.h"
#include "dataplane/slow/capture_service.h"
#include "dataplane/slow/listen_port.h"
#include "dataplane/slow/move_service.h"
#include "dataplane/slow/uapi_device.h"

namespace vireo {
namespace {

const char* LinkName(Link link) {
  switch (link) {
    case Link::kUdp:
      return "udp";
    case Link::kIp:
      return "ip";
    case Link::kEthernet:
      return "ethernet";
  }
  return "";
}

std::uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

// The answer to a request that has nothing to say but whether it was done.
template <typename Member>
v1::Response Outcome(const Status& status, Member* (v1::Response::*member)()) {
  if (!status) return api::ErrorResponse(status.error());
  v1::Response response;
  (response.*member)();
  return response;
}

v1::Response NotFound(const std::string& what) {
  return api::ErrorResponse({ErrorCode::kNotFound, what});
}

}  // namespace

ControlService::ControlService(Router& router, Identity identity)
    : router_(router),
      identity_(std::move(identity)),
      started_(router.clock().Now()),
      tenants_(router, identity_.open_port),
      traces_(router) {}

v1::Response ControlService::Handle(const v1::Request& request) {
  switch (request.what_case()) {
    case v1::Request::kGetInfo:
      return GetInfo();
    case v1::Request::kListPeers:
      return ListPeers(request.list_peers());
    case v1::Request::kSetPeerSuite:
      return SetPeerSuite(request.set_peer_suite());
    case v1::Request::kListPorts:
      return ListPorts();
    case v1::Request::kGetStats:
      return GetStats();
    case v1::Request::kListDrops:
      return ListDrops();
    case v1::Request::kAddTrace:
      return traces_.Add(request.add_trace());
    case v1::Request::kListTrace:
      return traces_.List();
    case v1::Request::kClearTrace:
      return traces_.Clear();
    case v1::Request::kApply:
      return Apply(request.apply());
    case v1::Request::kListNetworks: {
      v1::Response response;
      *response.mutable_list_networks() = tenants_.List(request.list_networks());
      return response;
    }
    case v1::Request::kArmMove:
      return Outcome(ArmMove(router_, request.arm_move()), &v1::Response::mutable_arm_move);
    case v1::Request::kHoldMove:
      return Outcome(HoldMove(router_, request.hold_move()), &v1::Response::mutable_hold_move);
    case v1::Request::kDisarmMove:
      return Outcome(DisarmMove(router_, request.disarm_move()),
                     &v1::Response::mutable_disarm_move);
    case v1::Request::kListMoves: {
      v1::Response response;
      *response.mutable_list_moves() = ListMoves(router_);
      return response;
    }
    case v1::Request::kBeginCapture:
    case v1::Request::kReadCapture:
      return Capture(request);
    case v1::Request::kListRouters: {
      v1::Response response;
      *response.mutable_list_routers() = tenants_.List(request.list_routers());
      return response;
    }
    case v1::Request::kListEndpoints:
      return ListEndpoints(request.list_endpoints());
    case v1::Request::WHAT_NOT_SET:
      break;
  }
  return api::ErrorResponse(
      {ErrorCode::kUnsupported, "this dataplane does not know the request; upgrade it"});
}

v1::Response ControlService::Apply(const v1::ApplyRequest& request) {
  const auto applied = tenants_.Apply(request);
  identity_.changed();
  if (!applied) return api::ErrorResponse(applied.error());
  v1::Response response;
  *response.mutable_apply() = applied.value();
  return response;
}

v1::Response ControlService::Capture(const v1::Request& request) {
  v1::Response response = request.has_begin_capture()
                              ? BeginCapture(router_, request.begin_capture())
                              : ReadCapture(router_, request.read_capture());
  // Its end waits for the workers, and when to look after it again has changed.
  if (request.has_begin_capture() || request.read_capture().end()) identity_.changed();
  return response;
}

v1::Response ControlService::ListEndpoints(const v1::ListEndpointsRequest& request) {
  auto list = tenants_.List(request);
  if (!list) return api::ErrorResponse(list.error());
  v1::Response response;
  *response.mutable_list_endpoints() = std::move(list).value();
  return response;
}

v1::Response ControlService::GetInfo() {
  v1::Response response;
  v1::GetInfoResponse& info = *response.mutable_get_info();
  info.set_name(identity_.name);
  info.set_version(VIREO_VERSION);
  info.set_uptime_ns(static_cast<std::uint64_t>((router_.clock().Now() - started_).count()));
  info.set_workers(static_cast<std::uint32_t>(router_.workers().size()));
  info.set_peers(static_cast<std::uint32_t>(router_.engine().peers().size()));
  info.set_ports(static_cast<std::uint32_t>(
      std::ranges::count_if(router_.ports(), [](const auto& port) { return port != nullptr; })));
  if (!router_.engine().private_key().IsZero()) {
    info.set_public_key(BytesOf(router_.engine().public_key()));
  }
  info.set_uapi_name(identity_.uapi_name);
  info.set_generation(tenants_.generation());
  info.set_networks(router_.networks().size());
  info.set_endpoints(router_.networks().endpoints());
  return response;
}

void ControlService::Describe(const PeerRecord& record, v1::Peer& out) const {
  const wg::Peer& peer = *record.peer;
  out.set_name(record.name);
  out.set_public_key(BytesOf(peer.public_key()));
  if (peer.endpoint()) out.set_endpoint(peer.endpoint()->ToString());
  for (const net::Prefix& prefix : record.allowed_ips) out.add_allowed_ips(prefix.ToString());
  out.set_suite(std::string(Name(peer.suite())));
  out.set_persistent_keepalive_s(static_cast<std::uint32_t>(peer.persistent_keepalive().count()));
  if (peer.last_handshake()) {
    out.set_last_handshake_unix_ns(peer.last_handshake()->time_since_epoch().count());
  }
  const wg::PeerCounters counters = router_.CountersOf(record);
  out.set_rx_bytes(counters.rx_bytes);
  out.set_tx_bytes(counters.tx_bytes);
  out.set_rx_packets(counters.rx_packets);
  out.set_tx_packets(counters.tx_packets);
  out.set_has_preshared_key(!peer.preshared_key().IsZero());
  if (record.underlay != nullptr) out.set_path_mtu(record.underlay->inner_mtu);
  out.set_path_mtu_state(std::string(router_.path_probes().StateOf(record.path->slot)));
  if (const wg::Session* session = record.path->current.load(std::memory_order_relaxed)) {
    v1::Session& shown = *out.mutable_session();
    shown.set_local_index(session->local_index);
    shown.set_remote_index(session->remote_index);
    shown.set_age_ns(
        static_cast<std::uint64_t>((router_.clock().Now() - session->created).count()));
    shown.set_initiator(session->initiator);
    shown.set_confirmed(session->confirmed.load(std::memory_order_relaxed));
  }
}

v1::Response ControlService::ListPeers(const v1::ListPeersRequest& request) {
  v1::Response response;
  v1::ListPeersResponse& list = *response.mutable_list_peers();
  list.set_total(static_cast<std::uint32_t>(router_.engine().peers().size()));
  std::uint32_t seen = 0;
  for (const auto& record : router_.peers()) {
    if (record == nullptr || seen++ < request.first()) continue;
    if (request.limit() != 0 && static_cast<std::uint32_t>(list.peers_size()) == request.limit()) {
      break;
    }
    Describe(*record, *list.add_peers());
  }
  return response;
}

v1::Response ControlService::SetPeerSuite(const v1::SetPeerSuiteRequest& request) {
  const auto key = ReadKey(request.public_key());
  PeerRecord* record = key ? router_.FindPeer(key.value()) : nullptr;
  if (record == nullptr) return NotFound("there is no such peer; see `vireo peers`");
  const auto suite = ParseCipherSuite(request.suite());
  if (!suite) {
    return api::ErrorResponse(
        {ErrorCode::kInvalidArgument, "suite is not chacha20poly1305 or aes256gcm"});
  }
  router_.engine().SetSuite(*record->peer, *suite);
  v1::Response response;
  response.mutable_set_peer_suite();
  return response;
}

v1::Response ControlService::ListPorts() {
  v1::Response response;
  v1::ListPortsResponse& list = *response.mutable_list_ports();
  for (const auto& port : router_.ports()) {
    if (port == nullptr) continue;
    const PortInfo& info = port->info();
    const PortOptions& options = router_.port_options(port->id());
    v1::Port& out = *list.add_ports();
    out.set_name(info.name);
    out.set_kind(info.kind);
    out.set_role(options.role == PortRole::kUplink ? "uplink"
                 : options.bridged                 ? "bridged"
                                                   : "access");
    out.set_link(LinkName(info.link));
    out.set_up(port->IsUp());
    out.set_mtu(port->mtu());
    out.set_queues(info.queues);
    if (info.link == Link::kEthernet) out.set_mac(info.mac.ToString());
    for (const PortAddress& address : options.addresses) {
      out.add_addresses(address.address.ToString() + "/" + std::to_string(address.length));
    }
    if (options.role == PortRole::kUplink) out.set_listen_port(ListenPortOf(router_, port->id()));
    out.set_device(info.device);
    if (const v1::PortSpec* spec = tenants_.SpecOf(info.name)) *out.mutable_spec() = *spec;
    const PortCounters counters = port->counters();
    v1::PortCounters& counts = *out.mutable_counters();
    counts.set_rx_packets(counters.rx_packets);
    counts.set_rx_bytes(counters.rx_bytes);
    counts.set_tx_packets(counters.tx_packets);
    counts.set_tx_bytes(counters.tx_bytes);
    counts.set_rx_missed(counters.rx_missed);
    counts.set_tx_errors(counters.tx_errors);
  }
  return response;
}

v1::Response ControlService::GetStats() {
  v1::Response response;
  v1::GetStatsResponse& stats = *response.mutable_get_stats();
  for (const auto& worker : router_.workers()) {
    const WorkerCounters& counters = worker->counters;
    v1::Worker& out = *stats.add_workers();
    out.set_id(worker->index);
    out.set_core(worker->core);
    out.set_loops(counters.loops.value());
    out.set_idle_sleeps(counters.sleeps.value());
    const std::pair<const char*, const Counter&> stages[] = {
        {"receive", counters.received},
        {"decrypt", counters.opened},
        {"keepalive", counters.keepalives},
        {"encrypt", counters.sealed},
        {"transmit", counters.transmitted},
        {"to slow path", counters.to_slow_path},
        {"from slow path", counters.from_slow_path}};
    for (const auto& [name, counter] : stages) {
      v1::Stage& stage = *out.add_stages();
      stage.set_name(name);
      stage.set_packets(counter.value());
    }
  }
  const auto verdict = [this](wg::HandshakeVerdict v) {
    return router_.verdicts()[static_cast<std::size_t>(v)];
  };
  v1::Handshakes& handshakes = *stats.mutable_handshakes();
  handshakes.set_initiations_accepted(verdict(wg::HandshakeVerdict::kInitiationAccepted));
  handshakes.set_responses_accepted(verdict(wg::HandshakeVerdict::kResponseAccepted));
  handshakes.set_cookies_accepted(verdict(wg::HandshakeVerdict::kCookieAccepted));
  handshakes.set_cookies_sent(verdict(wg::HandshakeVerdict::kCookieSent));
  for (std::size_t i = 0; i < wg::kHandshakeVerdicts; ++i) {
    const auto v = static_cast<wg::HandshakeVerdict>(i);
    if (wg::Accepted(v) || v == wg::HandshakeVerdict::kCookieSent) continue;
    v1::Refusal& refusal = *handshakes.add_refused();
    refusal.set_reason(std::string(wg::Name(v)));
    refusal.set_messages(verdict(v));
  }
  handshakes.set_under_load(router_.engine().under_load());
  v1::Memory& memory = *stats.mutable_memory();
  memory.set_resident_bytes(ResidentBytes());
  const PoolUsage pool = UsageOf(identity_.pool);
  memory.set_packet_buffers(pool.packets);
  memory.set_packet_buffers_free(pool.free);
  memory.set_packet_buffer_bytes(pool.packet_bytes);
  return response;
}

v1::Response ControlService::ListDrops() {
  v1::Response response;
  v1::ListDropsResponse& list = *response.mutable_list_drops();
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    v1::Drop& drop = *list.add_drops();
    drop.set_reason(std::string(Name(reason)));
    drop.set_stage(std::string(Stage(reason)));
    drop.set_text(std::string(Text(reason)));
    std::uint64_t sum = router_.drops()[i];
    for (const auto& worker : router_.workers()) {
      const std::uint64_t count = worker->counters.drops[i].value();
      drop.add_per_worker(count);
      sum += count;
    }
    drop.set_packets(sum);
  }
  return response;
}

}  // namespace vireo
