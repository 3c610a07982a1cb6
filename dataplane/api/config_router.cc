#include <algorithm>
#include <set>

#include "dataplane/api/config_sections.h"

namespace vireo::api {
namespace {

constexpr unsigned kMaxWorkers = 64;
constexpr unsigned kMaxCore = 1023;
constexpr unsigned kMaxSparePorts = 1024;
// A Unix socket's path has 108 bytes; some are needed for a temporary name beside it.
constexpr std::size_t kMaxSocketPath = 90;

constexpr std::string_view kKeys[] = {
    "name",      "workers",        "cores",     "fwmark",    "private_key", "private_key_file",
    "uapi_name", "control_socket", "hugepages", "state_dir", "provider",    "country",
    "vtep",      "spare_ports",    "path_mtu"};

constexpr std::pair<std::string_view, bool> kPathMtu[] = {{"probe", true}, {"configured", false}};

constexpr std::pair<std::string_view, Hugepages> kHugepages[] = {
    {"auto", Hugepages::kAuto}, {"always", Hugepages::kAlways}, {"never", Hugepages::kNever}};

void ReadWorkers(ConfigTable& table, RouterConfig& config) {
  const auto workers = table.Number("workers", 1, kMaxWorkers);
  const auto cores = table.Numbers("cores", 0, kMaxCore);
  if (std::set(cores.begin(), cores.end()).size() != cores.size()) {
    table.Report("cores", "cores names one core twice; give each worker its own");
  }
  if (cores.size() > kMaxWorkers) {
    table.Report("cores", "cores has " + std::to_string(cores.size()) + " entries; use at most " +
                              std::to_string(kMaxWorkers));
  }
  if (workers && !cores.empty() && *workers != cores.size()) {
    table.Report("workers", "workers is " + std::to_string(*workers) + " but cores has " +
                                std::to_string(cores.size()) + "; leave workers out");
  }
  config.workers = cores.empty() ? workers.value_or(1) : static_cast<unsigned>(cores.size());
  config.cores.assign(cores.begin(), cores.end());
}

void ReadPrivateKey(ConfigTable& table, RouterConfig& config) {
  config.private_key_file = table.String("private_key_file").value_or("");
  config.private_key_line = table.At("private_key_file").line;
  const bool has_key = table.Has("private_key");
  if (has_key && table.Has("private_key_file")) {
    table.Report("private_key", "both private_key and private_key_file are given; keep one");
  } else if (!has_key) {
    table.Require("private_key_file",
                  "private_key_file = \"PATH\" and make the file with `wg genkey`");
  }
  if (table.Has("private_key_file") && config.private_key_file.empty()) {
    table.Report("private_key_file", "private_key_file is empty; write the path of a key file");
  }
  if (has_key) table.Key("private_key", config.private_key.bytes());
}

// An absolute path, or `fallback`.
std::string ReadPath(ConfigTable& table, std::string_view key, std::string fallback,
                     std::size_t max_size) {
  const auto path = table.String(key);
  if (!path) return fallback;
  if (!path->starts_with('/') || path->find('\0') != std::string::npos) {
    table.Report(key,
                 std::string(key) + " " + Quote(*path) + " is no absolute path; begin it with '/'");
  } else if (path->size() > max_size) {
    table.Report(key, std::string(key) + " is longer than " + std::to_string(max_size) +
                          " bytes; use a shorter path");
  }
  return *path;
}

void ReadCountry(ConfigTable& table, RouterConfig& config) {
  config.country = table.String("country").value_or("");
  const auto is_letter = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (table.Has("country") &&
      (config.country.size() != 2 || !std::ranges::all_of(config.country, is_letter))) {
    table.Report("country", "country " + Quote(config.country) +
                                " is not two capital letters (ISO 3166-1 alpha-2); write \"ES\"");
  }
}

void ReadVteps(ConfigTable& table, RouterConfig& config) {
  for (const ConfigText& text : table.Strings("vtep")) {
    const auto refuse = [&](const std::string& why) {
      table.report().Add(text.where, "vtep " + Quote(text.text) + why);
    };
    const auto address = net::IpAddress::Parse(text.text);
    if (!address) {
      refuse(" is no address; write \"192.0.2.1\" or \"2001:db8::1\"");
    } else if (address->IsUnspecified() || address->IsMulticast()) {
      refuse(" is not one router's; write its own address in the overlay");
    } else if (std::ranges::any_of(config.vteps, [&](const net::IpAddress& other) {
                 return other.family == address->family;
               })) {
      refuse(" is the second of its family; keep one");
    } else {
      config.vteps.push_back(*address);
    }
  }
}

}  // namespace

void ReadRouter(const toml::table& node, ConfigReport& report, RouterConfig& config) {
  ConfigTable table(node, "[router]", kKeys, report);
  if (table.Require("name", "name = \"...\"")) config.name = table.Identifier("name").value_or("");
  ReadWorkers(table, config);
  ReadPrivateKey(table, config);
  config.provider = table.Identifier("provider").value_or("");
  ReadCountry(table, config);
  ReadVteps(table, config);
  config.control_socket =
      ReadPath(table, "control_socket", "/run/vireo/" + config.name + ".sock", kMaxSocketPath);
  config.state_dir = ReadPath(table, "state_dir", "/var/lib/vireo", 4000);
  config.uapi_name = table.Interface("uapi_name").value_or("");
  config.hugepages = table.Choice<Hugepages>("hugepages", kHugepages).value_or(Hugepages::kAuto);
  config.spare_ports = table.Number("spare_ports", 0, kMaxSparePorts).value_or(config.spare_ports);
  config.probe_path_mtu = table.Choice<bool>("path_mtu", kPathMtu).value_or(true);
  config.fwmark = table.Number("fwmark", 0, UINT32_MAX).value_or(0);
}

std::string_view Name(Hugepages hugepages) {
  return kHugepages[static_cast<std::size_t>(hugepages)].first;
}

}  // namespace vireo::api
