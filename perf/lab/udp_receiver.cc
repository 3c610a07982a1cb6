#include "perf/lab/udp_receiver.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "perf/lab/probe.h"

namespace vireo::lab {
namespace {

using namespace std::chrono_literals;

constexpr int kReceiveBuffer = 64 << 20;
constexpr Duration kQuiet = 20ms;
constexpr std::size_t kMaxMessage = 65536;
// Not a power of two: equal buffers at a stride of 64 KiB would all fall into the same cache sets.
constexpr std::size_t kBufferStride = kMaxMessage + 5 * 64;

// The segment size that UDP_GRO reports, or the whole message.
std::size_t SegmentSize(const msghdr& header, std::size_t length) {
  for (const cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr;
       item = CMSG_NXTHDR(const_cast<msghdr*>(&header), const_cast<cmsghdr*>(item))) {
    if (item->cmsg_level == SOL_UDP && item->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(item), sizeof size);
      if (size > 0) return static_cast<std::size_t>(size);
    }
  }
  return std::max<std::size_t>(length, 1);
}

}  // namespace

struct UdpReceiver::Slots {
  std::array<mmsghdr, kBatch> headers;
  std::array<iovec, kBatch> buffers;
  struct alignas(cmsghdr) Control {
    std::byte bytes[CMSG_SPACE(sizeof(int))];
  };
  std::array<Control, kBatch> controls;
};

std::uint64_t UdpReceiveResult::received() const {
  std::uint64_t sum = 0;
  for (const FlowReport& flow : flows) sum += flow.sequences.counts().unique;
  return sum;
}

std::uint64_t UdpReceiveResult::lost() const {
  std::uint64_t sum = 0;
  for (const FlowReport& flow : flows) sum += flow.Lost();
  return sum;
}

std::uint64_t UdpReceiveResult::duplicates() const {
  std::uint64_t sum = 0;
  for (const FlowReport& flow : flows) sum += flow.sequences.counts().duplicates;
  return sum;
}

std::uint64_t UdpReceiveResult::reordered() const {
  std::uint64_t sum = 0;
  for (const FlowReport& flow : flows) sum += flow.sequences.counts().reordered;
  return sum;
}

UdpReceiver::UdpReceiver(const UdpReceiveOptions& options, File socket)
    : options_(options),
      socket_(std::move(socket)),
      buffers_(new std::byte[kBatch * kBufferStride]),
      slots_(std::make_unique<Slots>()) {
  for (unsigned i = 0; i < kBatch; ++i) {
    slots_->buffers[i] = {&buffers_[i * kBufferStride], kMaxMessage};
  }
}

UdpReceiver::UdpReceiver(UdpReceiver&&) noexcept = default;
UdpReceiver::~UdpReceiver() = default;

Result<UdpReceiver> UdpReceiver::Open(const UdpReceiveOptions& options) {
  if (options.at.port == 0 || !options.at.IsSet()) {
    return Error{ErrorCode::kInvalidArgument, "the port to receive at must be 1 to 65535"};
  }
  if (options.limit <= Duration::zero()) {
    return Error{ErrorCode::kInvalidArgument, "the time to receive must be above 0"};
  }
  const int family = options.at.address.is_v4() ? AF_INET : AF_INET6;
  Result<File> socket = OpenSocket(family, SOCK_DGRAM, 0, kQuiet);
  if (!socket) return socket.error();
  SetBuffer(*socket, SO_RCVBUF, kReceiveBuffer);
  const int on = 1;
  if (setsockopt(socket->fd(), SOL_UDP, UDP_GRO, &on, sizeof on) != 0) {
    return SystemError("the kernel lacks UDP_GRO", errno);
  }
  const SocketAddress at(options.at);
  if (bind(socket->fd(), at.get(), at.size) != 0) {
    return SystemError("cannot receive at " + options.at.ToString(), errno);
  }
  return UdpReceiver(options, std::move(*socket));
}

Result<UdpReceiveResult> UdpReceiver::Run() {
  prctl(PR_SET_TIMERSLACK, 1000);
  const CpuTime cpu_before = CpuTime::OfThread();
  const Time deadline = clock_.Now() + options_.limit;
  while (true) {
    const Result<unsigned> batch = Receive();
    if (!batch) return batch.error();
    const Time now = clock_.Now();
    for (unsigned i = 0; i < batch.value(); ++i) {
      const mmsghdr& message = slots_->headers[i];
      Take({&buffers_[i * kBufferStride], message.msg_len},
           SegmentSize(message.msg_hdr, message.msg_len), now);
    }
    result_.messages += batch.value();
    if (now >= deadline || (batch.value() == 0 && result_.ended)) break;
    if (batch.value() < kBatch && options_.coalesce > Duration::zero()) {
      std::this_thread::sleep_for(options_.coalesce);
    }
  }
  result_.cpu = CpuTime::OfThread() - cpu_before;
  result_.elapsed = last_ - first_;
  result_.overflows = Overflows();
  return std::move(result_);
}

Result<unsigned> UdpReceiver::Receive() {
  for (unsigned i = 0; i < kBatch; ++i) {
    msghdr& header = slots_->headers[i].msg_hdr;
    header = {};
    header.msg_iov = &slots_->buffers[i];
    header.msg_iovlen = 1;
    header.msg_control = slots_->controls[i].bytes;
    header.msg_controllen = sizeof slots_->controls[i].bytes;
  }
  const int count = recvmmsg(socket_.fd(), slots_->headers.data(), kBatch, MSG_WAITFORONE, nullptr);
  if (count >= 0) return static_cast<unsigned>(count);
  if (errno == EAGAIN || errno == EINTR) return 0U;
  return SystemError("cannot receive", errno);
}

void UdpReceiver::Take(ConstBytes message, std::size_t segment, Time now) {
  while (!message.empty()) {
    const std::size_t size = std::min(segment, message.size());
    TakePacket(message.first(size), now);
    message = message.subspan(size);
  }
}

void UdpReceiver::TakePacket(ConstBytes packet, Time now) {
  const auto* header = reinterpret_cast<const ProbeHeader*>(packet.data());
  if (packet.size() < sizeof *header || header->magic.value() != kProbeMagic ||
      (options_.run != 0 && header->run.value() != options_.run)) {
    ++result_.foreign;
    return;
  }
  if (result_.flows.empty()) {
    if (header->flows.value() == 0 || header->flows.value() > kMaxFlows) {
      ++result_.foreign;
      return;
    }
    options_.run = header->run.value();
    result_.flows.resize(header->flows.value());
    first_ = now;
  }
  const std::size_t index = header->flow.value();
  if (index >= result_.flows.size()) {
    ++result_.foreign;
    return;
  }
  FlowReport& flow = result_.flows[index];
  if (header->kind.value() == static_cast<std::uint16_t>(ProbeKind::kEnd)) {
    return NoteEnd(flow, header->sequence.value());
  }
  flow.sequences.Add(header->sequence.value());
  if (flow.first == Time{}) {
    flow.first = now;
  } else {
    flow.longest_gap = std::max(flow.longest_gap, now - flow.last);
  }
  flow.last = last_ = now;
  result_.bytes += packet.size();
  result_.delay.Add(now.time_since_epoch() -
                    Duration(static_cast<Duration::rep>(header->sent_ns.value())));
}

void UdpReceiver::NoteEnd(FlowReport& flow, std::uint64_t sent) {
  if (!flow.sent) ++flows_ended_;
  flow.sent = sent;
  result_.ended = flows_ended_ == result_.flows.size();
}

std::uint64_t UdpReceiver::Overflows() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> figures{};
  socklen_t size = sizeof figures;
  if (getsockopt(socket_.fd(), SOL_SOCKET, SO_MEMINFO, figures.data(), &size) != 0) return 0;
  return figures[SK_MEMINFO_DROPS];
}

}  // namespace vireo::lab
