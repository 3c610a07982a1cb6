#include "dataplane/port/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <string>

#include "dataplane/port/socket_address.h"

namespace vireo {
namespace {

// Some milliseconds at tens of Gbit/s, as other user-space WireGuards ask for.
constexpr int kBufferBytes = 8 << 20;

void Enable(int fd, int level, int option, int value = 1) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

// Past the administrator's limit where we may, up to it otherwise.
void SetBuffer(int fd, int force_option, int option) {
  if (::setsockopt(fd, SOL_SOCKET, force_option, &kBufferBytes, sizeof kBufferBytes) != 0) {
    Enable(fd, SOL_SOCKET, option, kBufferBytes);
  }
}

void Configure(int fd, int family) {
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  Enable(fd, SOL_SOCKET, SO_RXQ_OVFL);
  Enable(fd, IPPROTO_UDP, kUdpGro);
  if (family == AF_INET) {
    Enable(fd, IPPROTO_IP, IP_RECVTOS);
  } else {
    Enable(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    Enable(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
  }
  SetFragmenting(fd, family == AF_INET6, Fragmenting::kAllowed);
}

Error BindError(std::uint16_t port, int number) {
  const std::string name = "UDP port " + std::to_string(port);
  switch (number) {
    case EADDRINUSE:
      return {ErrorCode::kAddressInUse, name +
                                            " is in use: stop the program that has it (ss -ulpn "
                                            "sport = :" +
                                            std::to_string(port) +
                                            ") or choose another listen port"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermissionDenied,
              name + " may not be used: run as root or choose a listen port from 1024 up"};
    default:
      return SystemError("cannot listen on " + name, number);
  }
}

enum class Sharing : bool { kAlone, kReusePort };

struct Wanted {
  std::uint16_t port;
  std::uint32_t fwmark;
  Sharing sharing;
};

// One bound socket, or nothing if the host lacks the family.
Result<std::optional<FileDescriptor>> OpenOne(int family, const Wanted& wanted) {
  FileDescriptor fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) {
    if (errno == EAFNOSUPPORT) return std::optional<FileDescriptor>();
    return SystemError("cannot make a UDP socket", errno);
  }
  Configure(fd.get(), family);
  if (wanted.sharing == Sharing::kReusePort) Enable(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  if (wanted.fwmark != 0) {
    if (Status marked = SetFwmark(fd, wanted.fwmark); !marked) return marked.error();
  }
  SocketAddress any{};
  any.base.sa_family = static_cast<sa_family_t>(family);
  (family == AF_INET ? any.v4.sin_port : any.v6.sin6_port) = htons(wanted.port);
  if (::bind(fd.get(), &any.base, any.size()) != 0) {
    // An IPv6 stack that is compiled in but switched off.
    if (family == AF_INET6 && errno == EADDRNOTAVAIL) return std::optional<FileDescriptor>();
    return BindError(wanted.port, errno);
  }
  return std::optional(std::move(fd));
}

std::uint16_t BoundPort(const FileDescriptor& fd) {
  SocketAddress address{};
  socklen_t size = sizeof address;
  ::getsockname(fd.get(), &address.base, &size);
  return ntohs(address.base.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

bool KnowsSegmentation(const FileDescriptor& fd) {
  int size = 0;
  socklen_t length = sizeof size;
  return ::getsockopt(fd.get(), IPPROTO_UDP, kUdpSegment, &size, &length) == 0;
}

// Sockets that share a port would also share it with a stranger that asked for sharing, each
// getting a part of the packets. So see first whether somebody is there.
Status CheckUnused(int family, const Wanted& wanted) {
  if (wanted.sharing == Sharing::kAlone || wanted.port == 0) return {};
  Wanted alone = wanted;
  alone.sharing = Sharing::kAlone;
  if (auto probe = OpenOne(family, alone); !probe) return probe.error();
  return {};
}

// Opens the sockets of one family; wanted.port is the bound port afterwards.
Status OpenFamily(int family, std::uint16_t queues, Wanted& wanted,
                  std::vector<FileDescriptor>& into) {
  if (Status unused = CheckUnused(family, wanted); !unused) return unused;
  for (std::uint16_t i = 0; i < queues; ++i) {
    auto opened = OpenOne(family, wanted);
    if (!opened) return opened.error();
    if (!opened->has_value()) return {};
    into.push_back(std::move(**opened));
    if (wanted.port == 0) wanted.port = BoundPort(into.back());
  }
  return {};
}

}  // namespace

void SetFragmenting(int socket, bool v6, Fragmenting fragmenting) {
  const bool never = fragmenting == Fragmenting::kNever;
  if (!v6) {
    Enable(socket, IPPROTO_IP, IP_MTU_DISCOVER, never ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
    return;
  }
  Enable(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, never ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
  Enable(socket, IPPROTO_IPV6, IPV6_DONTFRAG, never ? 1 : 0);
}

Status SetFwmark(const FileDescriptor& socket, std::uint32_t fwmark) {
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &fwmark, sizeof fwmark) == 0) return {};
  if (errno != EPERM) return SystemError("cannot set the firewall mark", errno);
  return Error{ErrorCode::kPermissionDenied,
               "a firewall mark may not be set: run as root or with CAP_NET_ADMIN"};
}

Result<UdpSockets> OpenUdpSockets(std::uint16_t port, std::uint16_t queues, std::uint32_t fwmark,
                                  Families families) {
  // A port the kernel chose for IPv4 may be taken for IPv6; then it chooses again.
  for (int attempts_left = port == 0 ? 16 : 1;; --attempts_left) {
    Wanted wanted{port, fwmark, queues > 1 ? Sharing::kReusePort : Sharing::kAlone};
    UdpSockets sockets;
    Status opened = OpenFamily(AF_INET, queues, wanted, sockets.v4);
    if (opened && families != Families::kIpv4) {
      opened = OpenFamily(AF_INET6, queues, wanted, sockets.v6);
    }
    if (opened) {
      const bool any = !sockets.v4.empty() || !sockets.v6.empty();
      if (!any || (families == Families::kBoth && sockets.v6.empty())) {
        return Error{ErrorCode::kUnsupported, "the host has no IPv6 (or IP at all): enable it"};
      }
      sockets.port = wanted.port;
      sockets.can_segment = KnowsSegmentation(sockets.v4.empty() ? sockets.v6[0] : sockets.v4[0]);
      return sockets;
    }
    if (opened.error().code != ErrorCode::kAddressInUse || attempts_left <= 1) {
      return opened.error();
    }
  }
}

}  // namespace vireo
