#include "dataplane/api/config_table.h"

#include <algorithm>
#include <numeric>

#include "dataplane/base/encoding.h"

namespace vireo::api {
namespace {

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

std::string_view TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a decimal number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

std::string Range(std::uint32_t min, std::uint32_t max) {
  return "from " + std::to_string(min) + " to " + std::to_string(max);
}

bool IsVisible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

std::string Quote(std::string_view text) {
  constexpr std::size_t kMax = 60;
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMax)) {
    quoted += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
  }
  return quoted + (text.size() > kMax ? "...\"" : "\"");
}

std::string Suggest(std::string_view text, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, text.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = EditDistance(text, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : "; did you mean \"" + std::string(best) + "\"?";
}

ConfigTable::ConfigTable(const toml::table& table, std::string_view title,
                         std::span<const std::string_view> keys, ConfigReport& report)
    : table_(table), title_(title), head_(Position(table)), report_(report) {
  ReportUnknown(keys);
}

void ConfigTable::ReportUnknown(std::span<const std::string_view> keys) {
  for (const auto& [key, node] : table_) {
    if (std::find(keys.begin(), keys.end(), key.str()) != keys.end()) continue;
    const std::string suggestion = Suggest(key.str(), keys);
    report_.Add({key.source().begin.line, key.source().begin.column},
                "unknown key " + Quote(key.str()) + " in " + title_ +
                    (suggestion.empty() ? "; remove it" : suggestion));
  }
}

void ConfigTable::ReportChoice(std::string_view key, std::string_view text,
                               std::span<const std::string_view> names) {
  std::string list;
  for (const std::string_view name : names) {
    list += (list.empty() ? "" : name == names.back() ? " or " : ", ") + Quote(name);
  }
  Report(key, std::string(key) + " cannot be " + Quote(text) + "; use " + list);
}

Where ConfigTable::At(std::string_view key) const {
  for (const auto& [name, node] : table_) {
    if (name.str() == key) return {name.source().begin.line, name.source().begin.column};
  }
  return head_;
}

bool ConfigTable::Require(std::string_view key, std::string_view what) {
  if (Has(key)) return true;
  if (!report_.incomplete) {
    report_.Add(head_, title_ + " has no " + std::string(key) + "; add " + std::string(what));
  }
  return false;
}

std::optional<std::string> ConfigTable::ToText(std::string_view key, const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  if (!text) {
    report_.Add(Position(node), std::string(key) + " is " + std::string(TypeName(node)) +
                                    "; write a string in quotes");
  }
  return text;
}

std::optional<std::uint32_t> ConfigTable::ToNumber(std::string_view key, const toml::node& node,
                                                   std::uint32_t min, std::uint32_t max) {
  const auto value = node.value_exact<std::int64_t>();
  if (value && *value >= min && *value <= max) return static_cast<std::uint32_t>(*value);
  const std::string is = value ? std::to_string(*value) : std::string(TypeName(node));
  report_.Add(Position(node),
              std::string(key) + " is " + is + "; write an integer " + Range(min, max));
  return std::nullopt;
}

std::optional<std::string> ConfigTable::String(std::string_view key) {
  const toml::node* node = table_.get(key);
  return node == nullptr ? std::nullopt : ToText(key, *node);
}

std::optional<std::uint32_t> ConfigTable::Number(std::string_view key, std::uint32_t min,
                                                 std::uint32_t max) {
  const toml::node* node = table_.get(key);
  return node == nullptr ? std::nullopt : ToNumber(key, *node, min, max);
}

const toml::array* ConfigTable::Array(std::string_view key, std::string_view of_what) {
  const toml::node* node = table_.get(key);
  if (node == nullptr) return nullptr;
  if (!node->is_array()) {
    report_.Add(Position(*node), std::string(key) + " is " + std::string(TypeName(*node)) +
                                     "; write an array of " + std::string(of_what) +
                                     " in brackets");
  }
  return node->as_array();
}

std::vector<ConfigText> ConfigTable::Strings(std::string_view key) {
  std::vector<ConfigText> texts;
  const toml::array* array = Array(key, "strings");
  if (array == nullptr) return texts;
  for (const toml::node& node : *array) {
    if (auto text = ToText(key, node)) texts.push_back({std::move(*text), Position(node)});
  }
  return texts;
}

std::vector<std::uint32_t> ConfigTable::Numbers(std::string_view key, std::uint32_t min,
                                                std::uint32_t max) {
  std::vector<std::uint32_t> numbers;
  const toml::array* array = Array(key, "integers");
  if (array == nullptr) return numbers;
  for (const toml::node& node : *array) {
    if (const auto number = ToNumber(key, node, min, max)) numbers.push_back(*number);
  }
  return numbers;
}

std::optional<std::string> ConfigTable::Identifier(std::string_view key) {
  auto text = String(key);
  if (!text) return std::nullopt;
  const bool valid =
      !text->empty() && text->size() <= 63 && std::all_of(text->begin(), text->end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
      });
  if (valid) return text;
  Report(key, std::string(key) + " " + Quote(*text) +
                  " is no name; use 1 to 63 letters, digits, '.', '_' and '-'");
  return std::nullopt;
}

std::optional<std::string> ConfigTable::Interface(std::string_view key) {
  auto text = String(key);
  if (!text) return std::nullopt;
  if (!text->empty() && text->size() <= 15 && IsVisible(*text) && *text != "." && *text != ".." &&
      text->find_first_of("/:") == std::string::npos) {
    return text;
  }
  Report(key, std::string(key) + " " + Quote(*text) +
                  " is no interface name; use 1 to 15 characters without space, '/' and ':'");
  return std::nullopt;
}

bool ConfigTable::Key(std::string_view key, MutableBytes out) {
  auto text = String(key);
  if (!text) return false;
  // The text is not shown: it may be a private key.
  const bool decoded = FromBase64(*text, out);
  SecureZero(text->data(), text->size());
  if (!decoded) {
    Report(key, std::string(key) +
                    " is no key; write the 44 characters that `wg genkey`, `wg pubkey` or "
                    "`wg genpsk` print");
    return false;
  }
  if (std::all_of(out.begin(), out.end(), [](std::byte b) { return b == std::byte{0}; })) {
    Report(key, std::string(key) + " is all zero; make one with `wg genkey` or `wg genpsk`");
    return false;
  }
  return true;
}

}  // namespace vireo::api
