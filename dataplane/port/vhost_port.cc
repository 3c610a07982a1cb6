#include "dataplane/port/vhost_port.h"

#include "dataplane/port/vhost_queue.h"

namespace vireo {

Result<std::unique_ptr<VhostPort>> VhostPort::Open(const Options& options) {
  auto device = VhostDevice::Open({.path = options.socket,
                                   .mode = options.mode,
                                   .pairs = options.queues,
                                   .workers = options.workers});
  if (!device) return device.error();
  return std::unique_ptr<VhostPort>(new VhostPort(options, std::move(device).value()));
}

VhostPort::VhostPort(const Options& options, std::unique_ptr<VhostDevice> device)
    : Port({.name = options.name,
            .kind = "vhost-user",
            .link = Link::kEthernet,
            .queues = options.workers,
            .mac = {},
            .device = options.socket}),
      mtu_(options.mtu),
      device_(std::move(device)) {
  for (std::uint16_t worker = 0; worker < options.workers; ++worker) {
    queues_.push_back(
        std::make_unique<VhostQueue>(*device_, worker, options.workers, options.pool));
  }
}

VhostPort::~VhostPort() { device_->OnChange({}); }

std::uint16_t VhostPort::Receive(std::uint16_t queue, std::span<Packet*> out) {
  return queues_[queue]->Receive(out, id());
}

std::uint16_t VhostPort::Transmit(std::uint16_t queue, std::span<Packet*> packets) {
  return queues_[queue]->Transmit(packets);
}

void VhostPort::Flush(std::uint16_t queue) { queues_[queue]->Flush(); }

PortCounters VhostPort::counters() const {
  PortCounters sum;
  for (const auto& queue : queues_) queue->counters.AddTo(sum);
  return sum;
}

}  // namespace vireo
