// Serves the dataplane's control socket.
// Thread: everything runs on the thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "dataplane/api/dataplane.pb.h"
#include "dataplane/api/unix_server.h"

namespace vireo::api {

// The dataplane behind the socket.
class ControlBackend {
 public:
  virtual ~ControlBackend() = default;
  // Answers one request, without blocking. `request.what_case()` may be WHAT_NOT_SET: a request of
  // a newer client; answer ErrorResponse(kUnsupported).
  virtual v1::Response Handle(const v1::Request& request) = 0;
};

// One client: frames (control_frame.h), one answer for each. What is no frame or no Request gets
// an error and the connection is closed.
class ControlConversation final : public Conversation {
 public:
  // `backend` must outlive the object.
  explicit ControlConversation(ControlBackend& backend) : backend_(backend) {}
  ~ControlConversation() override;

  Progress Receive(std::string_view& bytes, std::string& answer) override;

 private:
  Progress Answer(std::string& answer);
  void WipeFrame();

  ControlBackend& backend_;
  std::string frame_;       // header and message so far, at most kControlMaxRequest and a header
  bool had_large_ = false;  // a batch so large that its memory is worth giving back
};

// Errors: as UnixServer::Listen. `backend` must outlive the server.
Result<std::unique_ptr<UnixServer>> ListenControl(boost::asio::io_context& context,
                                                  std::string path, ControlBackend& backend,
                                                  UnixServerLimits limits, UnixServer::Log log);

}  // namespace vireo::api
