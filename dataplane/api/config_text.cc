#include "dataplane/api/config_text.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/base/secret.h"

namespace vireo::api {
namespace {

constexpr int kMaxSyntaxErrors = 10;
// Stands in for the head of a table that cannot be read, to take what follows out of the way.
constexpr std::string_view kDroppedTable = "dropped-";

// The part of toml++'s text that a person needs: "Error while parsing X: " says nothing.
std::string Describe(const toml::parse_error& error) {
  std::string_view text = error.description();
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return "not TOML: " + line + "; see https://toml.io";
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (;;) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

// What stands behind '=' in "key = value"; nothing if the line is something else.
std::optional<std::string_view> ValueOf(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  constexpr std::string_view kKeyCharacters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. \t";
  if (line.substr(0, equals).find_first_not_of(kKeyCharacters) != std::string_view::npos) {
    return std::nullopt;
  }
  line.remove_prefix(equals + 1);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return line;
}

bool IsHead(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  return first != std::string_view::npos && line[first] == '[';
}

// Lines, counted from 0, `last` included.
struct LineRange {
  std::size_t first;
  std::size_t last;
};

// The lines that a mistake seen at line `at` spoils. An array, inline table or long string that is
// not closed is noticed only where something else begins: then it is its own lines, not that one.
LineRange SpoiledLines(const std::vector<std::string_view>& lines, std::size_t at) {
  at = std::min(at, lines.size() - 1);
  for (std::size_t line = at + 1; line-- > 0;) {
    const auto value = ValueOf(lines[line]);
    const bool opens = value && (value->starts_with('[') || value->starts_with('{') ||
                                 value->starts_with("\"\"\"") || value->starts_with("'''"));
    if (opens && line == at) break;
    if (opens) {
      const bool next_begins = ValueOf(lines[at]) || IsHead(lines[at]);
      std::size_t last = next_begins ? at - 1 : at;
      // The rest of it, up to its end or to what follows.
      while (!next_begins && lines[last].find_first_of("]}") == std::string_view::npos &&
             last + 1 < lines.size() && !ValueOf(lines[last + 1]) && !IsHead(lines[last + 1])) {
        ++last;
      }
      return {line, last};
    }
    if (line < at && (value || IsHead(lines[line]))) break;
  }
  return {at, at};
}

// The text without these lines; the others keep their numbers. A head becomes that of a table which
// takes what follows it out of the way.
std::string LeaveOut(const std::vector<std::string_view>& lines, LineRange range) {
  std::string text;
  for (std::size_t line = 0; line < lines.size(); ++line) {
    if (line > 0) text += '\n';
    if (line < range.first || line > range.last) {
      text += lines[line];
    } else if (IsHead(lines[line])) {
      text += "[" + std::string(kDroppedTable) + std::to_string(line) + "]";
    }
  }
  return text;
}

}  // namespace

toml::table ParseToml(std::string_view text, ConfigReport& report) {
  std::string rest(text);
  toml::table table;
  for (int round = 0; round < kMaxSyntaxErrors; ++round) {
    try {
      table = toml::parse(std::string_view(rest));
      break;
    } catch (const toml::parse_error& error) {
      const toml::source_position seen = error.source().begin;
      const auto lines = Lines(rest);
      const LineRange range = SpoiledLines(lines, std::max(seen.line, 1u) - 1);
      const auto line = static_cast<unsigned>(range.first + 1);
      report.incomplete = true;
      report.Add({line, line == seen.line ? seen.column : 1}, Describe(error));
      std::string less = LeaveOut(lines, range);
      const bool same = less == rest;
      std::swap(rest, less);
      SecureZero(less.data(), less.size());
      if (same) break;
    }
  }
  SecureZero(rest.data(), rest.size());  // it may hold a private key
  for (auto entry = table.begin(); entry != table.end();) {
    const bool dropped = report.incomplete && entry->first.str().starts_with(kDroppedTable);
    entry = dropped ? table.erase(entry) : std::next(entry);
  }
  return table;
}

}  // namespace vireo::api
