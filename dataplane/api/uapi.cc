#include "dataplane/api/uapi.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <utility>

#include "dataplane/base/encoding.h"

namespace vireo::api {
namespace {

Error Invalid(std::string_view key, std::string_view why) {
  return {ErrorCode::kInvalidArgument, std::string(key) + " " + std::string(why)};
}

template <std::unsigned_integral T>
Status ParseNumber(std::string_view key, std::string_view value, std::optional<T>& out) {
  T number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) {
    return Invalid(key, "must be a number from 0 to " + std::to_string(static_cast<T>(-1)));
  }
  out = number;
  return {};
}

Status ParseTrue(std::string_view key, std::string_view value, bool& out) {
  if (value != "true") return Invalid(key, "can only be \"true\"");
  out = true;
  return {};
}

Status ParseKey(std::string_view key, std::string_view value, MutableBytes out) {
  if (!FromHex(value, out)) return Invalid(key, "must be 64 hexadecimal digits");
  return {};
}

Status ParseSecret(std::string_view key, std::string_view value,
                   std::optional<Secret<kKeySize>>& out) {
  return ParseKey(key, value, out.emplace().bytes());
}

Status ParseEndpoint(std::string_view value, std::optional<net::UdpEndpoint>& out) {
  const auto endpoint = net::UdpEndpoint::Parse(value);
  if (!endpoint || endpoint->port == 0) {
    return Invalid("endpoint", "must be ADDRESS:PORT or [ADDRESS]:PORT");
  }
  out = *endpoint;
  return {};
}

// "10.0.0.0/8", or "-10.0.0.0/8" to take it away. The length is not optional and has one spelling.
Status ParseAllowedIp(std::string_view value, std::vector<UapiAllowedIp>& out) {
  UapiAllowedIp allowed;
  if (value.starts_with('-')) {
    allowed.change = UapiChange::kRemove;
    value.remove_prefix(1);
  }
  const std::size_t slash = value.find('/');
  const std::string_view length =
      slash == std::string_view::npos ? std::string_view() : value.substr(slash + 1);
  const auto prefix = net::Prefix::Parse(value);
  if (!prefix || length.empty() || (length.size() > 1 && length[0] == '0')) {
    return Invalid("allowed_ip", "must be ADDRESS/LENGTH");
  }
  allowed.prefix = *prefix;
  out.push_back(allowed);
  return {};
}

bool IsPrintable(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// Rows of an answer. The text is made once with room for all: growing would leave copies of keys
// in freed memory.
class Rows {
 public:
  explicit Rows(std::size_t room) { text_.reserve(room); }

  void Add(std::string_view key, std::string_view value) {
    text_.append(key).append("=").append(value).append("\n");
  }
  void Add(std::string_view key, std::uint64_t value) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    Add(key, std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }
  void AddKey(std::string_view key, ConstBytes value) {
    std::string hex = ToHex(value);
    Add(key, hex);
    SecureZero(hex.data(), hex.size());
  }
  [[nodiscard]] std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void AddPeer(const UapiPeer& peer, Rows& rows) {
  rows.AddKey("public_key", peer.public_key);
  rows.AddKey("preshared_key", peer.preshared_key.bytes());
  rows.Add("protocol_version", std::uint64_t{1});
  if (peer.endpoint.IsSet()) rows.Add("endpoint", peer.endpoint.ToString());
  const auto since_epoch = peer.last_handshake.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  rows.Add("last_handshake_time_sec", static_cast<std::uint64_t>(seconds.count()));
  rows.Add("last_handshake_time_nsec", static_cast<std::uint64_t>((since_epoch - seconds).count()));
  rows.Add("tx_bytes", peer.tx_bytes);
  rows.Add("rx_bytes", peer.rx_bytes);
  rows.Add("persistent_keepalive_interval", peer.persistent_keepalive);
  if (peer.suite != CipherSuite::kChaCha20Poly1305) rows.Add("vireo_suite", Name(peer.suite));
  for (const net::Prefix& prefix : peer.allowed_ips) rows.Add("allowed_ip", prefix.ToString());
}

}  // namespace

Status UapiSetParser::AddDeviceLine(std::string_view key, std::string_view value) {
  if (key == "private_key") return ParseSecret(key, value, set_.private_key);
  if (key == "listen_port") return ParseNumber(key, value, set_.listen_port);
  if (key == "fwmark") return ParseNumber(key, value, set_.fwmark);
  if (key == "replace_peers") return ParseTrue(key, value, set_.replace_peers);
  return Invalid(key, "is no key of a device");
}

Status UapiSetParser::AddPeerLine(std::string_view key, std::string_view value) {
  UapiPeerSet& peer = set_.peers.back();
  if (key == "allowed_ip") return ParseAllowedIp(value, peer.allowed_ips);
  if (key == "remove") return ParseTrue(key, value, peer.remove);
  if (key == "update_only") return ParseTrue(key, value, peer.update_only);
  if (key == "preshared_key") return ParseSecret(key, value, peer.preshared_key);
  if (key == "endpoint") return ParseEndpoint(value, peer.endpoint);
  if (key == "persistent_keepalive_interval") {
    return ParseNumber(key, value, peer.persistent_keepalive);
  }
  if (key == "replace_allowed_ips") {
    peer.allowed_ips.clear();  // the request is a sequence: what came before goes too
    return ParseTrue(key, value, peer.replace_allowed_ips);
  }
  if (key == "protocol_version") {
    if (value != "1") return Invalid(key, "can only be 1");
    return {};
  }
  if (key == "vireo_suite") {
    peer.suite = ParseCipherSuite(value);
    if (!peer.suite) return Invalid(key, "must be chacha20poly1305 or aes256gcm");
    return {};
  }
  return Invalid(key, "is no key of a peer");
}

void UapiSetParser::Add(std::string_view line) {
  ++line_;
  if (error_) return;
  const std::size_t equals = line.find('=');
  Status status;
  if (equals == std::string_view::npos) {
    status = Error{ErrorCode::kProtocol, "not KEY=VALUE"};
  } else if (line.size() > kUapiMaxLine || !IsPrintable(line)) {
    status = Error{ErrorCode::kInvalidArgument, "too long or with unprintable characters"};
  } else if (const auto key = line.substr(0, equals), value = line.substr(equals + 1);
             key == "public_key") {
    status = ParseKey(key, value, set_.peers.emplace_back().public_key);
  } else {
    status = set_.peers.empty() ? AddDeviceLine(key, value) : AddPeerLine(key, value);
  }
  if (status.ok()) return;
  error_ = Error{status.error().code,
                 "line " + std::to_string(line_) + " of set: " + status.error().message};
}

Result<UapiSet> UapiSetParser::Finish() {
  UapiSet set = std::exchange(set_, {});
  line_ = 0;
  if (const auto error = std::exchange(error_, std::nullopt)) return *error;
  return set;
}

Result<UapiSet> ParseUapiSet(std::string_view body) {
  UapiSetParser parser;
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = body.substr(0, end);
    if (line.empty()) break;
    parser.Add(line);
    body.remove_prefix(std::min(end + 1, body.size()));
  }
  return parser.Finish();
}

std::string FormatUapiGet(const UapiDevice& device) {
  std::size_t room = 256;
  for (const UapiPeer& peer : device.peers) room += 512 + 64 * peer.allowed_ips.size();
  Rows rows(room);
  if (!device.private_key.IsZero()) rows.AddKey("private_key", device.private_key.bytes());
  if (device.listen_port != 0) rows.Add("listen_port", device.listen_port);
  if (device.fwmark != 0) rows.Add("fwmark", device.fwmark);
  for (const UapiPeer& peer : device.peers) AddPeer(peer, rows);
  return rows.Take();
}

std::string FormatUapiErrno(UapiOperation operation, const Status& status) {
  const int number = status.ok() ? 0 : ToErrno(status.error().code);
  return "errno=" + std::to_string(operation == UapiOperation::kSet ? -number : number) + "\n\n";
}

}  // namespace vireo::api
