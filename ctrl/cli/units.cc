#include "ctrl/cli/units.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

#include "dataplane/net/address.h"

namespace vireo::cli {
namespace {

std::string Decimal(double value, int digits, const char* unit) {
  std::array<char, 48> text;
  std::snprintf(text.data(), text.size(), "%.*f %s", digits, value, unit);
  return text.data();
}

}  // namespace

std::string FormatBytes(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 1023.996 would be shown as 1024.00
  while (value >= 1023.995 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return Decimal(value, 2, kUnits[unit]);
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  using namespace std::chrono_literals;
  const auto nanoseconds = static_cast<double>(duration.count());
  if (duration < 1us) return std::to_string(duration.count()) + " ns";
  if (duration < 1ms) return Decimal(nanoseconds / 1e3, 1, "us");
  if (duration < 1s) return Decimal(nanoseconds / 1e6, 1, "ms");
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration).count();
  const auto pair = [](std::int64_t large, const char* unit, std::int64_t small,
                       const char* small_unit) {
    return std::to_string(large) + unit + " " + std::to_string(small) + small_unit;
  };
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return pair(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86400) return pair(seconds / 3600, "h", seconds / 60 % 60, "m");
  return pair(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

std::string FormatTime(std::chrono::sys_time<std::chrono::nanoseconds> time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t epoch = seconds.time_since_epoch().count();
  std::tm utc{};
  gmtime_r(&epoch, &utc);
  std::array<char, 32> date;
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 16> fraction;
  std::snprintf(fraction.data(), fraction.size(), ".%06dZ",
                static_cast<int>((time - seconds).count() / 1000));
  return std::string(date.data()) + fraction.data();
}

std::string MacText(const std::string& bytes) {
  net::MacAddress mac;
  if (bytes.size() != mac.bytes.size()) return "-";
  std::copy(bytes.begin(), bytes.end(), mac.bytes.begin());
  return mac.ToString();
}

}  // namespace vireo::cli
