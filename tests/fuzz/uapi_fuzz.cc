// A client of the UAPI socket that sends anything, in pieces whose sizes the input chooses.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dataplane/api/uapi_server.h"

namespace {

using namespace vireo::api;

class Device final : public UapiBackend {
 public:
  UapiDevice Get() override { return {}; }
  // What was accepted can be shown again and is accepted again.
  vireo::Status Set(const UapiSet& set) override {
    UapiDevice device;
    for (const UapiPeerSet& change : set.peers) {
      if (change.remove) continue;
      UapiPeer& peer = device.peers.emplace_back();
      peer.public_key = change.public_key;
      if (change.endpoint) peer.endpoint = *change.endpoint;
      for (const UapiAllowedIp& allowed : change.allowed_ips) {
        peer.allowed_ips.push_back(allowed.prefix);
      }
    }
    const std::string text = FormatUapiGet(device);
    std::string again;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at) + 1;
      const std::string_view line(text.data() + at, end - at);
      if (line.starts_with("public_key=") || line.starts_with("endpoint=") ||
          line.starts_with("allowed_ip=")) {
        again += line;
      }
      at = end;
    }
    const auto parsed = ParseUapiSet(again);
    if (!parsed || parsed.value().peers.size() != device.peers.size()) std::abort();
    return {};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] + std::size_t{1};
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Device device;
  const UnixServer::Log log = [](std::string_view) {};
  UapiConversation conversation(device, log);
  std::string answer;
  while (!text.empty()) {
    std::string_view piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    while (!piece.empty()) {
      if (conversation.Receive(piece, answer) == Progress::kClose) return 0;
    }
  }
  return 0;
}
