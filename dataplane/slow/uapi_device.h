// What wg(8) sees and sets, mapped onto a Router.
#pragma once

#include <functional>

#include "dataplane/api/uapi_server.h"
#include "dataplane/port/socket_port.h"
#include "dataplane/slow/router.h"

namespace vireo {

// Thread: slow path only.
class UapiDevice final : public api::UapiBackend {
 public:
  struct Options {
    SocketPort* socket = nullptr;  // the uplink whose port and mark can be set; nullptr: none
    std::uint16_t listen_port = 0;  // to show if `socket` is nullptr
    std::function<void()> changed = [] {};  // called after a set: the router wants a turn
  };

  // `router` must outlive the object.
  UapiDevice(Router& router, Options options) : router_(router), options_(std::move(options)) {}

  api::UapiDevice Get() override;
  // Everything that can fail is tried before anything is changed.
  Status Set(const api::UapiSet& set) override;

 private:
  [[nodiscard]] Status SetDevice(const api::UapiSet& set);
  void SetPeer(const api::UapiPeerSet& set);

  Router& router_;
  Options options_;
  std::uint32_t fwmark_ = 0;
};

// Applies one peer's settings; shared by UAPI and the configuration file.
void ApplyPeer(Router& router, PeerRecord& record, const api::UapiPeerSet& set);

}  // namespace vireo
