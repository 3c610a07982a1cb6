// A WireGuard device in memory that does what `set` says.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

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
    Index();
    for (const UapiPeerSet& change : set.peers) Apply(change);
    return {};
  }

  UapiDevice device;
  Status refuse;
  int sets = 0;

 private:
  // By key, since tests set thousands of peers in one request.
  void Index() {
    index_.clear();
    for (std::size_t i = 0; i < device.peers.size(); ++i) index_[device.peers[i].public_key] = i;
  }

  void Apply(const UapiPeerSet& change) {
    auto& peers = device.peers;
    const auto found = index_.find(change.public_key);
    if (change.remove) {
      if (found == index_.end()) return;
      peers.erase(peers.begin() + static_cast<std::ptrdiff_t>(found->second));
      Index();
      return;
    }
    if (found == index_.end() && change.update_only) return;
    if (found == index_.end()) {
      index_[change.public_key] = peers.size();
      peers.emplace_back().public_key = change.public_key;
    }
    UapiPeer& peer = found == index_.end() ? peers.back() : peers[found->second];
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

  std::map<PublicKey, std::size_t> index_;
};

}  // namespace vireo::api
