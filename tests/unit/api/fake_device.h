// A WireGuard device in memory that does what `set` says.
#pragma once

#include <algorithm>

#include "dataplane/api/uapi_server.h"

namespace vireo::api {

class FakeDevice final : public UapiBackend {
 public:
  UapiDevice Get() override { return device; }

  Status Set(const UapiSet& set) override {
    if (!refuse.ok()) return refuse;
    ++sets;
    if (set.private_key) device.private_key = *set.private_key;
    if (set.listen_port) device.listen_port = *set.listen_port;
    if (set.fwmark) device.fwmark = *set.fwmark;
    if (set.replace_peers) device.peers.clear();
    for (const UapiPeerSet& change : set.peers) Apply(change);
    return {};
  }

  UapiDevice device;
  Status refuse;
  int sets = 0;

 private:
  void Apply(const UapiPeerSet& change) {
    auto& peers = device.peers;
    // Requests name peers in the order in which they were made: look at the back first.
    auto found = std::find_if(peers.rbegin(), peers.rend(), [&](const UapiPeer& peer) {
      return peer.public_key == change.public_key;
    });
    if (change.remove) {
      if (found != peers.rend()) peers.erase(std::next(found).base());
      return;
    }
    if (found == peers.rend()) {
      if (change.update_only) return;
      peers.emplace_back().public_key = change.public_key;
      found = peers.rbegin();
    }
    UapiPeer& peer = *found;
    if (change.preshared_key) peer.preshared_key = *change.preshared_key;
    if (change.endpoint) peer.endpoint = *change.endpoint;
    if (change.persistent_keepalive) peer.persistent_keepalive = *change.persistent_keepalive;
    if (change.suite) peer.suite = *change.suite;
    if (change.replace_allowed_ips) peer.allowed_ips.clear();
    for (const UapiAllowedIp& allowed : change.allowed_ips) {
      std::erase(peer.allowed_ips, allowed.prefix);
      if (allowed.change == UapiChange::kAdd) peer.allowed_ips.push_back(allowed.prefix);
    }
  }
};

}  // namespace vireo::api
