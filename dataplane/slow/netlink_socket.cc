#include "dataplane/slow/netlink_socket.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <optional>
#include <utility>

namespace vireo {
namespace {

// What fits between two visits of the slow path while a routing daemon reloads its tables; more is
// lost, and told so.
constexpr int kReceiveBuffer = 1 << 20;
// The kernel answers within the call; this is for the day it does not.
constexpr timeval kAnswerTimeout{.tv_sec = 1, .tv_usec = 0};

// Takes the first message off `datagram`; nullptr if there is no whole one left.
const nlmsghdr* TakeMessage(ConstBytes& datagram) {
  if (datagram.size() < sizeof(nlmsghdr)) return nullptr;
  const auto* header = reinterpret_cast<const nlmsghdr*>(datagram.data());
  if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) return nullptr;
  datagram =
      datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), datagram.size()));
  return header;
}

NetlinkAnswer ToAnswer(const nlmsghdr& header) {
  return {header.nlmsg_type,
          ConstBytes(reinterpret_cast<const std::byte*>(&header), header.nlmsg_len)
              .subspan(NLMSG_HDRLEN)};
}

// The errno of the message that ends an answer; nullopt if it is not that one.
std::optional<int> ReadEnd(const NetlinkAnswer& answer) {
  if (answer.type != NLMSG_ERROR && answer.type != NLMSG_DONE) return std::nullopt;
  int error = 0;
  if (!answer.Read(error)) return answer.type == NLMSG_ERROR ? EPROTO : 0;
  return -error;
}

}  // namespace

void NetlinkMessage::Add(std::uint16_t type, ConstBytes value) {
  nlattr attribute{};
  attribute.nla_len = static_cast<std::uint16_t>(sizeof attribute + value.size());
  attribute.nla_type = type;
  Append(std::as_bytes(std::span(&attribute, 1)));
  Append(value);
}

void NetlinkMessage::Append(ConstBytes bytes) {
  assert(size_ + NLMSG_ALIGN(bytes.size()) <= bytes_.size());
  std::memcpy(bytes_.data() + size_, bytes.data(), bytes.size());
  size_ += NLMSG_ALIGN(bytes.size());
  header().nlmsg_len = static_cast<std::uint32_t>(size_);
}

ConstBytes NetlinkAnswer::FindAttribute(ConstBytes attributes, std::uint16_t type) {
  while (attributes.size() >= sizeof(nlattr)) {
    nlattr attribute;
    std::memcpy(&attribute, attributes.data(), sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > attributes.size()) break;
    if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
      return attributes.first(attribute.nla_len).subspan(sizeof attribute);
    }
    attributes =
        attributes.subspan(std::min<std::size_t>(NLA_ALIGN(attribute.nla_len), attributes.size()));
  }
  return {};
}

std::uint32_t ReadNumber(ConstBytes attribute, std::uint32_t otherwise) {
  std::uint32_t value = otherwise;
  if (attribute.size() >= sizeof value) std::memcpy(&value, attribute.data(), sizeof value);
  return value;
}

Result<NetlinkSocket> NetlinkSocket::Open(std::uint32_t groups) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return SystemError("cannot open a netlink socket", errno);
  NetlinkSocket netlink(fd);
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = groups;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
    return SystemError("cannot bind a netlink socket", errno);
  }
  // A smaller buffer works too, it only overflows sooner; beyond the system's limit it takes
  // CAP_NET_ADMIN.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0) {
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  }
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout) != 0) {
    return SystemError("cannot set a netlink socket's timeout", errno);
  }
  return netlink;
}

NetlinkSocket::NetlinkSocket(NetlinkSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), sequence_(other.sequence_) {}

NetlinkSocket::~NetlinkSocket() {
  if (fd_ >= 0) close(fd_);
}

int NetlinkSocket::Request(NetlinkMessage& message, const Each& each) {
  message.header().nlmsg_seq = ++sequence_;
  message.header().nlmsg_flags |= NLM_F_ACK;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ConstBytes bytes = message.bytes();
  if (sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
             sizeof kernel) < 0) {
    return errno;
  }
  for (;;) {
    const long size = ReceiveOnce(0);
    if (size == -EINTR) continue;
    if (size < 0) return static_cast<int>(-size);
    ConstBytes datagram = ConstBytes(buffer_).first(static_cast<std::size_t>(size));
    while (const nlmsghdr* header = TakeMessage(datagram)) {
      if (header->nlmsg_seq != sequence_) continue;  // of a request that was given up
      const NetlinkAnswer answer = ToAnswer(*header);
      if (const auto error = ReadEnd(answer)) return *error;
      each(answer);
    }
  }
}

bool NetlinkSocket::Receive(const Each& each) {
  bool complete = true;
  for (;;) {
    const long size = ReceiveOnce(MSG_DONTWAIT);
    if (size == -EINTR) continue;
    if (size == -ENOBUFS) {
      complete = false;
      continue;
    }
    if (size < 0) return complete;
    ConstBytes datagram = ConstBytes(buffer_).first(static_cast<std::size_t>(size));
    while (const nlmsghdr* header = TakeMessage(datagram)) each(ToAnswer(*header));
  }
}

long NetlinkSocket::ReceiveOnce(int flags) {
  sockaddr_nl from{};
  iovec part{buffer_.data(), buffer_.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = recvmsg(fd_, &message, flags);
  if (size < 0) return -errno;
  // Other processes may write to our socket; only the kernel is believed.
  if (from.nl_pid != 0 || (message.msg_flags & MSG_TRUNC) != 0) return 0;
  return size;
}

}  // namespace vireo
