#include "perf/lab/json.h"

#include <gtest/gtest.h>

#include <limits>

namespace vireo::lab {
namespace {

TEST(Json, NestsAndSeparates) {
  Json json;
  json.BeginObject().Add("n", 3U).Add("yes", true).Add("x", 1.5).Add("s", "a\"b\\\n");
  json.BeginArray("list").BeginObject().EndObject().BeginObject().Add("i", -1).EndObject();
  json.EndArray().AddNull("none").EndObject();
  EXPECT_EQ(json.text(),
            R"({"n":3,"yes":true,"x":1.500,"s":"a\"b\\\u000a","list":[{},{"i":-1}],"none":null})");
}

TEST(Json, HasNoWordForNotANumber) {
  Json json;
  json.BeginObject().Add("x", std::numeric_limits<double>::quiet_NaN()).EndObject();
  EXPECT_EQ(json.text(), R"({"x":null})");
}

}  // namespace
}  // namespace vireo::lab
