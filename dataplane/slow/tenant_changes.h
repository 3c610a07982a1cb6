// What a batch of the control socket may change, one struct a kind. Routers are named by their
// public key, ports by their name, as the control plane knows them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dataplane/api/config.h"
#include "dataplane/api/dataplane.pb.h"
#include "dataplane/base/result.h"
#include "dataplane/port/port.h"
#include "dataplane/slow/tenant_objects.h"
#include "dataplane/wg/keys.h"

namespace vireo {

struct PeerSettings {
  std::optional<net::UdpEndpoint> endpoint;       // unset: stays
  std::vector<net::Prefix> allowed_ips;           // all of them
  std::optional<wg::PresharedKey> preshared_key;  // unset: stays
  CipherSuite suite = CipherSuite::kChaCha20Poly1305;
  std::chrono::seconds persistent_keepalive{0};
};

struct PutRouter {
  wg::PublicKey key;
  RouterSpec spec;
  std::optional<PeerSettings> peer;  // unset: the peer is there already
};
struct RemoveRouter {
  wg::PublicKey key;
  bool peer_too = false;
};
struct PutOwnRouter {
  RouterSpec spec;                    // without `vtep`
  std::vector<net::IpAddress> vteps;  // at most one a family
};
struct PutNetwork {
  NetworkSpec spec;
};
struct RemoveNetwork {
  std::uint32_t vni = 0;
};
struct AttachPort {
  std::uint32_t vni = 0;
  std::string port;
};
struct DetachPort {
  std::string port;
};
struct PutPort {
  api::PortConfig config;
  v1::PortSpec spec;             // that it was read from
  std::unique_ptr<Port> opened;  // before the batch is made; nullptr: the port is there already
};
struct RemovePort {
  std::string port;
};
struct PutMember {
  std::uint32_t vni = 0;
  wg::PublicKey router;
};
struct RemoveMember {
  std::uint32_t vni = 0;
  wg::PublicKey router;
};
struct PutEndpoint {
  std::uint32_t vni = 0;
  EndpointSpec spec;                            // without `place`
  std::variant<std::string, wg::PublicKey> at;  // port or router
};
struct RemoveEndpoint {
  std::uint32_t vni = 0;
  net::MacAddress mac;
};

using TenantChange = std::variant<PutRouter, RemoveRouter, PutOwnRouter, PutNetwork, RemoveNetwork,
                                  AttachPort, DetachPort, PutPort, RemovePort, PutMember,
                                  RemoveMember, PutEndpoint, RemoveEndpoint>;

// Error: kInvalidArgument for what no such object can be, whatever else there is; kUnsupported for
// a change that a newer client knows.
[[nodiscard]] Result<TenantChange> ReadChange(const v1::Change& change);

// 32 and 6 bytes. Error: kInvalidArgument for another size, or a key that is all zero.
[[nodiscard]] Result<wg::PublicKey> ReadKey(const std::string& bytes);
[[nodiscard]] Result<net::MacAddress> ReadMac(const std::string& bytes);

// Back again; `place` of an endpoint is left to the caller, who knows its name.
void WriteNetwork(const NetworkSpec& spec, v1::Network& out);
void WriteEndpoint(std::uint32_t vni, const EndpointSpec& spec, v1::Endpoint& out);
[[nodiscard]] std::string BytesOf(const wg::PublicKey& key);
[[nodiscard]] std::string BytesOf(const net::IpAddress& address);

}  // namespace vireo
