#include "dataplane/port/af_xdp_port.h"

#include <algorithm>
#include <bit>
#include <string>

#include "dataplane/net/headers.h"
#include "dataplane/port/kernel_interface.h"
#include "dataplane/port/packet_memory.h"
#include "dataplane/port/xsk_queue.h"

namespace vireo {
namespace {

constexpr std::uint16_t kVlanTags = 2 * sizeof(net::VlanTag);
constexpr std::uint16_t kFrameOverhead = sizeof(net::EthernetHeader) + kVlanTags;

Status CheckOptions(const AfXdpOptions& options) {
  if (options.workers == 0 || options.workers > VIREO_STEERING_MAX_QUEUES) {
    return Error{ErrorCode::kInvalidArgument,
                 "port " + options.name + ": an af_xdp port serves 1 to " +
                     std::to_string(VIREO_STEERING_MAX_QUEUES) + " workers, not " +
                     std::to_string(options.workers)};
  }
  if (!std::has_single_bit(options.ring_size) || options.ring_size < 64) {
    return Error{ErrorCode::kInvalidArgument, "port " + options.name + ": ring size " +
                                                  std::to_string(options.ring_size) +
                                                  " is not a power of two from 64 on"};
  }
  return {};
}

// A frame of a queue that no worker has would be lost to the dataplane.
Status CheckQueues(const KernelInterface& interface, std::uint16_t workers) {
  const auto wrong = [&](const std::optional<std::uint16_t>& queues) {
    return queues.has_value() && *queues != workers;
  };
  if (!wrong(interface.rx_queues) &&
      (!interface.tx_queues.has_value() || *interface.tx_queues >= workers)) {
    return {};
  }
  const std::uint16_t has =
      wrong(interface.rx_queues) ? *interface.rx_queues : *interface.tx_queues;
  const std::string& name = interface.name;
  return Error{ErrorCode::kInvalidArgument,
               name + " has " + std::to_string(has) + " queues for " + std::to_string(workers) +
                   " workers; set as many by `ethtool -L " + name + " combined " +
                   std::to_string(workers) + "` (or `rx N tx N`), or run as many workers"};
}

Status CheckMtu(const KernelInterface& interface, std::uint16_t frame_size) {
  if (interface.mtu + kFrameOverhead <= frame_size) return {};
  return Error{ErrorCode::kInvalidArgument,
               "MTU " + std::to_string(interface.mtu) + " of " + interface.name +
                   " is too large for AF_XDP frames of " + std::to_string(frame_size) +
                   " bytes; `ip link set dev " + interface.name + " mtu " +
                   std::to_string(frame_size - kFrameOverhead) +
                   "` or make packets larger (at most 3840 bytes)"};
}

}  // namespace

Result<std::unique_ptr<AfXdpPort>> AfXdpPort::Open(const AfXdpOptions& options) {
  if (Status valid = CheckOptions(options); !valid.ok()) return valid.error();
  auto interface = FindKernelInterface(options.interface);
  if (!interface.ok()) return interface.error();
  if (Status valid = CheckQueues(*interface, options.workers); !valid.ok()) return valid.error();
  auto memory = PacketMemory::Of(options.pool);
  if (!memory.ok()) return memory.error();
  if (Status valid = CheckMtu(*interface, memory->frame_size()); !valid.ok()) return valid.error();

  std::unique_ptr<AfXdpPort> port(new AfXdpPort({.name = options.name,
                                                 .kind = "af_xdp",
                                                 .link = Link::kEthernet,
                                                 .queues = options.workers,
                                                 .mac = interface->mac,
                                                 .device = options.interface}));
  port->frame_size_ = memory->frame_size();
  port->mtu_ = interface->mtu;
  if (Status done = port->Attach(options, interface->index); !done.ok()) return done.error();
  if (Status done = port->OpenQueues(options); !done.ok()) return done.error();
  return port;
}

AfXdpPort::AfXdpPort(PortInfo info) : Port(std::move(info)) {}

AfXdpPort::~AfXdpPort() {
  // The kernel is to have its frames back before the sockets go.
  if (steering_ != nullptr) steering_->Detach();
}

Status AfXdpPort::Attach(const AfXdpOptions& options, unsigned interface_index) {
  auto program = ebpf::SteeringProgram::Load(options.steering);
  if (!program.ok()) return program.error();
  steering_ = std::move(program).value();
  steering_->SetMac(info_.mac);
  for (const std::uint16_t port : options.udp_ports) steering_->AllowPort(port);

  Status attached = steering_->Attach(interface_index, info_.device, ebpf::Hook::kNative);
  if (!attached.ok() && attached.error().code == ErrorCode::kUnsupported) {
    hook_ = ebpf::Hook::kGeneric;
    attached = steering_->Attach(interface_index, info_.device, ebpf::Hook::kGeneric);
    notes_.push_back("driver of " + info_.device +
                     " has no XDP: using the kernel's generic one, which is several times slower");
  }
  return attached;
}

Status AfXdpPort::OpenQueues(const AfXdpOptions& options) {
  auto memory = PacketMemory::Of(options.pool);
  if (!memory.ok()) return memory.error();
  for (std::uint16_t i = 0; i < options.workers; ++i) {
    auto queue = XskQueue::Open(
        *memory, {.interface = info_.device, .queue = i, .ring_size = options.ring_size});
    if (!queue.ok()) return queue.error();
    queues_.push_back(std::move(queue).value());
    Status set = steering_->SetSocket(i, queues_.back()->fd());
    if (!set.ok()) return set;
  }
  return {};
}

std::uint16_t AfXdpPort::mtu() const { return mtu_.load(std::memory_order_relaxed); }

void AfXdpPort::RefreshMtu() const {
  const std::uint16_t now = ReadMtu(info_.device);
  const auto most = static_cast<std::uint16_t>(frame_size_ - kFrameOverhead);
  if (now != 0) mtu_.store(std::min(now, most), std::memory_order_relaxed);
}

bool AfXdpPort::IsUp() const { return IsInterfaceUp(info_.device); }

std::uint16_t AfXdpPort::Receive(std::uint16_t queue, std::span<Packet*> out) {
  return queues_[queue]->Receive(id(), out);
}

std::uint16_t AfXdpPort::Transmit(std::uint16_t queue, std::span<Packet*> packets) {
  return queues_[queue]->Transmit(packets);
}

void AfXdpPort::Flush(std::uint16_t queue) { queues_[queue]->Flush(); }

int AfXdpPort::PollFd(std::uint16_t queue) const { return queues_[queue]->fd(); }

void AfXdpPort::WantWakeup(std::uint16_t queue, bool wanted) {
  if (wanted) queues_[queue]->BeforeSleep();
}

PortCounters AfXdpPort::counters() const {
  RefreshMtu();
  PortCounters sum;
  for (const auto& queue : queues_) queue->AddCounters(sum);
  return sum;
}

bool AfXdpPort::zero_copy() const {
  return std::all_of(queues_.begin(), queues_.end(),
                     [](const auto& queue) { return queue->zero_copy(); });
}

}  // namespace vireo
