#include "dataplane/port/udp_sender.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/port/udp_socket.h"

namespace vireo {
namespace {

template <typename T>
void PutControl(msghdr& header, int level, int type, T value) {
  auto* control = reinterpret_cast<cmsghdr*>(static_cast<std::byte*>(header.msg_control) +
                                             header.msg_controllen);
  control->cmsg_level = level;
  control->cmsg_type = type;
  control->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(control), &value, sizeof value);
  header.msg_controllen += CMSG_SPACE(sizeof value);
}

bool IsSegmentationFailure(int number) {
  // No checksum offload or IPsec; path MTU below the segment's size (before and since Linux 6.14).
  return number == EIO || number == EINVAL || number == EMSGSIZE;
}

// An error that may belong to an earlier packet (ICMP), so that this one deserves another try.
bool MayBeOlder(int number) {
  return number == ECONNREFUSED || number == EHOSTUNREACH || number == ENETUNREACH ||
         number == EPROTO || number == ENOPROTOOPT;
}

}  // namespace

std::uint16_t UdpSender::Send(Sockets sockets, std::span<Packet*> packets) {
  std::size_t taken = 0;
  while (taken < packets.size()) {
    const auto burst = packets.subspan(taken).first(std::min(kMaxBurst, packets.size() - taken));
    const std::size_t sent = SendBurst(sockets, burst);
    taken += sent;
    if (sent < burst.size()) break;
  }
  return static_cast<std::uint16_t>(taken);
}

std::size_t UdpSender::SendBurst(Sockets sockets, std::span<Packet*> packets) {
  runs_ = 0;
  for (std::size_t planned = 0; planned < packets.size();) {
    PlanRun(sockets, packets, planned);
    planned += plan_[runs_ - 1].count;
  }
  std::size_t taken = 0;
  SendRuns(packets, taken);
  if (taken != 0) rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(taken));
  return taken;
}

// Adds the longest run that begins at `first`.
void UdpSender::PlanRun(Sockets sockets, std::span<Packet*> packets, std::size_t first) {
  const PacketMeta& meta = Meta(packets[first]);
  const std::size_t size = Size(packets[first]);
  std::size_t end = first + 1;
  if (can_segment_ && size != 0 && !meta.dont_fragment && MaySegment(meta.remote)) {
    std::size_t bytes = size;
    while (end < packets.size() && end - first < kMaxSegments) {
      const std::size_t next_size = Size(packets[end]);
      const PacketMeta& next = Meta(packets[end]);
      bytes += next_size;
      if (next_size > size || next_size == 0 || bytes > kMaxRunBytes ||
          next.outer_tos != meta.outer_tos || next.remote != meta.remote || next.dont_fragment) {
        break;
      }
      ++end;
      if (next_size < size) break;
    }
  }
  const bool v6 = meta.remote.address.is_v6();
  const Run run{.first = static_cast<std::uint16_t>(first),
                .count = static_cast<std::uint16_t>(end - first),
                .fd = !meta.remote.IsSet() ? -1
                      : v6                 ? sockets.v6
                                           : sockets.v4,
                .whole = meta.dont_fragment};
  AddRun(run, packets, v6);
}

void UdpSender::AddRun(const Run& run, std::span<Packet*> packets, bool v6) {
  const PacketMeta& meta = Meta(packets[run.first]);
  for (std::size_t i = run.first; i < std::size_t{run.first} + run.count; ++i) {
    iov_[i] = {Data(packets[i]), Size(packets[i])};
  }
  addresses_[runs_] = SocketAddress::From(meta.remote);
  msghdr& header = headers_[runs_].msg_hdr;
  header = {};
  header.msg_name = &addresses_[runs_];
  header.msg_namelen = addresses_[runs_].size();
  header.msg_iov = &iov_[run.first];
  header.msg_iovlen = run.count;
  header.msg_control = controls_[runs_].bytes;
  header.msg_controllen = 0;
  if (meta.outer_tos != 0) {
    PutControl<int>(header, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS,
                    meta.outer_tos);
  }
  if (run.count > 1) {
    PutControl<std::uint16_t>(header, IPPROTO_UDP, kUdpSegment, Size(packets[run.first]));
  }
  plan_[runs_++] = run;
}

// Sends the planned runs; `taken` counts the packets that are over with.
UdpSender::Outcome UdpSender::SendRuns(std::span<Packet*> packets, std::size_t& taken) {
  bool tried = false;
  for (std::size_t next = 0; next < runs_;) {
    const Run& run = plan_[next];
    const auto of_run = packets.subspan(run.first, run.count);
    std::size_t end = next + 1;
    while (!run.whole && end < runs_ && plan_[end].fd == run.fd && !plan_[end].whole) ++end;
    const int sent = SendMessages(run, &headers_[next], end - next);
    if (sent > 0) {
      for (const std::size_t stop = next + static_cast<std::size_t>(sent); next < stop; ++next) {
        Sent(packets.subspan(plan_[next].first, plan_[next].count));
        taken += plan_[next].count;
      }
      tried = false;
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN) return Outcome::kFull;
    if (MayBeOlder(error) && !std::exchange(tried, true)) continue;
    if (run.count > 1 && IsSegmentationFailure(error)) {
      SegmentationFailed(Meta(of_run[0]).remote);
      if (SendOneByOne(next, packets, taken) == Outcome::kFull) return Outcome::kFull;
    } else {
      // A probe that the interface does not take has found that out.
      if (!run.whole || error != EMSGSIZE) counters_.tx_errors.Add(run.count);
      taken += run.count;
    }
    tried = false;
    ++next;
  }
  return Outcome::kDone;
}

int UdpSender::SendMessages(const Run& run, mmsghdr* messages, std::size_t count) {
  if (run.fd < 0) return errno = EAFNOSUPPORT, -1;
  const auto send = [&] {
    return ::sendmmsg(run.fd, messages, static_cast<unsigned>(count), MSG_DONTWAIT);
  };
  if (!run.whole) [[likely]]
    return send();
  const bool v6 = static_cast<sockaddr*>(messages->msg_hdr.msg_name)->sa_family == AF_INET6;
  SetFragmenting(run.fd, v6, Fragmenting::kNever);
  const int sent = send();
  const int error = errno;
  SetFragmenting(run.fd, v6, Fragmenting::kAllowed);
  return errno = error, sent;
}

// Sends the packets of a run that the kernel would not cut. REQUIRES: all before it are taken.
UdpSender::Outcome UdpSender::SendOneByOne(std::size_t index, std::span<Packet*> packets,
                                           std::size_t& taken) {
  const Run& run = plan_[index];
  // As the run's message, without the segment size, which is the last of the controls.
  msghdr header = headers_[index].msg_hdr;
  header.msg_controllen -= CMSG_SPACE(sizeof(std::uint16_t));
  if (header.msg_controllen == 0) header.msg_control = nullptr;
  header.msg_iovlen = 1;
  for (Packet* packet : packets.subspan(run.first, run.count)) {
    header.msg_iov = &iov_[taken];
    ssize_t sent;
    do {
      sent = ::sendmsg(run.fd, &header, MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
      Sent({&packet, 1});
    } else if (errno == EAGAIN) {
      return Outcome::kFull;
    } else {
      counters_.tx_errors.Add(1);
    }
    ++taken;
  }
  return Outcome::kDone;
}

void UdpSender::Sent(std::span<Packet* const> packets) {
  std::uint64_t bytes = 0;
  for (const Packet* packet : packets) bytes += Size(packet);
  counters_.tx_packets.Add(packets.size());
  counters_.tx_bytes.Add(bytes);
}

bool UdpSender::MaySegment(const net::UdpEndpoint& remote) {
  if (plain_count_ == 0) return true;
  for (PlainRemote& plain : plain_remotes_) {
    if (plain.runs_left == 0 || plain.remote != remote) continue;
    if (--plain.runs_left == 0) --plain_count_;
    return false;
  }
  return true;
}

// Forgets the remote noted longest ago when there are too many; it is only tried again too early.
void UdpSender::SegmentationFailed(const net::UdpEndpoint& remote) {
  PlainRemote& plain = plain_remotes_[next_plain_];
  next_plain_ = (next_plain_ + 1) % plain_remotes_.size();
  if (plain.runs_left == 0) ++plain_count_;
  plain = {remote, kPlainRuns};
}

}  // namespace vireo
