#include "dataplane/port/ethdev_port.h"

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "dataplane/net/headers.h"
#include "dataplane/port/dpdk_log.h"
#include "dataplane/port/packet_room.h"

namespace vireo {
namespace {

constexpr std::uint16_t kVlanTags = 2 * sizeof(net::VlanTag);
constexpr std::uint16_t kFrameOverhead = sizeof(net::EthernetHeader) + kVlanTags;
constexpr std::uint16_t kNoDevice = RTE_MAX_ETHPORTS;

// "net_tap0,iface=tap0" -> "net_tap0"
std::string NameOf(const std::string& device) { return device.substr(0, device.find(',')); }

std::uint16_t FindDevice(const std::string& device) {
  std::uint16_t id = kNoDevice;
  return rte_eth_dev_get_port_by_name(NameOf(device).c_str(), &id) == 0 ? id : kNoDevice;
}

Result<std::uint16_t> AddDevice(const EthdevOptions& options, const DpdkLog& log) {
  const int error = rte_dev_probe(options.device.c_str());
  const std::uint16_t id = FindDevice(options.device);
  if (error == 0 && id != kNoDevice) return id;
  const std::string reason = log.Reason();
  return Error{ErrorCode::kNotFound,
               "port " + options.name + ": no driver takes device \"" + options.device + "\"" +
                   (reason.empty() ? "" : " (" + reason + ")") +
                   "; check its arguments and that the driver's package (librte-net-…) is "
                   "installed"};
}

// Removes the device from DPDK altogether; a port that is closed stays known otherwise.
void RemoveDevice(std::uint16_t id) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(id, &info) != 0) return;
  rte_eth_dev_close(id);
  rte_dev_remove(info.device);
}

bool IsAfXdp(const rte_eth_dev_info& info) {
  return std::string_view(info.driver_name) == "net_af_xdp";
}

// Bytes of a received frame that fit a packet, by where the driver puts them.
std::uint16_t FrameRoom(const rte_eth_dev_info& info, rte_mempool* pool) {
  const std::uint16_t in_front = RTE_PKTMBUF_HEADROOM + (IsAfXdp(info) ? 256 : 0);
  const std::uint16_t around = std::max<std::uint16_t>(in_front, kHeadroom + kTailroom);
  const std::uint16_t room = rte_pktmbuf_data_room_size(pool);
  return static_cast<std::uint16_t>(room - std::min(room, around));
}

Status CheckQueues(const EthdevOptions& options, const rte_eth_dev_info& info) {
  const std::uint16_t queues = std::min(info.max_rx_queues, info.max_tx_queues);
  if (options.workers != 0 && queues >= options.workers) return {};
  return Error{ErrorCode::kInvalidArgument,
               "port " + options.name + ": the device has " + std::to_string(queues) +
                   " queues for " + std::to_string(options.workers) +
                   " workers; ask for more by its arguments or run fewer workers"};
}

Status CheckMtu(const EthdevOptions& options, const rte_eth_dev_info& info, std::uint16_t mtu) {
  const std::string what = "port " + options.name + ": MTU " + std::to_string(mtu);
  if (mtu < info.min_mtu || mtu > info.max_mtu) {
    return Error{ErrorCode::kInvalidArgument, what + " is not one of the device, which carries " +
                                                  std::to_string(info.min_mtu) + " to " +
                                                  std::to_string(info.max_mtu)};
  }
  const std::uint16_t room = FrameRoom(info, options.pool);
  if (mtu + kFrameOverhead <= room) return {};
  return Error{ErrorCode::kInvalidArgument,
               what + " does not fit packets that have room for frames of " + std::to_string(room) +
                   " bytes; make packets larger or the MTU smaller"};
}

rte_eth_conf Configuration(const EthdevOptions& options, const rte_eth_dev_info& info,
                           std::uint16_t mtu, bool interrupts) {
  rte_eth_conf configuration{};
  configuration.rxmode.mtu = mtu;
  configuration.intr_conf.rxq = interrupts ? 1 : 0;
  const std::uint64_t hash =
      info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
  if (options.workers > 1 && hash != 0) {
    configuration.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    configuration.rx_adv_conf.rss_conf.rss_hf = hash;
  }
  return configuration;
}

// Returns 0 or what the driver said.
int SetUpQueues(std::uint16_t device, const EthdevOptions& options) {
  std::uint16_t rx_ring = options.rx_ring_size, tx_ring = options.tx_ring_size;
  rte_eth_dev_adjust_nb_rx_tx_desc(device, &rx_ring, &tx_ring);
  const int node = rte_eth_dev_socket_id(device);
  const auto socket = static_cast<unsigned>(node < 0 ? SOCKET_ID_ANY : node);
  int error = 0;
  for (std::uint16_t queue = 0; queue < options.workers && error == 0; ++queue) {
    error = rte_eth_rx_queue_setup(device, queue, rx_ring, socket, nullptr, options.pool);
    if (error == 0) error = rte_eth_tx_queue_setup(device, queue, tx_ring, socket, nullptr);
  }
  return error;
}

}  // namespace

Error EthdevPort::DriverError(const char* doing, int number, const DpdkLog& log) const {
  const std::string what = "port " + info_.name + ": " + doing;
  if (number == -EBUSY) {
    return {ErrorCode::kAlreadyExists, what + ": the device is in use by another port"};
  }
  const std::string reason = log.Reason();
  if (reason.empty()) return SystemError(what, -number);
  return {ErrorCode::kInvalidArgument, what + ": " + reason};
}

Result<std::unique_ptr<EthdevPort>> EthdevPort::Open(const EthdevOptions& options) {
  DpdkLog log;
  std::uint16_t id = FindDevice(options.device);
  const bool added = id == kNoDevice;
  if (added) {
    auto device = AddDevice(options, log);
    if (!device.ok()) return device.error();
    id = *device;
  }
  net::MacAddress mac;
  rte_ether_addr address{};
  rte_eth_macaddr_get(id, &address);
  std::memcpy(mac.bytes.data(), address.addr_bytes, mac.bytes.size());
  std::unique_ptr<EthdevPort> port(new EthdevPort({.name = options.name,
                                                   .kind = "ethdev",
                                                   .link = Link::kEthernet,
                                                   .queues = options.workers,
                                                   .mac = mac,
                                                   .device = options.device},
                                                  id));
  port->added_ = added;
  port->pool_ = options.pool;
  if (Status started = port->Start(options, log); !started.ok()) return started.error();
  return port;
}

EthdevPort::~EthdevPort() {
  if (owned_) {
    rte_eth_dev_stop(device_);
    rte_eth_dev_owner_unset(device_, owner_);
  }
  if (added_) RemoveDevice(device_);
}

Status EthdevPort::Start(const EthdevOptions& options, DpdkLog& log) {
  rte_eth_dev_owner owner{};
  info_.name.copy(owner.name, sizeof owner.name - 1);
  rte_eth_dev_owner_new(&owner.id);
  if (rte_eth_dev_owner_set(device_, &owner) != 0) return DriverError("open device", -EBUSY, log);
  owner_ = owner.id;
  owned_ = true;

  // Whether a driver has receive interrupts shows only when they are configured.
  bool interrupts = true;
  Status configured = Configure(options, interrupts, log);
  if (!configured.ok()) {
    interrupts = false;
    configured = Configure(options, interrupts, log);
  }
  if (!configured.ok()) return configured;
  if (const int error = rte_eth_dev_start(device_); error != 0) {
    return DriverError("start device", error, log);
  }
  if (interrupts && !FindWakeups()) wakeups_.clear();
  const int mode = options.promiscuous ? rte_eth_promiscuous_enable(device_)
                                       : rte_eth_promiscuous_disable(device_);
  if (mode != 0 && options.promiscuous) {
    return DriverError("take frames to other MACs (promiscuous)", mode, log);
  }
  return {};
}

Status EthdevPort::Configure(const EthdevOptions& options, bool interrupts, DpdkLog& log) {
  log.Forget();
  rte_eth_dev_info info{};
  if (const int error = rte_eth_dev_info_get(device_, &info); error != 0) {
    return DriverError("ask the device", error, log);
  }
  if (Status valid = CheckQueues(options, info); !valid.ok()) return valid;
  rte_eth_dev_get_mtu(device_, &mtu_);
  if (options.mtu) mtu_ = *options.mtu;
  if (Status valid = CheckMtu(options, info, mtu_); !valid.ok()) return valid;

  const rte_eth_conf configuration = Configuration(options, info, mtu_, interrupts);
  const std::uint16_t workers = options.workers;
  int error = rte_eth_dev_configure(device_, workers, workers, &configuration);
  if (error != 0) return DriverError("configure device", error, log);

  error = SetUpQueues(device_, options);
  if (error != 0) return DriverError("set up queues", error, log);
  return {};
}

// True if all queues have a descriptor to sleep on.
bool EthdevPort::FindWakeups() {
  for (std::uint16_t queue = 0; queue < info_.queues; ++queue) {
    Wakeup wakeup{.fd = rte_eth_dev_rx_intr_ctl_q_get_fd(device_, queue)};
    if (wakeup.fd < 0) return false;
    std::array<char, 64> target{};
    const std::string link = "/proc/self/fd/" + std::to_string(wakeup.fd);
    const ssize_t size = readlink(link.c_str(), target.data(), target.size());
    wakeup.is_event =
        size > 0 &&
        std::string_view(target.data(), static_cast<std::size_t>(size)).find("eventfd") !=
            std::string_view::npos;
    // A descriptor of the device itself, as net_tap's, needs no enabling.
    const int enabled = rte_eth_dev_rx_intr_enable(device_, queue);
    if (enabled != 0 && (wakeup.is_event || enabled != -ENOTSUP)) return false;
    rte_eth_dev_rx_intr_disable(device_, queue);
    wakeups_.push_back(wakeup);
  }
  return true;
}

int EthdevPort::PollFd(std::uint16_t queue) const {
  return wakeups_.empty() ? -1 : wakeups_[queue].fd;
}

void EthdevPort::WantWakeup(std::uint16_t queue, bool wanted) {
  if (wakeups_.empty()) return;
  if (wanted) {
    rte_eth_dev_rx_intr_enable(device_, queue);
    return;
  }
  rte_eth_dev_rx_intr_disable(device_, queue);
  // DPDK makes its eventfds non-blocking.
  std::uint64_t events = 0;
  if (wakeups_[queue].is_event) (void)!read(wakeups_[queue].fd, &events, sizeof events);
}

std::uint16_t EthdevPort::Receive(std::uint16_t queue, std::span<Packet*> out) {
  const std::uint16_t count =
      rte_eth_rx_burst(device_, queue, out.data(), static_cast<std::uint16_t>(out.size()));
  for (std::uint16_t i = 0; i < count; ++i) rte_prefetch0(Data(out[i]));
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < count; ++i) {
    Packet* packet = OneBuffer(out[i], pool_);
    if (packet == nullptr) continue;
    packet->ol_flags = 0;
    Meta(packet) = {};
    Meta(packet).in_port = id();
    out[kept++] = packet;
  }
  if (kept != count) [[unlikely]] {
    unsuitable_.fetch_add(static_cast<std::uint64_t>(count - kept), std::memory_order_relaxed);
  }
  return kept;
}

std::uint16_t EthdevPort::Transmit(std::uint16_t queue, std::span<Packet*> packets) {
  return rte_eth_tx_burst(device_, queue, packets.data(),
                          static_cast<std::uint16_t>(packets.size()));
}

bool EthdevPort::IsUp() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(device_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

PortCounters EthdevPort::counters() const {
  rte_eth_stats device{};
  if (rte_eth_stats_get(device_, &device) != 0) return {};
  return {.rx_packets = device.ipackets,
          .rx_bytes = device.ibytes,
          .tx_packets = device.opackets,
          .tx_bytes = device.obytes,
          .rx_missed = device.imissed + device.ierrors + device.rx_nombuf +
                       unsuitable_.load(std::memory_order_relaxed),
          .tx_errors = device.oerrors};
}

LinkStatus EthdevPort::link_status() const {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(device_, &link) != 0) return {};
  return {.up = link.link_status == RTE_ETH_LINK_UP,
          .mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed};
}

}  // namespace vireo
