#include "dataplane/api/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dataplane/api/control_frame.h"

namespace vireo::api {
namespace {

Error Closed() {
  return {ErrorCode::kUnavailable, "dataplane closed the connection; look at its log"};
}

}  // namespace

Result<ControlClient> ControlClient::Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::kInvalidArgument, path + ": too long for a socket"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ControlClient client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (client.fd_ < 0) return SystemError("socket", errno);
  if (::connect(client.fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return client;
  }
  switch (errno) {
    case ENOENT:
      return Error{ErrorCode::kNotFound, path + " does not exist; is vireo-dataplane running?"};
    case ECONNREFUSED:
      return Error{ErrorCode::kUnavailable,
                   "nobody listens on " + path + "; is vireo-dataplane running?"};
    case EAGAIN:
      return Error{ErrorCode::kUnavailable, path + " has too many clients; try again"};
    case EACCES:
      return Error{ErrorCode::kPermissionDenied,
                   "no permission to use " + path + "; run as root or as the dataplane's user"};
    default:
      return SystemError("cannot connect to " + path, errno);
  }
}

ControlClient::ControlClient(ControlClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ControlClient& ControlClient::operator=(ControlClient&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

ControlClient::~ControlClient() {
  if (fd_ >= 0) ::close(fd_);
}

Result<v1::Response> ControlClient::Call(const v1::Request& request,
                                         std::chrono::milliseconds timeout) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const auto frame = EncodeControlFrame(request);
  if (!frame) return frame.error();
  if (Status status = Send(frame.value(), deadline); !status) return status.error();

  ControlFrameHeader header;
  if (Status status = Receive(reinterpret_cast<char*>(&header), sizeof header, deadline); !status) {
    return status.error();
  }
  const std::size_t size = header.size.value();
  if (size > kControlMaxMessage) {
    return Error{ErrorCode::kProtocol, "answer is not a dataplane's; is it the right socket?"};
  }
  std::string bytes(size, '\0');
  if (Status status = Receive(bytes.data(), size, deadline); !status) return status.error();
  v1::Response response;
  if (!response.ParseFromString(bytes)) {
    return Error{ErrorCode::kProtocol, "answer cannot be read; is it the right socket?"};
  }
  return response;
}

Status ControlClient::Wait(short events, Deadline deadline) const {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd poll_fd{fd_, events, 0};
    const int ready =
        ::poll(&poll_fd, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30)));
    if (ready > 0) return {};
    if (ready == 0) return Error{ErrorCode::kUnavailable, "dataplane did not answer in time"};
    if (errno != EINTR) return SystemError("poll", errno);
  }
}

Status ControlClient::Send(std::string_view bytes, Deadline deadline) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (Status status = Wait(POLLOUT, deadline); !status) return status;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return Closed();
    } else if (errno != EINTR) {
      return SystemError("cannot send to the dataplane", errno);
    }
  }
  return {};
}

Status ControlClient::Receive(char* out, std::size_t size, Deadline deadline) const {
  while (size > 0) {
    if (Status status = Wait(POLLIN, deadline); !status) return status;
    const ssize_t received = ::recv(fd_, out, size, 0);
    if (received > 0) {
      out += received;
      size -= static_cast<std::size_t>(received);
    } else if (received == 0 || errno == ECONNRESET) {
      return Closed();
    } else if (errno != EINTR && errno != EAGAIN) {
      return SystemError("cannot read from the dataplane", errno);
    }
  }
  return {};
}

}  // namespace vireo::api
