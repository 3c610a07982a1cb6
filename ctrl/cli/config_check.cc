#include "ctrl/cli/commands.h"
#include "ctrl/cli/json.h"
#include "dataplane/api/config.h"

namespace vireo::cli {
namespace {

void PrintJson(const std::string& file, const api::ConfigOutcome& outcome, std::ostream& out) {
  const bool ok = outcome.ok();
  out << "{\n  \"file\": " << JsonString(file) << ",\n  \"ok\": " << (ok ? "true" : "false")
      << ",\n  \"ports\": " << (ok ? outcome.config->ports.size() : 0)
      << ",\n  \"peers\": " << (ok ? outcome.config->peers.size() : 0) << ",\n  \"errors\": [";
  const char* separator = "\n";
  for (const api::ConfigError& error : outcome.errors) {
    out << separator << "    {\"line\": " << error.line << ", \"column\": " << error.column
        << ", \"message\": " << JsonString(error.message) << "}";
    separator = ",\n";
  }
  out << (outcome.errors.empty() ? "]\n}\n" : "\n  ]\n}\n");
}

}  // namespace

ExitCode CheckConfig(const Context& context, const CheckOptions& options) {
  const auto outcome = api::ReadConfigFile(
      options.file, options.ignore_key_files ? api::KeyFiles::kIgnore : api::KeyFiles::kLoad);
  if (context.json) {
    PrintJson(options.file, outcome, context.out());
  } else if (outcome.ok()) {
    context.out() << options.file << ": ok: " << outcome.config->ports.size() << " ports, "
                  << outcome.config->peers.size() << " peers\n";
  } else {
    for (const api::ConfigError& error : outcome.errors) {
      context.out() << error.ToString(options.file) << '\n';
    }
  }
  return outcome.ok() ? kOk : kRefused;
}

}  // namespace vireo::cli
