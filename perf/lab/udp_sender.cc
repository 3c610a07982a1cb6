#include "perf/lab/udp_sender.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <string>

#include "perf/lab/probe.h"

namespace vireo::lab {
namespace {

using namespace std::chrono_literals;

constexpr int kSendBuffer = 4 << 20;
constexpr unsigned kEndMarks = 5;
constexpr Duration kBeforeEndMarks = 50ms;  // lets queues drain, else the marks may be lost
constexpr Duration kBetweenEndMarks = 20ms;

void SleepUntil(Time when) {
  const auto since_epoch = when.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_epoch);
  const timespec until{seconds.count(), (since_epoch - seconds).count()};
  // An early return only makes the caller look at the clock once more.
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

Status Check(const UdpSendOptions& options) {
  const auto refuse = [](std::string why) { return Error{ErrorCode::kInvalidArgument, why}; };
  if (!options.to.IsSet() || options.to.port == 0 || options.to.address.IsUnspecified() ||
      options.to.address.IsMulticast() || options.to.address.v4_host_order() == 0xffffffff) {
    return refuse("the destination must be one host's address and port");
  }
  if (options.payload < kMinPayload || options.payload > kMaxPayload) {
    return refuse("the payload must have " + std::to_string(kMinPayload) + " to " +
                  std::to_string(kMaxPayload) + " bytes");
  }
  if (options.flows < 1 || options.flows > kMaxFlows) {
    return refuse("flows must be 1 to " + std::to_string(kMaxFlows));
  }
  if (options.burst < 1 || options.burst > kMaxBurst) {
    return refuse("a burst must have 1 to " + std::to_string(kMaxBurst) + " packets");
  }
  if (options.duration <= Duration::zero()) return refuse("the duration must be above 0");
  return {};
}

// One message of a burst: `count` payloads lying one after the other.
struct Message {
  iovec bytes;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> control;

  void Fill(msghdr& header, std::byte* payloads, unsigned count, std::size_t size) {
    bytes = {payloads, count * size};
    header = {};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    if (count == 1) return;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* segment = CMSG_FIRSTHDR(&header);
    segment->cmsg_level = SOL_UDP;
    segment->cmsg_type = UDP_SEGMENT;
    segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment_size = static_cast<std::uint16_t>(size);
    std::memcpy(CMSG_DATA(segment), &segment_size, sizeof segment_size);
  }
};

}  // namespace

UdpSender::UdpSender(const UdpSendOptions& options)
    : options_(options), payloads_(new std::byte[kMaxBurst * options.payload]()) {
  for (unsigned i = 0; i < kMaxBurst; ++i) {
    auto* header = reinterpret_cast<ProbeHeader*>(&payloads_[i * options_.payload]);
    header->magic = kProbeMagic;
    header->run = options_.run;
    header->flows = static_cast<std::uint16_t>(options_.flows);
    header->kind = static_cast<std::uint16_t>(ProbeKind::kPacket);
  }
}

Result<UdpSender> UdpSender::Open(const UdpSendOptions& options) {
  if (Status checked = Check(options); !checked) return checked.error();
  UdpSendOptions complete = options;
  while (complete.run == 0) complete.run = std::random_device()();
  UdpSender sender(complete);
  for (unsigned i = 0; i < options.flows; ++i) {
    if (Status opened = sender.OpenFlow(); !opened) return opened.error();
  }
  return sender;
}

Status UdpSender::OpenFlow() {
  const int family = options_.to.address.is_v4() ? AF_INET : AF_INET6;
  Result<File> socket = OpenSocket(family, SOCK_DGRAM, 0, 1s);
  if (!socket) return socket.error();
  SetBuffer(*socket, SO_SNDBUF, kSendBuffer);
  const SocketAddress to(options_.to);
  if (connect(socket->fd(), to.get(), to.size) != 0) {
    return SystemError("no way to " + options_.to.ToString(), errno);
  }
  flows_.push_back({std::move(*socket)});
  return {};
}

unsigned UdpSender::SegmentsPerMessage() const {
  const auto fitting = static_cast<unsigned>(kMaxPayload / options_.payload);
  const unsigned wanted = options_.segments == 0 ? kMaxBurst : options_.segments;
  return std::min({wanted, fitting, kMaxBurst});
}

Result<UdpSendResult> UdpSender::Run() {
  prctl(PR_SET_TIMERSLACK, 1000);  // 1 µs; the usual 50 µs would double the pause between bursts
  result_ = {};
  result_.burst = Pacer::SmoothBurst(options_.rate, options_.burst);
  result_.segments = SegmentsPerMessage();
  const CpuTime cpu_before = CpuTime::OfThread();
  const Time start = clock_.Now();
  const Time end = start + options_.duration;
  Pacer pacer({.rate = options_.rate, .burst = result_.burst}, start);
  std::size_t flow = 0;
  Time now = start;
  while (now < end) {
    if (!pacer.Take(now)) {
      SleepUntil(std::min(pacer.NextDue(), end));
      now = clock_.Now();
      continue;
    }
    const Result<unsigned> sent = SendBurst(flow, result_.burst, now);
    if (!sent) return sent.error();
    result_.packets += sent.value();
    flow = flow + 1 == flows_.size() ? 0 : flow + 1;
    now = clock_.Now();
  }
  result_.elapsed = now - start;
  result_.cpu = CpuTime::OfThread() - cpu_before;
  result_.given_up = pacer.given_up();
  SendEndMarks();
  return result_;
}

Result<unsigned> UdpSender::SendBurst(std::size_t flow, unsigned count, Time now) {
  std::array<mmsghdr, kMaxBurst> headers;
  std::array<Message, kMaxBurst> messages;
  const auto sent_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
  unsigned used = 0;
  for (unsigned packet = 0; packet < count; ++packet) {
    auto* header = reinterpret_cast<ProbeHeader*>(Payload(packet));
    header->flow = static_cast<std::uint16_t>(flow);
    header->sequence = flows_[flow].sequence + packet;
    header->sent_ns = sent_ns;
    if (packet % result_.segments == 0) {
      const unsigned segments = std::min(result_.segments, count - packet);
      messages[used].Fill(headers[used].msg_hdr, Payload(packet), segments, options_.payload);
      ++used;
    }
  }
  const int taken = sendmmsg(flows_[flow].socket.fd(), headers.data(), used, 0);
  if (taken < 0) {
    if (Status judged = JudgeRefusal(errno); !judged) return judged.error();
    return 0U;
  }
  const unsigned packets = std::min(static_cast<unsigned>(taken) * result_.segments, count);
  flows_[flow].sequence += packets;
  return packets;
}

Status UdpSender::JudgeRefusal(int number) {
  ++result_.errors;
  switch (number) {
    case EAGAIN:
    case EINTR:
    case ENOBUFS:
    case ECONNREFUSED:
    case EHOSTUNREACH:
      return {};
    case EIO:
      // Before 6.11 the kernel refuses UDP_SEGMENT on a device without checksum offload.
      if (result_.segments == 1) break;
      result_.segments = 1;
      return {};
    case EINVAL:
    case EMSGSIZE:
      return Error{ErrorCode::kInvalidArgument,
                   "the kernel refuses payloads of " + std::to_string(options_.payload) +
                       " bytes: take a smaller --size, or --segments 1 to let IP fragment them"};
    default:
      break;
  }
  return SystemError("cannot send to " + options_.to.ToString(), number);
}

void UdpSender::SendEndMarks() {
  Time when = clock_.Now() + kBeforeEndMarks;
  for (unsigned mark = 0; mark < kEndMarks; ++mark, when += kBetweenEndMarks) {
    SleepUntil(when);
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      auto* header = reinterpret_cast<ProbeHeader*>(Payload(0));
      header->kind = static_cast<std::uint16_t>(ProbeKind::kEnd);
      header->flow = static_cast<std::uint16_t>(i);
      header->sequence = flows_[i].sequence;
      // A lost mark is what the others are for.
      send(flows_[i].socket.fd(), header, kMinPayload, MSG_DONTWAIT);
      header->kind = static_cast<std::uint16_t>(ProbeKind::kPacket);
    }
  }
}

std::byte* UdpSender::Payload(unsigned index) { return &payloads_[index * options_.payload]; }

}  // namespace vireo::lab
