#include "dataplane/slow/tenant_changes.h"

#include <cstring>

#include "dataplane/api/port_spec.h"

namespace vireo {
namespace {

Error Invalid(std::string what) { return {ErrorCode::kInvalidArgument, std::move(what)}; }

}  // namespace

Result<wg::PublicKey> ReadKey(const std::string& bytes) {
  wg::PublicKey key;
  if (bytes.size() != key.bytes.size()) {
    return Invalid("public key has " + std::to_string(bytes.size()) + " bytes instead of 32");
  }
  std::memcpy(key.bytes.data(), bytes.data(), bytes.size());
  if (key == wg::PublicKey{}) return Invalid("public key is all zero");
  return key;
}

Result<net::MacAddress> ReadMac(const std::string& bytes) {
  net::MacAddress mac;
  if (bytes.size() != mac.bytes.size()) {
    return Invalid("MAC has " + std::to_string(bytes.size()) + " bytes instead of 6");
  }
  std::memcpy(mac.bytes.data(), bytes.data(), bytes.size());
  return mac;
}

namespace {

Result<net::IpAddress> ReadAddress(const std::string& bytes, const char* what) {
  if (bytes.size() == 4) return net::IpAddress::V4(AsBytes(bytes));
  if (bytes.size() == 16) return net::IpAddress::V6(AsBytes(bytes));
  return Invalid(std::string(what) + " has " + std::to_string(bytes.size()) +
                 " bytes instead of 4 or 16");
}

Result<CipherSuite> ReadSuite(const std::string& text) {
  const auto suite = ParseCipherSuite(text);
  if (!suite) return Invalid("suite \"" + text + "\" is not chacha20poly1305 or aes256gcm");
  return *suite;
}

Status CheckText(const std::string& text, const char* what) {
  constexpr std::size_t kMax = 255;
  if (text.size() > kMax) return Invalid(std::string(what) + " is longer than 255 bytes");
  return {};
}

Status CheckCountry(const std::string& country) {
  const auto is_letter = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (country.size() == 2 && is_letter(country[0]) && is_letter(country[1])) return {};
  return Invalid("country \"" + country + "\" is not two capital letters (ISO 3166-1 alpha-2)");
}

// Name, provider and country, which a router and we ourselves have.
template <typename Message>
Status ReadIdentity(const Message& in, RouterSpec& spec) {
  spec.name = in.name();
  spec.provider = in.provider();
  spec.country = in.country();
  for (const auto& [text, what] :
       {std::pair(&spec.name, "name"), std::pair(&spec.provider, "provider")}) {
    if (auto valid = CheckText(*text, what); !valid) return valid;
  }
  return spec.country.empty() ? Status() : CheckCountry(spec.country);
}

Result<PeerSettings> ReadSettings(const v1::PeerSettings& in) {
  PeerSettings settings;
  if (!in.endpoint().empty()) {
    settings.endpoint = net::UdpEndpoint::Parse(in.endpoint());
    if (!settings.endpoint) {
      return Invalid("endpoint \"" + in.endpoint() + "\" is not ADDRESS:PORT");
    }
  }
  for (const std::string& text : in.allowed_ips()) {
    const auto prefix = net::Prefix::Parse(text);
    if (!prefix) return Invalid("allowed IP \"" + text + "\" is not a prefix");
    settings.allowed_ips.push_back(*prefix);
  }
  if (in.has_preshared_key()) {
    settings.preshared_key.emplace();
    if (in.preshared_key().size() != wg::kKeySize) return Invalid("preshared key is not 32 bytes");
    std::memcpy(settings.preshared_key->bytes().data(), in.preshared_key().data(), wg::kKeySize);
  }
  if (!in.suite().empty()) {
    const auto suite = ReadSuite(in.suite());
    if (!suite) return suite.error();
    settings.suite = suite.value();
  }
  if (in.persistent_keepalive_s() > UINT16_MAX) {
    return Invalid("persistent keepalive is above 65535 seconds");
  }
  settings.persistent_keepalive = std::chrono::seconds(in.persistent_keepalive_s());
  return settings;
}

Result<TenantChange> Read(const v1::Router& in) {
  PutRouter out;
  const auto key = ReadKey(in.public_key());
  if (!key) return key.error();
  out.key = key.value();
  if (auto read = ReadIdentity(in, out.spec); !read) return read.error();
  const auto vtep = ReadAddress(in.vtep(), "VTEP address");
  if (!vtep) return vtep.error();
  out.spec.vtep = vtep.value();
  if (in.has_peer()) {
    auto settings = ReadSettings(in.peer());
    if (!settings) return settings.error();
    out.peer = std::move(settings).value();
  }
  return TenantChange(std::move(out));
}

Result<TenantChange> Read(const v1::OwnRouter& in) {
  PutOwnRouter out;
  if (auto read = ReadIdentity(in, out.spec); !read) return read.error();
  for (const std::string& bytes : in.vteps()) {
    const auto vtep = ReadAddress(bytes, "VTEP address");
    if (!vtep) return vtep.error();
    for (const net::IpAddress& other : out.vteps) {
      if (other.family == vtep.value().family) {
        return Invalid("more than one VTEP address of one family");
      }
    }
    out.vteps.push_back(vtep.value());
  }
  return TenantChange(std::move(out));
}

Result<Subnet> ReadSubnet(const v1::Subnet& in) {
  const auto address = ReadAddress(in.address(), "subnet's address");
  if (!address) return address.error();
  Subnet subnet;
  if (in.length() > 8 * address.value().size()) {
    return Invalid("subnet's length " + std::to_string(in.length()) + " is above its address's");
  }
  subnet.prefix = net::Prefix::Make(address.value(), in.length());
  if (subnet.prefix.address != address.value()) {
    return Invalid("subnet " + address.value().ToString() + "/" + std::to_string(in.length()) +
                   " has bits behind its length; write " + subnet.prefix.ToString());
  }
  if (!in.gateway().empty()) {
    const auto gateway = ReadAddress(in.gateway(), "gateway");
    if (!gateway) return gateway.error();
    subnet.gateway = gateway.value();
  }
  return subnet;
}

Result<NetworkPolicy> ReadPolicy(const v1::NetworkPolicy& in) {
  NetworkPolicy policy;
  policy.countries.assign(in.countries().begin(), in.countries().end());
  policy.providers.assign(in.providers().begin(), in.providers().end());
  for (const std::string& country : policy.countries) {
    if (auto valid = CheckCountry(country); !valid) return valid.error();
  }
  for (const std::string& provider : policy.providers) {
    if (provider.empty()) return Invalid("policy names a provider without a name");
    if (auto valid = CheckText(provider, "provider"); !valid) return valid.error();
  }
  if (!in.suite().empty()) {
    const auto suite = ReadSuite(in.suite());
    if (!suite) return suite.error();
    policy.suite = suite.value();
  }
  return policy;
}

Result<NetworkKind> ReadKind(const std::string& kind) {
  if (kind.empty() || kind == "bridged") return NetworkKind::kBridged;
  if (kind == "routed") return NetworkKind::kRouted;
  return Invalid("kind \"" + kind + "\" is not bridged or routed");
}

Status ReadAddressing(const v1::Network& in, NetworkSpec& spec) {
  for (const v1::Subnet& subnet : in.subnets()) {
    const auto read = ReadSubnet(subnet);
    if (!read) return read.error();
    spec.subnets.push_back(read.value());
  }
  for (const std::string& server : in.dns()) {
    const auto address = ReadAddress(server, "DNS server");
    if (!address) return address.error();
    spec.dns.push_back(address.value());
  }
  if (in.mtu() > UINT16_MAX) return Invalid("MTU is above 65535");
  if (in.mtu() != 0) spec.mtu = static_cast<std::uint16_t>(in.mtu());
  return {};
}

Result<TenantChange> Read(const v1::Network& in) {
  NetworkSpec spec{.vni = in.vni(), .name = in.name(), .tenant = in.tenant(), .flood = in.flood()};
  if (auto valid = CheckText(spec.name, "name"); !valid) return valid.error();
  if (auto valid = CheckText(spec.tenant, "tenant"); !valid) return valid.error();
  const auto kind = ReadKind(in.kind());
  if (!kind) return kind.error();
  spec.kind = kind.value();
  if (auto read = ReadAddressing(in, spec); !read) return read.error();
  auto policy = ReadPolicy(in.policy());
  if (!policy) return policy.error();
  spec.policy = std::move(policy).value();
  const v1::RateLimit& rate = in.rate();
  spec.rate = {rate.committed_rate(), rate.peak_rate(), rate.committed_burst(), rate.peak_burst()};
  spec.broadcast_rate = in.broadcast_rate();
  if (in.has_dscp()) {
    if (in.dscp() > 63) return Invalid("DSCP must be from 0 to 63");
    spec.dscp = static_cast<std::uint8_t>(in.dscp());
  }
  return TenantChange(PutNetwork{std::move(spec)});
}

Result<TenantChange> Read(const v1::Endpoint& in) {
  PutEndpoint out;
  out.vni = in.vni();
  out.spec.epoch = in.epoch();
  const auto mac = ReadMac(in.mac());
  if (!mac) return mac.error();
  out.spec.mac = mac.value();
  out.spec.addresses.reserve(static_cast<std::size_t>(in.addresses_size()));
  for (const std::string& bytes : in.addresses()) {
    const auto address = ReadAddress(bytes, "endpoint's address");
    if (!address) return address.error();
    out.spec.addresses.push_back(address.value());
  }
  switch (in.place_case()) {
    case v1::Endpoint::kPort:
      out.at = in.port();
      return TenantChange(std::move(out));
    case v1::Endpoint::kRouter: {
      const auto key = ReadKey(in.router());
      if (!key) return key.error();
      out.at = key.value();
      return TenantChange(std::move(out));
    }
    case v1::Endpoint::PLACE_NOT_SET:
      break;
  }
  return Invalid("endpoint " + out.spec.mac.ToString() + " has no place: give a port or a router");
}

Result<TenantChange> Read(const v1::PortSpec& in) {
  auto config = api::ReadPortSpec(in);
  if (!config) return config.error();
  return TenantChange(PutPort{std::move(config).value(), in, nullptr});
}

template <typename Change>
Result<TenantChange> ReadMembership(const v1::Member& in) {
  const auto key = ReadKey(in.router());
  if (!key) return key.error();
  return TenantChange(Change{in.vni(), key.value()});
}

void WriteSubnet(const Subnet& subnet, v1::Subnet& out) {
  out.set_address(BytesOf(subnet.prefix.address));
  out.set_length(subnet.prefix.length);
  out.set_gateway(BytesOf(subnet.gateway));
}

void WritePolicy(const NetworkPolicy& policy, v1::NetworkPolicy& out) {
  for (const std::string& country : policy.countries) out.add_countries(country);
  for (const std::string& provider : policy.providers) out.add_providers(provider);
  if (policy.suite) out.set_suite(std::string(Name(*policy.suite)));
}

}  // namespace

std::string BytesOf(const wg::PublicKey& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}

std::string BytesOf(const net::IpAddress& address) {
  return {reinterpret_cast<const char*>(address.bytes.data()), address.size()};
}

Result<TenantChange> ReadChange(const v1::Change& change) {
  switch (change.what_case()) {
    case v1::Change::kPutRouter:
      return Read(change.put_router());
    case v1::Change::kRemoveRouter: {
      const auto key = ReadKey(change.remove_router().public_key());
      if (!key) return key.error();
      return TenantChange(RemoveRouter{key.value(), change.remove_router().peer_too()});
    }
    case v1::Change::kPutOwnRouter:
      return Read(change.put_own_router());
    case v1::Change::kPutNetwork:
      return Read(change.put_network());
    case v1::Change::kRemoveNetwork:
      return TenantChange(RemoveNetwork{change.remove_network().vni()});
    case v1::Change::kAttachPort:
      return TenantChange(AttachPort{change.attach_port().vni(), change.attach_port().port()});
    case v1::Change::kDetachPort:
      return TenantChange(DetachPort{change.detach_port().port()});
    case v1::Change::kPutPort:
      return Read(change.put_port());
    case v1::Change::kRemovePort:
      return TenantChange(RemovePort{change.remove_port().port()});
    case v1::Change::kPutMember:
      return ReadMembership<PutMember>(change.put_member());
    case v1::Change::kRemoveMember:
      return ReadMembership<RemoveMember>(change.remove_member());
    case v1::Change::kPutEndpoint:
      return Read(change.put_endpoint());
    case v1::Change::kRemoveEndpoint: {
      const auto mac = ReadMac(change.remove_endpoint().mac());
      if (!mac) return mac.error();
      return TenantChange(RemoveEndpoint{change.remove_endpoint().vni(), mac.value()});
    }
    case v1::Change::WHAT_NOT_SET:
      break;
  }
  return Error{ErrorCode::kUnsupported, "this dataplane does not know the change; upgrade it"};
}

void WriteNetwork(const NetworkSpec& spec, v1::Network& out) {
  out.set_vni(spec.vni);
  out.set_name(spec.name);
  out.set_tenant(spec.tenant);
  out.set_kind(spec.kind == NetworkKind::kRouted ? "routed" : "bridged");
  out.set_flood(spec.flood);
  for (const Subnet& subnet : spec.subnets) WriteSubnet(subnet, *out.add_subnets());
  out.set_mtu(spec.mtu);
  for (const net::IpAddress& server : spec.dns) out.add_dns(BytesOf(server));
  if (spec.policy != NetworkPolicy()) WritePolicy(spec.policy, *out.mutable_policy());
  if (spec.rate != RateLimit()) {
    v1::RateLimit& rate = *out.mutable_rate();
    rate.set_committed_rate(spec.rate.committed_rate);
    rate.set_peak_rate(spec.rate.peak_rate);
    rate.set_committed_burst(spec.rate.committed_burst);
    rate.set_peak_burst(spec.rate.peak_burst);
  }
  out.set_broadcast_rate(spec.broadcast_rate);
  if (spec.dscp) out.set_dscp(*spec.dscp);
}

void WriteEndpoint(std::uint32_t vni, const EndpointSpec& spec, v1::Endpoint& out) {
  out.set_vni(vni);
  out.set_mac(spec.mac.bytes.data(), spec.mac.bytes.size());
  for (const net::IpAddress& address : spec.addresses) out.add_addresses(BytesOf(address));
  out.set_epoch(spec.epoch);
}

}  // namespace vireo
