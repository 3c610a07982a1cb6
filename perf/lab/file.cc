#include "perf/lab/file.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace vireo::lab {

File::~File() {
  if (fd_ >= 0) close(fd_);
}

SocketAddress::SocketAddress(const net::UdpEndpoint& endpoint) {
  if (endpoint.address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    std::memcpy(&v4->sin_addr, endpoint.address.bytes.data(), 4);
    size = sizeof(sockaddr_in);
    return;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(endpoint.port);
  v6->sin6_scope_id = endpoint.scope;
  std::memcpy(&v6->sin6_addr, endpoint.address.bytes.data(), 16);
  size = sizeof(sockaddr_in6);
}

Result<File> OpenSocket(int family, int type, int protocol, Duration timeout) {
  File file(socket(family, type | SOCK_CLOEXEC, protocol));
  if (file.fd() < 0) return SystemError("cannot open a socket", errno);
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
  const timeval limit{microseconds / 1'000'000, microseconds % 1'000'000};
  if (setsockopt(file.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) {
    return SystemError("cannot set a socket's receive timeout", errno);
  }
  return file;
}

void SetBuffer(const File& socket, int option, int bytes) {
  const int forced = option == SO_RCVBUF ? SO_RCVBUFFORCE : SO_SNDBUFFORCE;
  if (setsockopt(socket.fd(), SOL_SOCKET, forced, &bytes, sizeof bytes) != 0) {
    setsockopt(socket.fd(), SOL_SOCKET, option, &bytes, sizeof bytes);
  }
}

Result<NamespaceScope> NamespaceScope::Enter(std::string_view name) {
  if (name.empty()) return NamespaceScope(File());
  File home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (home.fd() < 0) return SystemError("cannot open the present network namespace", errno);
  const std::string path = "/run/netns/" + std::string(name);
  const File target(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (target.fd() < 0) return SystemError("cannot open network namespace " + path, errno);
  if (setns(target.fd(), CLONE_NEWNET) != 0) {
    return SystemError("cannot enter network namespace " + path, errno);
  }
  return NamespaceScope(std::move(home));
}

NamespaceScope::~NamespaceScope() {
  if (home_.fd() < 0 || setns(home_.fd(), CLONE_NEWNET) == 0) return;
  // Going on would send test traffic from the wrong namespace.
  std::perror("vireo-perf: cannot return to the former network namespace");
  std::abort();
}

}  // namespace vireo::lab
