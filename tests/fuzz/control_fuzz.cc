// A client of the control socket that sends anything, in pieces whose sizes the input chooses.
#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/api/control_frame.h"
#include "dataplane/api/control_server.h"

namespace {

class Backend final : public vireo::api::ControlBackend {
 public:
  vireo::v1::Response Handle(const vireo::v1::Request& request) override {
    return vireo::api::ErrorResponse(
        {vireo::ErrorCode::kUnsupported, std::to_string(request.what_case())});
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] + std::size_t{1};
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Backend backend;
  vireo::api::ControlConversation conversation(backend);
  std::string answer;
  while (!text.empty()) {
    std::string_view piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    while (!piece.empty()) {
      if (conversation.Receive(piece, answer) == vireo::api::Progress::kClose) return 0;
    }
  }
  return 0;
}
