// A client of the control socket that sends anything, in pieces whose sizes the input chooses.
// Batches reach a router, which must be as it was after one that it refused.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/api/control_frame.h"
#include "dataplane/api/control_server.h"
#include "dataplane/port/eal.h"
#include "dataplane/port/memory_port.h"
#include "dataplane/slow/control_service.h"

namespace {

using namespace vireo;

void Require(bool condition) {
  if (!condition) std::abort();
}

rte_mempool* Pool() {
  static rte_mempool* pool = [] {
    Require(
        StartEal({.huge_pages = HugePages::kNever, .memory_mib = 64, .file_prefix = "fuzz"}).ok());
    return MakePacketPool("fuzz", 255, 1728);
  }();
  return pool;
}

class Backend final : public api::ControlBackend {
 public:
  Backend()
      : router_(clock_, random_, {.pool = Pool()}),
        service_(router_, {.name = "fuzz", .uapi_name = "", .pool = Pool()}) {
    for (const bool bridged : {true, false}) {
      auto port = std::make_unique<MemoryPort>(MemoryPort::Options{
          .name = bridged ? "vm" : "lan", .link = Link::kEthernet, .pool = Pool()});
      Require(
          router_.AddPort(std::move(port), {.role = PortRole::kAccess, .bridged = bridged}).ok());
    }
  }
  v1::Response Handle(const v1::Request& request) override {
    const std::string before = ReadBack();
    v1::Response response = service_.Handle(request);
    router_.Process();
    if (request.has_apply() && response.has_error()) Require(ReadBack() == before);
    return response;
  }

 private:
  std::string ReadBack() {
    v1::Request networks, routers, endpoints;
    networks.mutable_list_networks();
    routers.mutable_list_routers();
    endpoints.mutable_list_endpoints();
    return service_.Handle(networks).SerializeAsString() +
           service_.Handle(routers).SerializeAsString() +
           service_.Handle(endpoints).SerializeAsString();
  }

  FakeClock clock_;
  SystemRandom random_;
  Router router_;
  ControlService service_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] + std::size_t{1};
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  google::protobuf::SetLogHandler(nullptr);  // it tells of texts that are no UTF-8
  Backend backend;
  api::ControlConversation conversation(backend);
  std::string answer;
  while (!text.empty()) {
    std::string_view piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    while (!piece.empty()) {
      if (conversation.Receive(piece, answer) == api::Progress::kClose) return 0;
    }
  }
  return 0;
}
