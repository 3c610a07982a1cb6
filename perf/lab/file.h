// An owned file descriptor, and UDP sockets and namespaces made with it.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <utility>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"

namespace vireo::lab {

// Closes its descriptor when it goes. Move-only.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File();

  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// An endpoint in the form that the socket calls take.
struct SocketAddress {
  explicit SocketAddress(const net::UdpEndpoint& endpoint);

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  sockaddr_storage storage{};
  socklen_t size = 0;
};

// A blocking socket whose receive calls return after `timeout` without a packet.
Result<File> OpenSocket(int family, int type, int protocol, Duration timeout);

// Asks for a buffer (SO_SNDBUF or SO_RCVBUF) of `bytes`, beyond the system's limit if privileged.
void SetBuffer(const File& socket, int option, int bytes);

// While it lives, the calling thread is in the network namespace that `ip netns` knows as `name`;
// sockets opened meanwhile stay in it. An empty name changes nothing.
class NamespaceScope {
 public:
  static Result<NamespaceScope> Enter(std::string_view name);
  NamespaceScope(NamespaceScope&&) = default;
  NamespaceScope& operator=(NamespaceScope&&) = delete;
  ~NamespaceScope();

 private:
  explicit NamespaceScope(File home) : home_(std::move(home)) {}
  File home_;
};

}  // namespace vireo::lab
