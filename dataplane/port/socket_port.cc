#include "dataplane/port/socket_port.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "dataplane/port/queue_counters.h"
#include "dataplane/port/udp_receiver.h"
#include "dataplane/port/udp_sender.h"

namespace vireo {
namespace {

constexpr std::size_t kMaxBurst = 64;

int FdOf(const std::vector<FileDescriptor>& sockets, std::size_t queue) {
  return queue < sockets.size() ? sockets[queue].get() : -1;
}

}  // namespace

class SocketPort::Queue {
 public:
  Queue(UdpSender::Sockets fds, rte_mempool* pool, bool can_segment)
      : fds_(fds), epoll_(::epoll_create1(EPOLL_CLOEXEC)), sender_(counters, can_segment) {
    for (const int fd : {fds.v4, fds.v6}) {
      if (fd < 0) continue;
      Source& source = sources_[source_count_++];
      source.fd = fd;
      source.receiver.emplace(pool, counters);
    }
  }

  std::uint16_t Receive(PortId in_port, std::span<Packet*> out);
  std::uint16_t Transmit(std::span<Packet*> packets) { return sender_.Send(fds_, packets); }
  [[nodiscard]] int epoll() const { return epoll_.get(); }
  Status Watch();

  QueueCounters counters;

 private:
  struct Source {
    int fd = -1;
    std::optional<UdpReceiver> receiver;
  };
  // Calls that leave the other family alone while it was found quiet and the busy one is not.
  static constexpr unsigned kQuietCalls = 16;

  std::size_t ReceiveFrom(std::size_t source, PortId in_port, std::span<Packet*> out) {
    return sources_[source].receiver->Receive(sources_[source].fd, in_port, out);
  }

  const UdpSender::Sockets fds_;
  FileDescriptor epoll_;
  UdpSender sender_;
  std::array<Source, 2> sources_;
  std::size_t source_count_ = 0;
  std::size_t busy_ = 0;     // the source that had packets last
  unsigned quiet_left_ = 0;  // calls until the other one is looked at
};

// Looks at both families in turn, and spares a busy one's loop the system call that finds the
// other's socket empty.
std::uint16_t SocketPort::Queue::Receive(PortId in_port, std::span<Packet*> out) {
  out = out.first(std::min(out.size(), kMaxBurst));
  if (source_count_ == 1) return static_cast<std::uint16_t>(ReceiveFrom(0, in_port, out));
  std::size_t count = 0;
  if (quiet_left_ != 0) {
    count = ReceiveFrom(busy_, in_port, out);
    --quiet_left_;
    if (count != 0) return static_cast<std::uint16_t>(count);
  }
  const std::size_t other = 1 - busy_;
  const std::size_t from_other = ReceiveFrom(other, in_port, out);
  if (quiet_left_ == 0 && from_other < out.size()) {
    count = ReceiveFrom(busy_, in_port, out.subspan(from_other));
  }
  quiet_left_ = from_other == 0 ? kQuietCalls : 0;
  if (from_other != 0) busy_ = other;
  return static_cast<std::uint16_t>(from_other + count);
}

Status SocketPort::Queue::Watch() {
  for (const Source& source : std::span(sources_).first(source_count_)) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, source.fd, &event) != 0 && errno != EEXIST) {
      return SystemError("cannot watch a UDP socket", errno);
    }
  }
  return {};
}

Result<std::unique_ptr<SocketPort>> SocketPort::Open(const Options& options) {
  Result<UdpSockets> sockets =
      OpenUdpSockets(options.listen_port, options.queues, options.fwmark, Families::kAvailable);
  if (!sockets) return sockets.error();
  std::unique_ptr<SocketPort> port(new SocketPort(options, std::move(sockets).value()));
  if (Status watched = port->Watch(); !watched) return watched.error();
  return port;
}

SocketPort::SocketPort(const Options& options, UdpSockets sockets)
    : Port({options.name, "socket", Link::kUdp, options.queues, {}}),
      sockets_(std::move(sockets)),
      listen_port_(sockets_.port),
      fwmark_(options.fwmark) {
  for (std::uint16_t i = 0; i < options.queues; ++i) {
    const UdpSender::Sockets fds{FdOf(sockets_.v4, i), FdOf(sockets_.v6, i)};
    queues_.push_back(std::make_unique<Queue>(fds, options.pool, sockets_.can_segment));
  }
}

SocketPort::~SocketPort() = default;

Status SocketPort::Watch() {
  for (const auto& queue : queues_) {
    if (Status watched = queue->Watch(); !watched) return watched;
  }
  return {};
}

std::uint16_t SocketPort::Receive(std::uint16_t queue, std::span<Packet*> out) {
  return queues_[queue]->Receive(id(), out);
}

std::uint16_t SocketPort::Transmit(std::uint16_t queue, std::span<Packet*> packets) {
  return queues_[queue]->Transmit(packets);
}

int SocketPort::PollFd(std::uint16_t queue) const { return queues_[queue]->epoll(); }

PortCounters SocketPort::counters() const {
  PortCounters sum;
  for (const auto& queue : queues_) queue->counters.AddTo(sum);
  return sum;
}

Status SocketPort::Rebind(std::uint16_t port) {
  if (port != 0 && port == listen_port()) return {};
  Result<UdpSockets> opened =
      OpenUdpSockets(port, info().queues, fwmark_, has_ipv6() ? Families::kBoth : Families::kIpv4);
  if (!opened) return opened.error();
  const auto replace = [](const std::vector<FileDescriptor>& with,
                          const std::vector<FileDescriptor>& old) {
    for (std::size_t i = 0; i < old.size(); ++i) {
      // The new socket lives on under the old number; its own is closed with `opened`.
      ::dup3(with[i].get(), old[i].get(), O_CLOEXEC);
    }
  };
  replace(opened->v4, sockets_.v4);
  replace(opened->v6, sockets_.v6);
  listen_port_.store(opened->port, std::memory_order_relaxed);
  // The old sockets left their epoll descriptors when they were closed.
  return Watch();
}

Status SocketPort::SetFwmark(std::uint32_t fwmark) {
  for (const auto* sockets : {&sockets_.v4, &sockets_.v6}) {
    for (const FileDescriptor& socket : *sockets) {
      if (Status marked = vireo::SetFwmark(socket, fwmark); !marked) return marked;
    }
  }
  fwmark_ = fwmark;
  return {};
}

}  // namespace vireo
