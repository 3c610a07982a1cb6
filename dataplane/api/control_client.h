// Asks a dataplane by its control socket. Blocking; needs no event loop.
#pragma once

#include <chrono>
#include <string>

#include "dataplane/api/dataplane.pb.h"
#include "dataplane/base/result.h"

namespace vireo::api {

// One connection. Thread: one at a time.
class ControlClient {
 public:
  // Errors: kUnavailable if nobody listens there, kNotFound, kPermissionDenied.
  static Result<ControlClient> Connect(const std::string& path);

  ControlClient(ControlClient&& other) noexcept;
  ControlClient& operator=(ControlClient&& other) noexcept;
  ~ControlClient();

  // Sends the request and waits for its answer, at most `timeout` in all. A Response with `error`
  // is an answer too. After an error of the call the connection cannot be used any more.
  // Errors: kUnavailable (timeout, connection closed), kProtocol (not an answer of ours), kIo.
  Result<v1::Response> Call(const v1::Request& request,
                            std::chrono::milliseconds timeout = std::chrono::seconds(10));

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  explicit ControlClient(int fd) : fd_(fd) {}
  Status Wait(short events, Deadline deadline) const;
  Status Send(std::string_view bytes, Deadline deadline) const;
  Status Receive(char* out, std::size_t size, Deadline deadline) const;

  int fd_ = -1;
};

}  // namespace vireo::api
