// Numbers for people. Programs get exact ones by --json.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vireo::cli {

// "512 B", "1.34 KiB", "2.00 GiB": as wg(8) shows them.
[[nodiscard]] std::string FormatBytes(std::uint64_t bytes);
// "850 ns", "12.3 us", "4.5 ms" below a second, then "42s", "3m 5s", "2h 1m", "5d 3h".
[[nodiscard]] std::string FormatDuration(std::chrono::nanoseconds duration);
// Wall time as "2026-03-01T12:00:00.123456Z".
[[nodiscard]] std::string FormatTime(std::chrono::sys_time<std::chrono::nanoseconds> time);

// "02:00:00:00:00:01" of six bytes; "-" of any other number.
[[nodiscard]] std::string MacText(const std::string& bytes);

}  // namespace vireo::cli
