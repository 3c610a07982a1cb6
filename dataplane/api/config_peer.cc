#include <map>

#include "dataplane/api/config_sections.h"

namespace vireo::api {
namespace {

constexpr std::string_view kKeys[] = {
    "name",     "public_key",  "preshared_key",        "preshared_key_file",
    "endpoint", "allowed_ips", "persistent_keepalive", "suite"};

constexpr std::pair<std::string_view, CipherSuite> kSuites[] = {
    {Name(CipherSuite::kChaCha20Poly1305), CipherSuite::kChaCha20Poly1305},
    {Name(CipherSuite::kAes256Gcm), CipherSuite::kAes256Gcm}};

// What only one peer may have, and the line of the one that has it.
struct Taken {
  std::map<PublicKey, unsigned> keys;
  std::map<std::string, unsigned> names;
  std::map<net::Prefix, unsigned> allowed_ips;
};

std::string OfLine(unsigned line) { return " (line " + std::to_string(line) + ")"; }

void ReadPresharedKey(ConfigTable& table, PeerConfig& peer) {
  if (table.Has("preshared_key")) table.Key("preshared_key", peer.preshared_key.bytes());
  const auto file = table.String("preshared_key_file");
  peer.preshared_key_file = file.value_or("");
  if (file && file->empty()) {
    table.Report("preshared_key_file", "preshared_key_file is empty; write the path of a key file");
  }
  if (table.Has("preshared_key") && table.Has("preshared_key_file")) {
    table.Report("preshared_key", "both preshared_key and preshared_key_file are given; keep one");
  }
}

void ReadEndpoint(ConfigTable& table, PeerConfig& peer) {
  const auto text = table.String("endpoint");
  if (!text) return;
  const auto endpoint =
      text->find('\0') == std::string::npos ? net::UdpEndpoint::Parse(*text) : std::nullopt;
  if (!endpoint || endpoint->port == 0) {
    table.Report("endpoint", "endpoint " + Quote(*text) +
                                 " is wrong; write \"ADDRESS:PORT\" or \"[IPV6]:PORT\", no host "
                                 "name");
  } else if (endpoint->address.IsUnspecified() || endpoint->address.IsMulticast()) {
    table.Report("endpoint", "endpoint " + Quote(*text) +
                                 " is no address of a host; write the peer's own address");
  } else {
    peer.endpoint = *endpoint;
  }
}

void ReadAllowedIp(ConfigReport& report, const ConfigText& text, Taken& taken, PeerConfig& peer) {
  const auto prefix =
      text.text.find('\0') == std::string::npos ? net::Prefix::Parse(text.text) : std::nullopt;
  if (!prefix) {
    return report.Add(text.where,
                      "allowed IP " + Quote(text.text) + " is no prefix; write \"ADDRESS/LENGTH\"");
  }
  // Prefix::Parse masks, so a different address means that bits were set behind the length.
  if (net::IpAddress::Parse(text.text.substr(0, text.text.find('/'))) != prefix->address) {
    return report.Add(text.where, "allowed IP " + Quote(text.text) +
                                      " has bits behind its length; write \"" + prefix->ToString() +
                                      "\"");
  }
  const auto [entry, fresh] = taken.allowed_ips.emplace(*prefix, text.where.line);
  if (!fresh) {
    return report.Add(text.where, "allowed IP " + prefix->ToString() + " is given before" +
                                      OfLine(entry->second) + "; it can belong to one peer only");
  }
  peer.allowed_ips.push_back(*prefix);
}

PeerConfig ReadPeer(const toml::table& node, ConfigReport& report, Taken& taken) {
  ConfigTable table(node, "[[peer]]", kKeys, report);
  PeerConfig peer;
  peer.line = table.head().line;
  if (const auto name = table.Identifier("name")) {
    peer.name = *name;
    const auto [entry, fresh] = taken.names.emplace(*name, table.At("name").line);
    if (!fresh) {
      table.Report("name", "peer " + Quote(*name) + " is there before" + OfLine(entry->second) +
                               "; give each its own name");
    }
  }
  if (table.Require("public_key", "public_key = \"...\", what `wg pubkey` prints there") &&
      table.Key("public_key", peer.public_key)) {
    const auto [entry, fresh] = taken.keys.emplace(peer.public_key, table.At("public_key").line);
    if (!fresh) {
      table.Report("public_key",
                   "public key is given before" + OfLine(entry->second) + "; merge the two peers");
    }
  }
  ReadPresharedKey(table, peer);
  ReadEndpoint(table, peer);
  for (const ConfigText& text : table.Strings("allowed_ips")) {
    ReadAllowedIp(report, text, taken, peer);
  }
  peer.persistent_keepalive =
      std::chrono::seconds(table.Number("persistent_keepalive", 0, 65535).value_or(0));
  peer.suite = table.Choice<CipherSuite>("suite", kSuites).value_or(CipherSuite::kChaCha20Poly1305);
  return peer;
}

}  // namespace

std::vector<PeerConfig> ReadPeers(std::span<const toml::table* const> tables,
                                  ConfigReport& report) {
  Taken taken;
  std::vector<PeerConfig> peers;
  peers.reserve(tables.size());
  for (const toml::table* table : tables) peers.push_back(ReadPeer(*table, report, taken));
  return peers;
}

}  // namespace vireo::api
