// JSON for programs that read us.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

namespace vireo::cli {

// The text as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string JsonString(std::string_view text);

// The whole message, indented, with a newline at the end. Field names are those of dataplane.proto;
// fields without a value are there too (messages as null); numbers are exact numbers, also 64-bit
// ones; bytes are base64.
[[nodiscard]] std::string ToJson(const google::protobuf::Message& message);

}  // namespace vireo::cli
