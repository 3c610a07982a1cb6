// What requests of the control socket say of packets: where they are, and which.
#pragma once

#include <string>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/slow/router.h"
#include "dataplane/slow/tenant_changes.h"

namespace vireo {

// Thread: slow path. Errors: kNotFound.
[[nodiscard]] inline Result<PortId> ReadPortName(const Router& router, const std::string& name) {
  if (const auto port = router.FindPort(name)) return *port;
  return Error{ErrorCode::kNotFound, "there is no port " + name + "; see `vireo ports`"};
}
// The peer's slot. `key`: the bytes of its public key.
[[nodiscard]] inline Result<std::uint32_t> ReadPeerKey(Router& router, const std::string& key) {
  const auto read = ReadKey(key);
  const PeerRecord* record = read ? router.FindPeer(read.value()) : nullptr;
  if (record == nullptr) {
    return Error{ErrorCode::kNotFound, "there is no such peer; see `vireo peers`"};
  }
  return record->path->slot;
}

// Addresses and protocol, of v1::TraceMatch for a TraceRule or of v1::CaptureMatch for a
// CaptureRule. Error: kInvalidArgument.
template <typename Match, typename Rule>
[[nodiscard]] Status ReadAddresses(const Match& match, Rule& rule) {
  for (const auto& [text, prefix] : {std::pair(&match.source(), &rule.source),
                                     std::pair(&match.destination(), &rule.destination)}) {
    if (text->empty()) continue;
    *prefix = net::Prefix::Parse(*text);
    if (!*prefix) return Error{ErrorCode::kInvalidArgument, *text + " is not a prefix"};
  }
  if (match.protocol() > UINT8_MAX) {
    return Error{ErrorCode::kInvalidArgument, "protocol is above 255"};
  }
  if (match.protocol() != 0) rule.protocol = static_cast<std::uint8_t>(match.protocol());
  return {};
}

}  // namespace vireo
