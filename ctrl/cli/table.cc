#include "ctrl/cli/table.h"

#include <algorithm>
#include <cassert>

namespace vireo::cli {
namespace {

// Characters on the terminal: UTF-8 continuation bytes take no room.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

std::string Bold(std::string_view text, bool color) {
  return color ? "\x1b[1m" + std::string(text) + "\x1b[0m" : std::string(text);
}

void Table::Add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  for (std::string& cell : cells) {
    std::replace_if(
        cell.begin(), cell.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  }
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out, bool color) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(Width(columns_[i].title));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], Width(row[i]));
  }
  const auto line = [&](const auto& cell) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string pad(widths[i] - Width(cell(i)), ' ');
      const bool right = columns_[i].align == Align::kRight;
      text += (i == 0 ? "" : "  ") + (right ? pad + cell(i) : cell(i) + pad);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  out << Bold(line([&](std::size_t i) { return columns_[i].title; }), color) << '\n';
  for (const auto& row : rows_) out << line([&](std::size_t i) { return row[i]; }) << '\n';
}

}  // namespace vireo::cli
