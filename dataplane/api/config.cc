#include "dataplane/api/config.h"

#include <algorithm>
#include <utility>

#include "dataplane/api/config_sections.h"
#include "dataplane/api/config_text.h"

namespace vireo::api {
namespace {

constexpr std::string_view kSections[] = {"router", "port", "peer"};

// The tables of [[key]]; none, with a report, if the key is something else.
std::vector<const toml::table*> TablesOf(const toml::table& root, std::string_view key,
                                         ConfigReport& report) {
  std::vector<const toml::table*> tables;
  const toml::node* node = root.get(key);
  if (node == nullptr) return tables;
  const toml::array* array = node->as_array();
  if (array == nullptr || !array->is_homogeneous<toml::table>()) {
    const std::string name(key);
    report.Add(Position(*node), name + " is no array of tables; write [[" + name + "]]");
    return tables;
  }
  tables.reserve(array->size());
  for (const toml::node& entry : *array) tables.push_back(entry.as_table());
  return tables;
}

void ReadRoot(const toml::table& root, ConfigReport& report, RouterConfig& config) {
  ConfigTable top(root, "the file", kSections, report);
  const toml::node* router = root.get("router");
  if (router == nullptr) {
    if (!report.incomplete) report.Add({}, "no [router]; add it with a name and a key");
  } else if (!router->is_table()) {
    report.Add(Position(*router), "router is no table; write [router]");
  } else {
    ReadRouter(*router->as_table(), report, config);
  }
  for (const toml::table* table : TablesOf(root, "port", report)) {
    config.ports.push_back(ReadPort(*table, report));
  }
  CheckPorts(config.ports, report);
  config.peers = ReadPeers(TablesOf(root, "peer", report), report);
}

}  // namespace

std::string InterfaceAddress::ToString() const {
  return address.ToString() + "/" + std::to_string(length);
}

std::string ConfigError::ToString(std::string_view file) const {
  std::string text(file);
  if (line != 0) text += ":" + std::to_string(line);
  return text + ": " + message;
}

ConfigOutcome ParseConfig(std::string_view text) {
  ConfigReport report;
  const toml::table root = ParseToml(text, report);
  RouterConfig config;
  ReadRoot(root, report, config);
  ConfigOutcome outcome;
  outcome.errors = std::move(report.errors);
  std::stable_sort(outcome.errors.begin(), outcome.errors.end(),
                   [](const ConfigError& a, const ConfigError& b) { return a.line < b.line; });
  if (outcome.errors.empty()) outcome.config = std::move(config);
  return outcome;
}

}  // namespace vireo::api
