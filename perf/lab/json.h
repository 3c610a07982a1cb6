// Writes one JSON value, compact, in the order of the calls.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace vireo::lab {

// REQUIRES that calls nest as JSON does; a key is given inside objects and left out inside arrays.
class Json {
 public:
  Json& BeginObject(std::string_view key = {});
  Json& EndObject() { return Close('}'); }
  Json& BeginArray(std::string_view key = {});
  Json& EndArray() { return Close(']'); }

  Json& Add(std::string_view key, std::string_view value);
  Json& Add(std::string_view key, const char* value) { return Add(key, std::string_view(value)); }
  // Three digits after the point.
  Json& Add(std::string_view key, double value);
  template <std::same_as<bool> T>
  Json& Add(std::string_view key, T value) {
    return AddRaw(key, value ? "true" : "false");
  }
  template <std::integral T>
  requires(!std::same_as<T, bool>) Json& Add(std::string_view key, T value) {
    return AddRaw(key, std::to_string(value));
  }
  Json& AddNull(std::string_view key) { return AddRaw(key, "null"); }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  Json& AddRaw(std::string_view key, std::string_view value);
  Json& Close(char bracket);
  void StartItem(std::string_view key);

  std::string text_;
};

}  // namespace vireo::lab
