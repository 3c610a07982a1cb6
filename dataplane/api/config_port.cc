#include <algorithm>
#include <map>

#include "dataplane/api/config_sections.h"

namespace vireo::api {
namespace {

constexpr std::uint16_t kDefaultListenPort = 51820;
constexpr std::uint16_t kDefaultMtu = 1500;
constexpr std::uint16_t kDefaultTunMtu = 1420;  // what WireGuard leaves of 1500
constexpr std::uint16_t kMinMtu = 1280;         // RFC 8200 §5
constexpr std::uint16_t kMaxMtu = 9216;
constexpr std::uint32_t kMaxQueuePairs = 64;
constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un

constexpr std::pair<std::string_view, PortRole> kRoles[] = {
    {"uplink", PortRole::kUplink}, {"access", PortRole::kAccess}, {"bridged", PortRole::kBridged}};
constexpr std::pair<std::string_view, PortKind> kKinds[] = {
    {"socket", PortKind::kSocket}, {"af_xdp", PortKind::kAfXdp},
    {"ethdev", PortKind::kEthdev}, {"tun", PortKind::kTun},
    {"tap", PortKind::kTap},       {"vhost-user", PortKind::kVhostUser}};
constexpr std::pair<std::string_view, Steering> kSteerings[] = {{"all", Steering::kAll},
                                                                {"overlay", Steering::kOverlay}};
constexpr std::pair<std::string_view, VhostMode> kModes[] = {{"server", VhostMode::kServer},
                                                             {"client", VhostMode::kClient}};

constexpr std::string_view kKeys[] = {"name",  "role",      "kind",      "listen_port", "device",
                                      "steer", "interface", "addresses", "gateway",     "mac",
                                      "vlan",  "mtu",       "socket",    "mode",        "queues"};

// Which keys go with which ports.
bool Applies(std::string_view key, const PortConfig& port) {
  const bool uplink = port.role == PortRole::kUplink;
  const bool bridged = port.role == PortRole::kBridged;  // its network's endpoints have addresses
  if (key == "listen_port") return uplink;
  if (key == "device") return port.kind == PortKind::kEthdev;
  if (key == "steer") return port.kind == PortKind::kAfXdp;
  if (key == "socket" || key == "mode" || key == "queues") {
    return port.kind == PortKind::kVhostUser;
  }
  if (key == "interface") {
    return port.kind == PortKind::kAfXdp || port.kind == PortKind::kTun ||
           port.kind == PortKind::kTap;
  }
  if (key == "addresses") return !bridged && (port.OwnsFrames() || port.kind == PortKind::kTun);
  if (key == "gateway") return port.OwnsFrames() && uplink;
  if (key == "mac" || key == "vlan") return !bridged && port.OwnsFrames();
  return true;
}

std::string Describe(const PortConfig& port) {
  std::string text = port.role == PortRole::kBridged ? "a " : "an ";
  text += std::string(Name(port.role)) + " port of kind " + Quote(Name(port.kind));
  if (port.kind == PortKind::kAfXdp) text += " with steer " + Quote(Name(port.steer));
  return text;
}

// An address with a length, or a report that says what is wrong with it.
std::optional<InterfaceAddress> ParseInterfaceAddress(const ConfigText& text,
                                                      ConfigReport& report) {
  const std::size_t slash = text.text.find('/');
  const auto prefix = slash == std::string::npos || text.text.find('\0') != std::string::npos
                          ? std::nullopt
                          : net::Prefix::Parse(text.text);
  if (!prefix) {
    report.Add(text.where, "address " + Quote(text.text) +
                               " is wrong; write \"ADDRESS/LENGTH\" with the link's prefix length");
    return std::nullopt;
  }
  const auto address = net::IpAddress::Parse(text.text.substr(0, slash));
  if (address->IsUnspecified() || address->IsMulticast()) {
    report.Add(text.where, "address " + Quote(text.text) +
                               " is no address of a host; write the port's own address");
    return std::nullopt;
  }
  return InterfaceAddress{*address, prefix->length};
}

void ReadGateways(ConfigTable& table, PortConfig& port) {
  for (const ConfigText& text : table.Strings("gateway")) {
    const auto address =
        text.text.find('\0') == std::string::npos ? net::IpAddress::Parse(text.text) : std::nullopt;
    if (!address) {
      table.report().Add(text.where,
                         "gateway " + Quote(text.text) + " is no address; write \"ADDRESS\"");
      continue;
    }
    const bool on_link =
        address->IsLinkLocal() ||
        std::any_of(port.addresses.begin(), port.addresses.end(),
                    [&](const InterfaceAddress& own) { return own.OnLink().Contains(*address); });
    if (!on_link) {
      table.report().Add(text.where, "gateway " + Quote(text.text) +
                                         " is in no prefix of addresses; add an address of its "
                                         "network or correct it");
    }
    const bool second =
        std::any_of(port.gateways.begin(), port.gateways.end(),
                    [&](const net::IpAddress& other) { return other.family == address->family; });
    if (second) {
      table.report().Add(text.where, "gateway " + Quote(text.text) +
                                         " is the second of its family; keep one IPv4 and one IPv6 "
                                         "gateway");
    }
    port.gateways.push_back(*address);
  }
}

void ReadMac(ConfigTable& table, PortConfig& port) {
  const auto text = table.String("mac");
  if (!text) return;
  const auto mac = net::MacAddress::Parse(*text);
  if (!mac || mac->IsMulticast() || *mac == net::MacAddress{}) {
    table.Report("mac", "mac " + Quote(*text) +
                            " is no MAC address of a host; write it as \"02:00:00:00:00:01\"");
    return;
  }
  port.mac = *mac;
}

void ReadKindAndRole(ConfigTable& table, PortConfig& port, bool& known) {
  known = table.Require("role", "role = \"uplink\" or \"access\"");
  known &= table.Require("kind",
                         "kind = \"socket\", \"af_xdp\", \"ethdev\", \"tun\", \"tap\" or "
                         "\"vhost-user\"");
  const auto role = table.Choice<PortRole>("role", kRoles);
  const auto kind = table.Choice<PortKind>("kind", kKinds);
  if (!role || !kind) {
    known = false;
    return;
  }
  port.role = *role;
  port.kind = *kind;
  if (port.kind == PortKind::kSocket && port.role != PortRole::kUplink) {
    table.Report("role", "a port of kind \"socket\" cannot be " + Quote(Name(port.role)) +
                             "; use role \"uplink\"");
    known = false;
  }
  if (port.kind == PortKind::kTun && port.role != PortRole::kAccess) {
    table.Report("role", "a port of kind \"tun\" cannot be " + Quote(Name(port.role)) +
                             "; use role \"access\"");
    known = false;
  }
  if (port.kind == PortKind::kTap && port.role == PortRole::kUplink) {
    table.Report("role",
                 "a port of kind \"tap\" cannot be \"uplink\"; use role \"bridged\" or \"access\"");
    known = false;
  }
  if (port.kind == PortKind::kVhostUser && port.role != PortRole::kBridged) {
    table.Report("role", "a port of kind \"vhost-user\" cannot be " + Quote(Name(port.role)) +
                             "; use role \"bridged\"");
    known = false;
  }
  const bool shares = port.kind == PortKind::kAfXdp && port.role == PortRole::kUplink;
  port.steer = table.Choice<Steering>("steer", kSteerings)
                   .value_or(shares ? Steering::kOverlay : Steering::kAll);
  if (port.kind == PortKind::kAfXdp && !shares && port.steer == Steering::kOverlay) {
    table.Report("steer", "only an uplink shares its interface; leave steer out");
    port.steer = Steering::kAll;
  }
}

void RejectForeignKeys(ConfigTable& table, const PortConfig& port) {
  for (const std::string_view key : kKeys) {
    if (!table.Has(key) || Applies(key, port)) continue;
    table.Report(key, std::string(key) + " means nothing for " + Describe(port) + "; remove it");
  }
}

void RequireKeys(ConfigTable& table, const PortConfig& port) {
  if (Applies("interface", port)) table.Require("interface", "interface = \"NAME\"");
  if (Applies("socket", port)) table.Require("socket", "socket = \"/PATH\"");
  if (Applies("device", port)) table.Require("device", "device = \"...\", as DPDK names it");
  if (port.OwnsFrames() && port.role != PortRole::kBridged)
    table.Require("addresses", "addresses = [\"ADDRESS/LENGTH\"]");
}

void ReadSocket(ConfigTable& table, PortConfig& port) {
  if (const auto path = table.String("socket")) {
    port.socket = *path;
    if (path->empty() || path->front() != '/' || path->find('\0') != std::string::npos) {
      table.Report("socket", "socket " + Quote(*path) + " is no absolute path; begin it with '/'");
    } else if (path->size() > kMaxSocketPath) {
      table.Report("socket", "socket is " + std::to_string(path->size()) +
                                 " bytes long; choose a path of at most " +
                                 std::to_string(kMaxSocketPath));
    }
  }
  port.mode = table.Choice<VhostMode>("mode", kModes).value_or(VhostMode::kServer);
  port.queues = static_cast<std::uint16_t>(
      table.Number("queues", 1, kMaxQueuePairs).value_or(kMaxQueuePairs));
}

void ReadListenPort(ConfigTable& table, PortConfig& port) {
  // The kernel finds a free port for a socket; a steering rule needs to know it.
  const std::uint32_t min = port.kind == PortKind::kSocket ? 0 : 1;
  const std::uint32_t fallback = table.Has("listen_port") ? 0 : kDefaultListenPort;
  port.listen_port =
      static_cast<std::uint16_t>(table.Number("listen_port", min, 65535).value_or(fallback));
}

}  // namespace

PortConfig ReadPort(const toml::table& node, ConfigReport& report) {
  ConfigTable table(node, "[[port]]", kKeys, report);
  PortConfig port;
  port.line = table.head().line;
  if (table.Require("name", "name = \"...\"")) port.name = table.Identifier("name").value_or("");
  bool known = false;
  ReadKindAndRole(table, port, known);
  if (known) {
    RejectForeignKeys(table, port);
    RequireKeys(table, port);
  }
  if (known && port.role == PortRole::kUplink) ReadListenPort(table, port);
  if (known && port.kind == PortKind::kVhostUser) ReadSocket(table, port);
  port.interface = table.Interface("interface").value_or("");
  port.device = table.String("device").value_or("");
  if (table.Has("device") && port.device.empty()) {
    table.Report("device", "device is empty; write a PCI address or \"net_...\"");
  }
  for (const ConfigText& text : table.Strings("addresses")) {
    if (const auto address = ParseInterfaceAddress(text, report)) {
      port.addresses.push_back(*address);
    }
  }
  ReadGateways(table, port);
  ReadMac(table, port);
  if (const auto vlan = table.Number("vlan", 1, 4094)) {
    port.vlan = static_cast<std::uint16_t>(*vlan);
  }
  const std::uint16_t default_mtu = port.kind == PortKind::kSocket ? 0
                                    : port.kind == PortKind::kTun  ? kDefaultTunMtu
                                                                   : kDefaultMtu;
  port.mtu =
      static_cast<std::uint16_t>(table.Number("mtu", kMinMtu, kMaxMtu).value_or(default_mtu));
  return port;
}

namespace {

// True if one packet could be meant for both ports. Ports on the kernel's stack share its
// addresses, but frames that XDP takes from two interfaces never meet.
bool ListenPortsOverlap(const PortConfig& a, const PortConfig& b) {
  if (a.listen_port != b.listen_port || a.listen_port == 0) return false;
  if (a.OwnsFrames() || b.OwnsFrames()) {
    return a.OwnsFrames() && b.OwnsFrames() &&
           std::any_of(a.addresses.begin(), a.addresses.end(), [&](const InterfaceAddress& own) {
             return std::find_if(b.addresses.begin(), b.addresses.end(), [&](const auto& other) {
                      return other.address == own.address;
                    }) != b.addresses.end();
           });
  }
  return a.kind == PortKind::kSocket || b.kind == PortKind::kSocket || a.interface == b.interface;
}

void CheckPair(const PortConfig& first, const PortConfig& port, ConfigReport& report) {
  const std::string other =
      "port " + Quote(first.name) + " (line " + std::to_string(first.line) + ")";
  const Where where{port.line, 1};
  if (!port.name.empty() && port.name == first.name) {
    report.Add(where, "port " + Quote(port.name) + " is there before (line " +
                          std::to_string(first.line) + "); give each its own name");
  }
  if ((!port.interface.empty() && port.interface == first.interface) ||
      (!port.device.empty() && port.device == first.device)) {
    report.Add(where, Quote(port.interface.empty() ? port.device : port.interface) +
                          " is used by " + other + " too; give each port its own");
  }
  if (!port.socket.empty() && port.socket == first.socket) {
    report.Add(where, Quote(port.socket) + " is used by " + other + " too; give each port its own");
  }
  const bool uplinks = port.role == PortRole::kUplink && first.role == PortRole::kUplink;
  if (uplinks && ListenPortsOverlap(first, port)) {
    report.Add(where, "listen_port " + std::to_string(port.listen_port) + " is used by " + other +
                          " too; choose another");
    return;  // the address is shared for the same reason
  }
  for (const InterfaceAddress& own : port.addresses) {
    for (const InterfaceAddress& taken : first.addresses) {
      if (own.address != taken.address) continue;
      report.Add(where, "address " + own.address.ToString() + " is used by " + other +
                            " too; give each port its own");
    }
  }
}

}  // namespace

void CheckPorts(std::span<const PortConfig> ports, ConfigReport& report) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) CheckPair(ports[j], ports[i], report);
  }
  const bool has_uplink = std::any_of(ports.begin(), ports.end(), [](const PortConfig& port) {
    return port.role == PortRole::kUplink;
  });
  if (!has_uplink && !report.incomplete) {
    report.Add({}, "no port with role \"uplink\"; add a [[port]] that reaches the peers");
  }
}

std::string_view Name(PortRole role) { return kRoles[static_cast<std::size_t>(role)].first; }
std::string_view Name(PortKind kind) { return kKinds[static_cast<std::size_t>(kind)].first; }
std::string_view Name(VhostMode mode) { return kModes[static_cast<std::size_t>(mode)].first; }
std::string_view Name(Steering steering) {
  return kSteerings[static_cast<std::size_t>(steering)].first;
}

}  // namespace vireo::api
