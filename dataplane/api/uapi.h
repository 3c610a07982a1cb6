// WireGuard's cross-platform userspace API, which wg(8) speaks: text requests and replies as pure
// functions. The socket is in uapi_server.h.
// Source: https://www.wireguard.com/xplatform/, and wireguard-go where that is silent.
//
// Beyond the standard, a peer may carry `vireo_suite=chacha20poly1305|aes256gcm`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/api/keys.h"
#include "dataplane/base/cipher_suite.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"

namespace vireo::api {

enum class UapiChange : std::uint8_t { kAdd, kRemove };

struct UapiAllowedIp {
  net::Prefix prefix;
  UapiChange change = UapiChange::kAdd;
};

// What to change about one peer; unset fields stay as they are. If `remove` is set the rest means
// nothing. Otherwise: forget the allowed IPs if `replace_allowed_ips`, then apply `allowed_ips` in
// order.
struct UapiPeerSet {
  PublicKey public_key{};
  bool remove = false;
  bool update_only = false;  // do nothing if there is no such peer; else it is created
  bool replace_allowed_ips = false;
  std::optional<PresharedKey> preshared_key;  // all zero: take it away
  std::optional<net::UdpEndpoint> endpoint;
  std::optional<std::uint16_t> persistent_keepalive;  // seconds, 0: off
  std::optional<CipherSuite> suite;
  std::vector<UapiAllowedIp> allowed_ips;
};

// A `set` request: device fields first, then forget all peers if `replace_peers`, then `peers` in
// order (one key may come several times).
struct UapiSet {
  std::optional<PrivateKey> private_key;     // all zero: take it away
  std::optional<std::uint16_t> listen_port;  // 0: let the system choose
  std::optional<std::uint32_t> fwmark;       // 0: off
  bool replace_peers = false;
  std::vector<UapiPeerSet> peers;
};

struct UapiPeer {
  PublicKey public_key{};
  PresharedKey preshared_key;
  net::UdpEndpoint endpoint;  // unset: none known
  std::uint16_t persistent_keepalive = 0;
  CipherSuite suite = CipherSuite::kChaCha20Poly1305;
  std::vector<net::Prefix> allowed_ips;
  WallTime last_handshake{};  // zero: never
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
};

// What `get` answers.
struct UapiDevice {
  PrivateKey private_key;  // all zero: none
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  std::vector<UapiPeer> peers;
};

// No line that means anything is longer; bytes, without the newline.
inline constexpr std::size_t kUapiMaxLine = 512;

// Reads the body of a `set` request line by line, as it arrives. Nothing of a request that has a
// mistake may be applied, so the result is there only at the end.
class UapiSetParser {
 public:
  // Takes the next line, without its newline and not empty. Lines after the first mistake are
  // ignored.
  void Add(std::string_view line);

  // The request, or its first mistake: kInvalidArgument (kProtocol for a line without '='), with
  // the number of the line, counted from 1 at the line after "set=1". The parser is new afterwards.
  Result<UapiSet> Finish();

 private:
  Status AddDeviceLine(std::string_view key, std::string_view value);
  Status AddPeerLine(std::string_view key, std::string_view value);

  UapiSet set_;
  std::size_t line_ = 0;
  std::optional<Error> error_;
};

// The same for a whole body: all lines after "set=1\n", with or without the empty line at the end.
[[nodiscard]] Result<UapiSet> ParseUapiSet(std::string_view body);

// The answer to `get` without its errno: use FormatUapiErrno behind it. Hexadecimal is lower case;
// the suite is written only if it is not WireGuard's own. Holds keys: SecureZero it after use.
[[nodiscard]] std::string FormatUapiGet(const UapiDevice& device);

enum class UapiOperation : std::uint8_t { kGet, kSet };
// The last line of every answer, "errno=N\n\n", N being 0 for a success. wg(8) wants the number
// negative after `set` and positive after `get`.
[[nodiscard]] std::string FormatUapiErrno(UapiOperation operation, const Status& status);

}  // namespace vireo::api
