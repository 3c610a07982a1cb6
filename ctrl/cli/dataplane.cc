#include "ctrl/cli/dataplane.h"

#include <algorithm>
#include <filesystem>

#include "dataplane/api/control_frame.h"
#include "dataplane/base/encoding.h"

namespace vireo::cli {
namespace {

constexpr std::uint32_t kPeersPerRequest = 4096;

}  // namespace

std::vector<std::string> FindSockets(const std::string& folder) {
  std::vector<std::string> all, alive;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    if (entry.path().extension() == ".sock" && entry.is_socket(failure)) {
      all.push_back(entry.path().string());
    }
  }
  if (all.size() < 2) return all;  // connecting to it gives the better message
  for (const std::string& path : all) {
    const auto client = api::ControlClient::Connect(path);
    if (client || client.error().code == ErrorCode::kPermissionDenied) alive.push_back(path);
  }
  std::sort(alive.begin(), alive.end());
  return alive;
}

std::nullopt_t Dataplane::Fail(ExitCode code, const std::string& message) {
  failure_ = context_.Fail(code, message);
  return std::nullopt;
}

bool Dataplane::Connect() {
  std::string path = context_.socket;
  if (path.empty()) {
    const std::string& folder = context_.environment.socket_folder;
    const auto sockets = FindSockets(folder);
    if (sockets.empty()) {
      Fail(kUsage,
           "no dataplane found in " + folder + "; start vireo-dataplane, or say --socket PATH");
      return false;
    }
    if (sockets.size() > 1) {
      std::string choices;
      for (const std::string& socket : sockets) choices += " " + socket;
      Fail(kUsage, "several dataplanes run here; say --socket with one of:" + choices);
      return false;
    }
    path = sockets.front();
  }
  auto client = api::ControlClient::Connect(path);
  if (!client) {
    Fail(kUsage, client.error().message);
    return false;
  }
  client_ = std::move(client).value();
  return true;
}

std::optional<v1::Response> Dataplane::Ask(const v1::Request& request) {
  if (!client_ && !Connect()) return std::nullopt;
  auto response = client_->Call(request);
  if (!response) return Fail(kUsage, response.error().message);
  if (response->has_error()) return Fail(kRefused, response->error().message());
  // Requests and answers have the same numbers (dataplane.proto).
  if (static_cast<int>(response->what_case()) != static_cast<int>(request.what_case())) {
    return Fail(kRefused, "the dataplane gave another answer; are both of one version?");
  }
  return std::move(response).value();
}

std::optional<v1::ApplyResponse> Dataplane::Apply(v1::ApplyRequest& batch) {
  v1::Request request;
  if (batch.generation() == 0) {
    request.mutable_get_info();
    const auto info = Ask(request);
    if (!info) return std::nullopt;
    batch.set_generation(info->get_info().generation() + 1);
  }
  *request.mutable_apply() = batch;
  const auto response = Ask(request);
  if (!response) return std::nullopt;
  return response->apply();
}

std::optional<v1::ListPeersResponse> Dataplane::AskPeers() {
  v1::ListPeersResponse all;
  for (;;) {
    v1::Request request;
    request.mutable_list_peers()->set_first(static_cast<std::uint32_t>(all.peers_size()));
    request.mutable_list_peers()->set_limit(kPeersPerRequest);
    auto response = Ask(request);
    if (!response) return std::nullopt;
    v1::ListPeersResponse& page = *response->mutable_list_peers();
    all.set_total(page.total());
    const bool last = page.peers().empty();
    for (v1::Peer& peer : *page.mutable_peers()) *all.add_peers() = std::move(peer);
    if (last || static_cast<std::uint32_t>(all.peers_size()) >= all.total()) return all;
  }
}

std::optional<v1::Peer> Dataplane::AskPeer(const std::string& called) {
  auto list = AskPeers();
  if (!list) return std::nullopt;
  std::vector<v1::Peer*> begin_so;
  for (v1::Peer& peer : *list->mutable_peers()) {
    if (peer.name() == called) return std::move(peer);
    if (ToBase64(AsBytes(peer.public_key())).starts_with(called)) begin_so.push_back(&peer);
  }
  if (begin_so.size() == 1 && !called.empty()) return std::move(*begin_so.front());
  if (begin_so.empty()) {
    return Fail(kRefused, "no peer is called \"" + called + "\"; vireo peers lists them");
  }
  return Fail(kRefused, std::to_string(begin_so.size()) + " peers' keys begin with \"" + called +
                            "\"; give more of it");
}

}  // namespace vireo::cli
