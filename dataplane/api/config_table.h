// Typed reading of one table of the configuration; every mistake becomes a ConfigError.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/api/config.h"

namespace vireo::api {

struct Where {
  unsigned line = 0;
  unsigned column = 0;
};

// Mistakes found so far.
struct ConfigReport {
  std::vector<ConfigError> errors;
  // Lines had to be left out because of their syntax: what is missing may have stood there.
  bool incomplete = false;

  void Add(Where where, std::string message) {
    errors.push_back({where.line, where.column, std::move(message)});
  }
};

// A text of the file and where it stands.
struct ConfigText {
  std::string text;
  Where where;
};

template <typename T>
using Choices = std::span<const std::pair<std::string_view, T>>;

// Reports keys that are not in `keys` at once. Getters return nothing if the key is absent or,
// after a report, wrong. The table and the report must outlive the object.
class ConfigTable {
 public:
  // `title` is how messages call the table: "[router]", "[[peer]]".
  ConfigTable(const toml::table& table, std::string_view title,
              std::span<const std::string_view> keys, ConfigReport& report);

  [[nodiscard]] bool Has(std::string_view key) const { return table_.contains(key); }
  // Where the key stands, or the table's head.
  [[nodiscard]] Where At(std::string_view key) const;
  [[nodiscard]] Where head() const { return head_; }
  [[nodiscard]] ConfigReport& report() { return report_; }
  void Report(std::string_view key, std::string message) { report_.Add(At(key), message); }

  // Reports the key if it is absent; `what` says what to write. Returns whether it is there.
  bool Require(std::string_view key, std::string_view what);

  [[nodiscard]] std::optional<std::string> String(std::string_view key);
  [[nodiscard]] std::optional<std::uint32_t> Number(std::string_view key, std::uint32_t min,
                                                    std::uint32_t max);
  [[nodiscard]] std::vector<ConfigText> Strings(std::string_view key);
  [[nodiscard]] std::vector<std::uint32_t> Numbers(std::string_view key, std::uint32_t min,
                                                   std::uint32_t max);

  // Letters, digits, '.', '_' and '-', at most 63.
  [[nodiscard]] std::optional<std::string> Identifier(std::string_view key);
  // A network interface's name: at most 15 characters.
  [[nodiscard]] std::optional<std::string> Interface(std::string_view key);
  // 32 bytes in base64; not all zero.
  bool Key(std::string_view key, MutableBytes out);

  template <typename T>
  [[nodiscard]] std::optional<T> Choice(std::string_view key, Choices<T> choices) {
    const auto text = String(key);
    if (!text) return std::nullopt;
    std::vector<std::string_view> names;
    for (const auto& [name, value] : choices) {
      if (name == *text) return value;
      names.push_back(name);
    }
    ReportChoice(key, *text, names);
    return std::nullopt;
  }

 private:
  void ReportUnknown(std::span<const std::string_view> keys);
  void ReportChoice(std::string_view key, std::string_view text,
                    std::span<const std::string_view> names);
  const toml::array* Array(std::string_view key, std::string_view of_what);
  std::optional<std::uint32_t> ToNumber(std::string_view key, const toml::node& node,
                                        std::uint32_t min, std::uint32_t max);
  std::optional<std::string> ToText(std::string_view key, const toml::node& node);

  const toml::table& table_;
  std::string title_;
  Where head_;
  ConfigReport& report_;
};

[[nodiscard]] inline Where Position(const toml::node& node) {
  return {node.source().begin.line, node.source().begin.column};
}

// `text` in quotes, cut if long, with what a terminal cannot show replaced.
[[nodiscard]] std::string Quote(std::string_view text);

// "; did you mean "x"?" for the candidate closest to `text`, or "" if none is close.
[[nodiscard]] std::string Suggest(std::string_view text,
                                  std::span<const std::string_view> candidates);

}  // namespace vireo::api
