#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "ctrl/cli/table.h"
#include "ctrl/cli/units.h"
#include "dataplane/base/cipher_suite.h"
#include "dataplane/base/encoding.h"

namespace vireo::cli {
namespace {

constexpr int kShownAllowedIps = 3;
constexpr std::size_t kShownKey = 12;  // characters; enough to tell keys apart and to type

std::string AllowedIps(const v1::Peer& peer) {
  if (peer.allowed_ips().empty()) return "(none)";
  std::string text;
  for (int i = 0; i < peer.allowed_ips_size() && i < kShownAllowedIps; ++i) {
    text += (i == 0 ? "" : " ") + peer.allowed_ips(i);
  }
  const int more = peer.allowed_ips_size() - kShownAllowedIps;
  return more > 0 ? text + " +" + std::to_string(more) : text;
}

std::string Handshake(const v1::Peer& peer, WallTime now) {
  if (peer.last_handshake_unix_ns() == 0) return "never";
  const WallTime then{std::chrono::nanoseconds(peer.last_handshake_unix_ns())};
  return then > now ? "in the future" : FormatDuration(now - then) + " ago";
}

// With a word on how it is known where a person may want to look closer.
std::string PathMtu(const v1::Peer& peer) {
  if (peer.path_mtu() == 0) return "-";
  const std::string size = std::to_string(peer.path_mtu());
  return peer.path_mtu_state() == "complete" ? size : size + " " + peer.path_mtu_state();
}

}  // namespace

ExitCode ShowPeers(const Context& context) {
  Dataplane dataplane(context);
  const auto list = dataplane.AskPeers();
  if (!list) return dataplane.failure();
  if (context.json) {
    context.out() << ToJson(*list);
    return kOk;
  }
  Table table({{"PEER"},
               {"KEY"},
               {"ENDPOINT"},
               {"SUITE"},
               {"HANDSHAKE", Align::kRight},
               {"RECEIVED", Align::kRight},
               {"SENT", Align::kRight},
               {"PATH MTU", Align::kRight},
               {"ALLOWED IPS"}});
  const WallTime now = context.environment.clock.WallNow();
  for (const v1::Peer& peer : list->peers()) {
    table.Add({peer.name().empty() ? "-" : peer.name(),
               ToBase64(AsBytes(peer.public_key())).substr(0, kShownKey),
               peer.endpoint().empty() ? "(none)" : peer.endpoint(), peer.suite(),
               Handshake(peer, now), FormatBytes(peer.rx_bytes()), FormatBytes(peer.tx_bytes()),
               PathMtu(peer), AllowedIps(peer)});
  }
  table.Print(context.out(), context.environment.color);
  return kOk;
}

ExitCode SetPeerSuite(const Context& context, const std::string& called, const std::string& suite) {
  if (!ParseCipherSuite(suite)) {
    return context.Fail(kUsage,
                        "no suite is called \"" + suite + "\"; use chacha20poly1305 or aes256gcm");
  }
  Dataplane dataplane(context);
  const auto peer = dataplane.AskPeer(called);
  if (!peer) return dataplane.failure();
  v1::Request request;
  request.mutable_set_peer_suite()->set_public_key(peer->public_key());
  request.mutable_set_peer_suite()->set_suite(suite);
  const auto response = dataplane.Ask(request);
  if (!response) return dataplane.failure();
  if (context.json) context.out() << ToJson(response->set_peer_suite());
  return kOk;
}

}  // namespace vireo::cli
