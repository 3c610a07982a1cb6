#include "dataplane/api/config_text.h"

#include <algorithm>
#include <string>

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

// An array, inline table or string that was not closed ends where something else begins, and
// leaving that line out only moves the mistake on.
bool MayRunOn(const toml::parse_error& error) {
  // "Error while parsing array: expected ..."
  const std::string_view text = error.description().substr(0, error.description().find(':'));
  return text.find("array") != std::string_view::npos ||
         text.find("inline table") != std::string_view::npos ||
         text.find("string") != std::string_view::npos;
}

// Replaces the line, counted from 1, in a text whose line breaks stay where they are. False if
// there is no such line or nothing in it.
bool LeaveOut(std::string& text, unsigned line) {
  std::size_t begin = 0;
  for (unsigned at = 1; at < line; ++at) {
    begin = text.find('\n', begin);
    if (begin == std::string::npos) return false;
    ++begin;
  }
  const std::size_t end = std::min(text.find('\n', begin), text.size());
  const std::size_t first = text.find_first_not_of(" \t", begin);
  if (first == std::string::npos || first >= end) return false;
  const std::string head =
      text[first] == '[' ? "[" + std::string(kDroppedTable) + std::to_string(line) + "]" : "";
  text.replace(begin, end - begin, head);
  return true;
}

}  // namespace

toml::table ParseToml(std::string_view text, ConfigReport& report) {
  std::string rest(text);
  toml::table table;
  unsigned last_line = 0;
  bool may_run_on = false;
  for (int round = 0; round < kMaxSyntaxErrors; ++round) {
    try {
      table = toml::parse(std::string_view(rest));
      break;
    } catch (const toml::parse_error& error) {
      const unsigned line = error.source().begin.line;
      if (may_run_on && line == last_line + 1) break;
      report.incomplete = true;
      report.Add({line, error.source().begin.column}, Describe(error));
      last_line = line;
      may_run_on = MayRunOn(error);
      if (!LeaveOut(rest, line)) break;
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
