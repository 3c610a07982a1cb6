#include "dataplane/slow/uapi_device.h"

#include <vector>

namespace vireo {
namespace {

api::UapiPeer Describe(const Router& router, const PeerRecord& record) {
  const wg::Peer& peer = *record.peer;
  api::UapiPeer out;
  out.public_key = peer.public_key().bytes;
  out.preshared_key = peer.preshared_key();
  if (peer.endpoint()) out.endpoint = *peer.endpoint();
  out.persistent_keepalive = static_cast<std::uint16_t>(peer.persistent_keepalive().count());
  out.suite = peer.suite();
  out.allowed_ips.assign(record.allowed_ips.begin(), record.allowed_ips.end());
  if (peer.last_handshake()) out.last_handshake = *peer.last_handshake();
  const wg::PeerCounters counters = router.CountersOf(record);
  out.rx_bytes = counters.rx_bytes;
  out.tx_bytes = counters.tx_bytes;
  return out;
}

}  // namespace

api::UapiDevice UapiDevice::Get() {
  api::UapiDevice device;
  device.private_key = router_.engine().private_key();
  device.listen_port =
      options_.socket != nullptr ? options_.socket->listen_port() : options_.listen_port;
  device.fwmark = fwmark_;
  for (const auto& record : router_.peers()) {
    if (record != nullptr) device.peers.push_back(Describe(router_, *record));
  }
  return device;
}

Status UapiDevice::SetDevice(const api::UapiSet& set) {
  const bool wants_port = set.listen_port && *set.listen_port != Get().listen_port;
  if (options_.socket == nullptr && (wants_port || set.fwmark)) {
    return Error{ErrorCode::kUnsupported,
                 "listen port and mark of this uplink are set in the configuration file"};
  }
  if (set.fwmark) {
    if (auto marked = options_.socket->SetFwmark(*set.fwmark); !marked) return marked;
    fwmark_ = *set.fwmark;
  }
  if (wants_port) {
    if (auto bound = options_.socket->Rebind(*set.listen_port); !bound) return bound;
  }
  return {};
}

void ApplyPeer(Router& router, PeerRecord& record, const api::UapiPeerSet& set) {
  wg::Engine& engine = router.engine();
  wg::Peer& peer = *record.peer;
  if (set.preshared_key) engine.SetPresharedKey(peer, *set.preshared_key);
  if (set.suite) engine.SetSuite(peer, *set.suite);
  if (set.endpoint) engine.SetEndpoint(peer, *set.endpoint);
  if (set.replace_allowed_ips) router.ClearAllowedIps(record);
  for (const api::UapiAllowedIp& allowed : set.allowed_ips) {
    if (allowed.change == api::UapiChange::kAdd) {
      router.AddAllowedIp(record, allowed.prefix);
    } else {
      router.RemoveAllowedIp(record, allowed.prefix);
    }
  }
  // Last: switching it on may start a handshake, which wants all of the above.
  if (set.persistent_keepalive) {
    engine.SetPersistentKeepalive(peer, std::chrono::seconds(*set.persistent_keepalive));
  }
}

void UapiDevice::SetPeer(const api::UapiPeerSet& set) {
  const wg::PublicKey key{set.public_key};
  PeerRecord* record = router_.FindPeer(key);
  if (set.remove) {
    if (record != nullptr) router_.RemovePeer(*record);
    return;
  }
  if (record == nullptr) {
    if (set.update_only) return;
    auto added = router_.AddPeer(key);
    if (!added) return;  // our own public key: ignored silently, as wg expects
    record = *added;
  }
  ApplyPeer(router_, *record, set);
}

Status UapiDevice::Set(const api::UapiSet& set) {
  if (auto status = SetDevice(set); !status) return status;
  if (set.private_key) {
    // A peer with our own key cannot be: it goes, as in Linux.
    if (PeerRecord* self = router_.FindPeer(wg::PublicKeyOf(*set.private_key)); self != nullptr) {
      router_.RemovePeer(*self);
    }
    router_.engine().SetPrivateKey(*set.private_key);
  }
  if (set.replace_peers) {
    for (const auto& record : router_.peers()) {
      if (record != nullptr) router_.RemovePeer(*record);
    }
  }
  for (const api::UapiPeerSet& peer : set.peers) SetPeer(peer);
  options_.changed();
  return {};
}

}  // namespace vireo
