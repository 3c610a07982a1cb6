#include "perf/lab/icmp_ping.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <thread>

#include "dataplane/base/bytes.h"
#include "perf/lab/delay_histogram.h"
#include "perf/lab/file.h"

namespace vireo::lab {
namespace {

constexpr std::size_t kMaxPayload = 1400;

// RFC 792 and RFC 4443 §4.1 share this form.
struct EchoHeader {
  std::uint8_t type;
  std::uint8_t code;
  Be16 checksum;
  Be16 identifier;
  Be16 sequence;
};
static_assert(sizeof(EchoHeader) == 8);

// RFC 1071, over an even or odd number of bytes, in wire order.
std::uint16_t Checksum(ConstBytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto value = std::to_integer<std::uint32_t>(bytes[i]);
    sum += i % 2 == 0 ? value << 8 : value;
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

Duration RealTime() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

class Pinger {
 public:
  explicit Pinger(const PingOptions& options)
      : options_(options), identifier_(static_cast<std::uint16_t>(getpid())) {}

  Status Open() {
    const bool v4 = options_.to.is_v4();
    Result<File> socket = OpenSocket(v4 ? AF_INET : AF_INET6, SOCK_RAW,
                                     v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}, Duration(0));
    if (!socket) return socket.error();
    socket_ = std::move(*socket);
    const int on = 1;
    if (setsockopt(socket_.fd(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
      return SystemError("cannot ask for arrival times", errno);
    }
    const SocketAddress to({options_.to, 0, 0});
    if (connect(socket_.fd(), to.get(), to.size) != 0) {
      return SystemError("no way to " + options_.to.ToString(), errno);
    }
    return {};
  }

  // One request; its round trip, or nothing if no answer came in time.
  std::optional<Duration> Probe(std::uint16_t sequence) {
    std::array<std::byte, sizeof(EchoHeader) + kMaxPayload> request{};
    const MutableBytes bytes = MutableBytes(request).first(sizeof(EchoHeader) + options_.payload);
    auto* echo = reinterpret_cast<EchoHeader*>(bytes.data());
    echo->type = options_.to.is_v4() ? std::uint8_t{ICMP_ECHO} : std::uint8_t{ICMP6_ECHO_REQUEST};
    echo->identifier = identifier_;
    echo->sequence = sequence;
    // The kernel fills the checksum of ICMPv6, since it covers the addresses.
    if (options_.to.is_v4()) echo->checksum = Checksum(bytes);
    const Duration sent = RealTime();
    if (send(socket_.fd(), bytes.data(), bytes.size(), 0) < 0) return std::nullopt;
    const Duration deadline = sent + options_.timeout;
    for (Duration left = options_.timeout; left > Duration::zero(); left = deadline - RealTime()) {
      pollfd ready{socket_.fd(), POLLIN, 0};
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      if (poll(&ready, 1, static_cast<int>(ms)) <= 0) continue;
      if (const auto arrived = Receive(sequence)) return *arrived - sent;
    }
    return std::nullopt;
  }

 private:
  // Reads one packet; its arrival time if it is the answer to `sequence`.
  std::optional<Duration> Receive(std::uint16_t sequence) {
    std::array<std::byte, 2048> packet;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(timespec))> control;
    iovec buffer{packet.data(), packet.size()};
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t length = recvmsg(socket_.fd(), &message, MSG_DONTWAIT);
    if (length <= 0) return std::nullopt;
    const Duration now = RealTime();
    ConstBytes bytes(packet.data(), static_cast<std::size_t>(length));
    if (options_.to.is_v4()) {
      const std::size_t header = (std::to_integer<std::size_t>(bytes[0]) & 0xf) * 4;
      if (bytes.size() < header) return std::nullopt;
      bytes = bytes.subspan(header);
    }
    if (bytes.size() < sizeof(EchoHeader)) return std::nullopt;
    const auto* echo = reinterpret_cast<const EchoHeader*>(bytes.data());
    const std::uint8_t answer =
        options_.to.is_v4() ? std::uint8_t{ICMP_ECHOREPLY} : std::uint8_t{ICMP6_ECHO_REPLY};
    if (echo->type != answer || echo->identifier.value() != identifier_ ||
        echo->sequence.value() != sequence) {
      return std::nullopt;
    }
    const cmsghdr* item = CMSG_FIRSTHDR(&message);
    if (item == nullptr || item->cmsg_type != SCM_TIMESTAMPNS) return now;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(item), sizeof stamp);
    return std::chrono::seconds(stamp.tv_sec) + std::chrono::nanoseconds(stamp.tv_nsec);
  }

  PingOptions options_;
  std::uint16_t identifier_;
  File socket_;
};

}  // namespace

Duration PingResult::Percentile(double percent) const {
  return lab::Percentile(round_trips, percent);
}

Result<PingResult> Ping(const PingOptions& options) {
  if (options.to.IsUnspecified() || options.to.IsMulticast() ||
      options.to.family == net::Family::kNone) {
    return Error{ErrorCode::kInvalidArgument, "the address to ping must be one host's"};
  }
  if (options.payload > kMaxPayload || options.count == 0 || options.count > 65535) {
    return Error{ErrorCode::kInvalidArgument,
                 "ping takes 1 to 65535 requests of at most 1400 bytes"};
  }
  Pinger pinger(options);
  if (Status opened = pinger.Open(); !opened) return opened.error();
  prctl(PR_SET_TIMERSLACK, 1000);
  PingResult result;
  using Steady = std::chrono::steady_clock;
  auto next = Steady::now();
  const auto deadline = next + options.count * options.interval + options.timeout;
  while (result.sent < options.count && Steady::now() < deadline) {
    std::this_thread::sleep_until(next);
    if (const auto trip = pinger.Probe(static_cast<std::uint16_t>(result.sent++))) {
      result.round_trips.push_back(*trip);
    }
    // After a missing answer the rest must not follow without pauses.
    next = std::max(next + options.interval, Steady::now());
  }
  std::sort(result.round_trips.begin(), result.round_trips.end());
  return result;
}

}  // namespace vireo::lab
