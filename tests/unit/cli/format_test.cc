#include <gtest/gtest.h>

#include <sstream>

#include "ctrl/cli/json.h"
#include "ctrl/cli/table.h"
#include "ctrl/cli/units.h"
#include "dataplane/api/dataplane.pb.h"

namespace vireo::cli {
namespace {

using namespace std::chrono_literals;

TEST(Units, Bytes) {
  const struct {
    std::uint64_t bytes;
    const char* text;
  } kCases[] = {{0, "0 B"},
                {1023, "1023 B"},
                {1024, "1.00 KiB"},
                {1372, "1.34 KiB"},
                {1048575, "1.00 MiB"},
                {1048576, "1.00 MiB"},
                {UINT64_MAX, "16.00 EiB"}};
  for (const auto& c : kCases) EXPECT_EQ(FormatBytes(c.bytes), c.text) << c.bytes;
}

TEST(Units, Durations) {
  const struct {
    std::chrono::nanoseconds duration;
    const char* text;
  } kCases[] = {{0ns, "0 ns"},       {999ns, "999 ns"},  {1500ns, "1.5 us"},
                {2ms, "2.0 ms"},     {1s, "1s"},         {59999ms, "59s"},
                {60s, "1m 0s"},      {3599s, "59m 59s"}, {3600s, "1h 0m"},
                {86399s, "23h 59m"}, {24h, "1d 0h"},     {24h * 400 + 5h, "400d 5h"}};
  for (const auto& c : kCases) EXPECT_EQ(FormatDuration(c.duration), c.text);
}

TEST(Units, Times) {
  EXPECT_EQ(FormatTime(std::chrono::sys_time<std::chrono::nanoseconds>(1700000000000001999ns)),
            "2023-11-14T22:13:20.000001Z");
}

TEST(Json, Strings) {
  const struct {
    std::string text, json;
  } kCases[] = {
      {"", "\"\""},
      {"a\"b\\c", R"("a\"b\\c")"},
      {std::string("\0\n\x1f", 3), "\"\\u0000\\u000a\\u001f\""},
      {"\xc5\xa1 \xe2\x82\xac \xf0\x9f\x8c\x8d", "\"\xc5\xa1 \xe2\x82\xac \xf0\x9f\x8c\x8d\""},
      {"\xff", "\"\xef\xbf\xbd\""},
      {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
      {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
      {"a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\""}};
  for (const auto& c : kCases) EXPECT_EQ(JsonString(c.text), c.json);
}

TEST(Json, RepeatedNumbersAndEmptyMessages) {
  v1::Drop drop;
  drop.add_per_worker(1);
  drop.add_per_worker(UINT64_MAX);
  const std::string json = ToJson(drop);
  EXPECT_NE(json.find("\"per_worker\": [\n    1,\n    18446744073709551615\n  ]"),
            std::string::npos)
      << json;
  EXPECT_EQ(ToJson(v1::ClearTraceResponse()), "{}\n");
  v1::ListDropsResponse none;
  EXPECT_EQ(ToJson(none), "{\n  \"drops\": []\n}\n");
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({{"A"}, {"B", Align::kRight}});
  table.Add({"\xc5\xa1", "1"});
  table.Add({"ab", "22"});
  std::ostringstream out;
  table.Print(out, false);
  EXPECT_EQ(out.str(), "A    B\n\xc5\xa1    1\nab  22\n");
}

TEST(Table, ControlCharactersDoNotReachTheTerminal) {
  Table table({{"A"}});
  table.Add({"\x1b[2J"});
  std::ostringstream out;
  table.Print(out, false);
  EXPECT_EQ(out.str(), "A\n?[2J\n");
}

}  // namespace
}  // namespace vireo::cli
