// A configuration file with anything in it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dataplane/api/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto outcome =
      vireo::api::ParseConfig(std::string_view(reinterpret_cast<const char*>(data), size));
  if (outcome.ok() != outcome.errors.empty()) std::abort();
  for (const vireo::api::ConfigError& error : outcome.errors) {
    // One line each, for the terminal.
    for (const char c : error.ToString("f")) {
      if (static_cast<unsigned char>(c) < 0x20) std::abort();
    }
  }
  return 0;
}
