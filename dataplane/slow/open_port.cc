#include "dataplane/slow/open_port.h"

#include "dataplane/port/af_xdp_port.h"
#include "dataplane/port/ethdev_port.h"
#include "dataplane/port/packet_stash.h"
#include "dataplane/port/socket_port.h"
#include "dataplane/port/tun_port.h"
#include "dataplane/port/vhost_port.h"

namespace vireo {
namespace {

constexpr std::uint16_t kDefaultTunnelMtu = 1420;  // leaves 80 bytes for IPv6, UDP and WireGuard
// Ethernet with a tag.
constexpr std::uint16_t kLinkHeader = 18;

template <typename T>
Result<std::unique_ptr<Port>> AsPort(Result<std::unique_ptr<T>> port) {
  if (!port) return port.error();
  return std::unique_ptr<Port>(std::move(port).value());
}

Result<std::unique_ptr<Port>> OpenKind(const api::PortConfig& port,
                                       const PortEnvironment& environment) {
  const std::uint16_t workers = environment.workers;
  rte_mempool* pool = environment.pool;
  switch (port.kind) {
    case api::PortKind::kSocket:
      return AsPort(SocketPort::Open({.name = port.name,
                                      .listen_port = port.listen_port,
                                      .fwmark = environment.fwmark,
                                      .queues = workers,
                                      .pool = pool}));
    case api::PortKind::kTun:
      return AsPort(TunPort::Open({.name = port.name,
                                   .interface = port.interface,
                                   .queues = workers,
                                   .mtu = port.mtu != 0 ? port.mtu : kDefaultTunnelMtu,
                                   .pool = pool}));
    case api::PortKind::kTap:
      return AsPort(TunPort::Open({.name = port.name,
                                   .interface = port.interface,
                                   .mode = TunMode::kTap,
                                   .queues = workers,
                                   .mtu = port.mtu,
                                   .pool = pool}));
    case api::PortKind::kVhostUser:
      return AsPort(VhostPort::Open(
          {.name = port.name,
           .socket = port.socket,
           .mode = port.mode == api::VhostMode::kClient ? VhostMode::kClient : VhostMode::kServer,
           .queues = port.queues,
           .workers = workers,
           .mtu = port.mtu,
           .pool = pool}));
    case api::PortKind::kAfXdp: {
      AfXdpOptions options{
          .name = port.name, .interface = port.interface, .workers = workers, .pool = pool};
      options.steering =
          port.steer == api::Steering::kAll ? ebpf::Steering::kAll : ebpf::Steering::kOverlay;
      if (port.role == api::PortRole::kUplink) options.udp_ports = {port.listen_port};
      return AsPort(AfXdpPort::Open(options));
    }
    case api::PortKind::kEthdev:
      return AsPort(EthdevPort::Open({.name = port.name,
                                      .device = port.device,
                                      .workers = workers,
                                      .pool = pool,
                                      .mtu = port.mtu,
                                      // Endpoints have MACs of their own.
                                      .promiscuous = port.role == api::PortRole::kBridged}));
  }
  return Error{ErrorCode::kInternal, "port kind is not known"};
}

}  // namespace

PortEnvironment EnvironmentOf(const api::RouterConfig& config, rte_mempool* pool) {
  return {static_cast<std::uint16_t>(config.workers), config.fwmark, pool};
}

Result<std::unique_ptr<Port>> OpenPort(const api::PortConfig& port,
                                       const PortEnvironment& environment) {
  const std::string name = "port \"" + port.name + "\": ";
  const std::size_t room = DataRoom(environment.pool);
  if (std::size_t{port.mtu} + kLinkHeader > room) {
    return Error{ErrorCode::kInvalidArgument,
                 name + "MTU " + std::to_string(port.mtu) +
                     " does not fit the router's packets, which were made for frames of " +
                     std::to_string(room) +
                     " bytes; lower it, or give a port of the configuration file that MTU and "
                     "restart"};
  }
  auto opened = OpenKind(port, environment);
  if (!opened) return Error{opened.error().code, name + opened.error().message};
  return opened;
}

PortOptions OptionsOf(const api::PortConfig& port) {
  PortOptions options;
  options.role = port.role == api::PortRole::kUplink ? PortRole::kUplink : PortRole::kAccess;
  options.bridged = port.role == api::PortRole::kBridged;
  options.listen_port = port.listen_port;
  options.vlan = port.vlan;
  for (const api::InterfaceAddress& address : port.addresses) {
    options.addresses.push_back({address.address, address.length});
  }
  options.gateways = port.gateways;
  // Hosts behind an access port live in its subnets; a TUN without addresses is the host itself.
  options.check_source = options.role == PortRole::kAccess && !port.addresses.empty();
  options.kernel_neighbours =
      port.kind == api::PortKind::kAfXdp && port.steer == api::Steering::kOverlay;
  options.interface = port.interface;
  return options;
}

}  // namespace vireo
