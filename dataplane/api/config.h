// The configuration of a router, as docs/configuration.md describes its file.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/api/keys.h"
#include "dataplane/base/cipher_suite.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"

namespace vireo::api {

enum class PortRole : std::uint8_t { kUplink, kAccess, kBridged };
enum class PortKind : std::uint8_t { kSocket, kAfXdp, kEthdev, kTun, kTap, kVhostUser };
// Which frames of an af_xdp port's interface are ours; the kernel keeps the rest.
enum class Steering : std::uint8_t { kAll, kOverlay };
// Who makes the socket of a vhost-user port.
enum class VhostMode : std::uint8_t { kServer, kClient };
enum class Hugepages : std::uint8_t { kAuto, kAlways, kNever };

// As the file writes them.
[[nodiscard]] std::string_view Name(PortRole role);
[[nodiscard]] std::string_view Name(PortKind kind);
[[nodiscard]] std::string_view Name(Steering steering);
[[nodiscard]] std::string_view Name(VhostMode mode);
[[nodiscard]] std::string_view Name(Hugepages hugepages);

// An own address and the length of the prefix that is on its link.
struct InterfaceAddress {
  net::IpAddress address;
  std::uint8_t length = 0;

  [[nodiscard]] net::Prefix OnLink() const { return net::Prefix::Make(address, length); }
  [[nodiscard]] std::string ToString() const;

  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

struct PortConfig {
  unsigned line = 0;  // of its table in the file
  std::string name;
  PortRole role = PortRole::kUplink;
  PortKind kind = PortKind::kSocket;
  std::uint16_t listen_port = 0;  // uplinks; 0: the system chooses (kSocket only)
  std::string interface;          // kAfXdp, kTun, kTap
  std::string device;             // kEthdev: DPDK device and its arguments
  std::string socket;             // kVhostUser: path
  VhostMode mode = VhostMode::kServer;
  std::uint16_t queues = 0;  // kVhostUser: the most queue pairs of the VM
  Steering steer = Steering::kAll;
  std::vector<InterfaceAddress> addresses;
  std::vector<net::IpAddress> gateways;  // at most one a family
  std::optional<net::MacAddress> mac;    // unset: the interface's own
  std::optional<std::uint16_t> vlan;
  std::uint16_t mtu = 0;  // bytes of IP packet; 0 (kSocket): not told, 1500

  // True if the dataplane does addresses and neighbours on this port, false if the kernel does.
  [[nodiscard]] bool OwnsFrames() const {
    return kind == PortKind::kEthdev || kind == PortKind::kTap ||
           (kind == PortKind::kAfXdp && steer == Steering::kAll);
  }

  friend bool operator==(const PortConfig&, const PortConfig&) = default;
};

struct PeerConfig {
  unsigned line = 0;
  std::string name;  // may be empty
  PublicKey public_key{};
  PresharedKey preshared_key;      // all zero: none
  std::string preshared_key_file;  // not empty: LoadKeyFiles fills preshared_key from it
  net::UdpEndpoint endpoint;       // unset: the peer comes to us
  std::vector<net::Prefix> allowed_ips;
  std::chrono::seconds persistent_keepalive{0};  // 0: off
  CipherSuite suite = CipherSuite::kChaCha20Poly1305;
};

struct RouterConfig {
  std::string name;
  std::string provider;
  std::string country;                // ISO 3166-1 alpha-2; empty: not said
  std::vector<net::IpAddress> vteps;  // own VXLAN tunnel end points, at most one a family
  unsigned workers = 1;
  unsigned spare_ports = 2;     // there is memory for that many more ports at run time
  std::vector<unsigned> cores;  // empty: not pinned; else one for each worker
  PrivateKey private_key;
  std::string private_key_file;  // not empty: LoadKeyFiles fills private_key from it
  unsigned private_key_line = 0;
  std::string control_socket;
  std::string uapi_name;  // empty: no socket for wg(8)
  Hugepages hugepages = Hugepages::kAuto;
  std::string state_dir;
  bool probe_path_mtu = true;  // of the other routers; else the uplinks' MTU holds for all
  std::uint32_t fwmark = 0;    // of socket uplinks' packets; 0: none
  std::vector<PortConfig> ports;
  std::vector<PeerConfig> peers;
};

struct ConfigError {
  unsigned line = 0;  // from 1; 0: the file as a whole
  unsigned column = 0;
  std::string message;  // "what is wrong; what to do"

  // "FILE:LINE: what is wrong; what to do".
  [[nodiscard]] std::string ToString(std::string_view file) const;

  friend bool operator==(const ConfigError&, const ConfigError&) = default;
};

// Either a configuration without a mistake or every mistake, by line.
struct [[nodiscard]] ConfigOutcome {
  std::optional<RouterConfig> config;
  std::vector<ConfigError> errors;

  [[nodiscard]] bool ok() const { return config.has_value(); }
};

// Reads the text of a file (TOML 1.0). Opens no other file: see LoadKeyFiles.
ConfigOutcome ParseConfig(std::string_view text);

// Reads `path` and the key files it names, relative to its folder. A file that cannot be read is a
// mistake too. With `KeyFiles::kIgnore` key files are not opened: for checking a file that is meant
// for another machine.
enum class KeyFiles : std::uint8_t { kLoad, kIgnore };
ConfigOutcome ReadConfigFile(const std::string& path, KeyFiles key_files);

// Reads one key in base64, as `wg genkey` and `wg genpsk` write it. Errors: kNotFound,
// kPermissionDenied (also if users other than owner and group may read it), kInvalidArgument.
[[nodiscard]] Result<Secret<kKeySize>> ReadKeyFile(const std::string& path);

}  // namespace vireo::api
