// Asking the dataplane.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ctrl/cli/commands.h"
#include "dataplane/api/control_client.h"
#include "dataplane/api/dataplane.pb.h"

namespace vireo::cli {

namespace v1 = ::vireo::v1;

// One command's connection. Every failure is printed, once, and remembered as the exit code.
class Dataplane {
 public:
  explicit Dataplane(const Context& context) : context_(context) {}

  // The answer to the request; nothing if there was none or it was an error.
  std::optional<v1::Response> Ask(const v1::Request& request);
  // All peers, by as many requests as it takes.
  std::optional<v1::ListPeersResponse> AskPeers();
  // The one peer that is called so: name, public key, or the beginning of one.
  std::optional<v1::Peer> AskPeer(const std::string& called);

  // Applies the batch, as the next generation if it has none (and sets that).
  std::optional<v1::ApplyResponse> Apply(v1::ApplyRequest& batch);

  // What to return after a failure.
  [[nodiscard]] ExitCode failure() const { return failure_; }

 private:
  std::nullopt_t Fail(ExitCode code, const std::string& message);
  bool Connect();

  const Context& context_;
  std::optional<api::ControlClient> client_;
  ExitCode failure_ = kOk;
};

// The sockets in a folder that somebody listens on, sorted.
[[nodiscard]] std::vector<std::string> FindSockets(const std::string& folder);

}  // namespace vireo::cli
