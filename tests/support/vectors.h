// Test vectors that other projects publish, read where the machine keeps them.
#pragma once

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/encoding.h"

namespace vireo::test {

// The file's content; nullopt if it is not on this machine, in which case a test skips.
inline std::optional<nlohmann::json> LoadVectors(const std::string& name) {
  const char* folder = std::getenv("VIREO_VECTORS");
  std::ifstream file(std::string(folder != nullptr ? folder : VIREO_VECTORS_DEFAULT) + "/" + name);
  if (!file) return std::nullopt;
  return nlohmann::json::parse(file);
}

inline std::vector<std::byte> Unhex(const std::string& text) {
  std::vector<std::byte> bytes(text.size() / 2);
  if (!FromHex(text, bytes)) std::abort();
  return bytes;
}

}  // namespace vireo::test
