#include "perf/lab/json.h"

#include <cmath>
#include <cstdio>

namespace vireo::lab {
namespace {

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[7];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

void Json::StartItem(std::string_view key) {
  if (!text_.empty() && text_.back() != '{' && text_.back() != '[') text_ += ',';
  if (!key.empty()) text_ += Quote(key) + ':';
}

Json& Json::BeginObject(std::string_view key) {
  StartItem(key);
  text_ += '{';
  return *this;
}

Json& Json::BeginArray(std::string_view key) {
  StartItem(key);
  text_ += '[';
  return *this;
}

Json& Json::Close(char bracket) {
  text_ += bracket;
  return *this;
}

Json& Json::AddRaw(std::string_view key, std::string_view value) {
  StartItem(key);
  text_ += value;
  return *this;
}

Json& Json::Add(std::string_view key, std::string_view value) { return AddRaw(key, Quote(value)); }

Json& Json::Add(std::string_view key, double value) {
  if (!std::isfinite(value)) return AddNull(key);
  char text[64];
  std::snprintf(text, sizeof text, "%.3f", value);
  return AddRaw(key, text);
}

}  // namespace vireo::lab
