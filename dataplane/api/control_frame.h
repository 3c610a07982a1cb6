// How messages lie on the control socket: size, then the message (dataplane.proto).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "dataplane/api/dataplane.pb.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/result.h"

namespace vireo::api {

struct ControlFrameHeader {
  Be32 size;  // of the message behind it, bytes
};
static_assert(sizeof(ControlFrameHeader) == 4);

inline constexpr std::size_t kControlMaxMessage = std::size_t{16} << 20;
// A batch of some 60,000 endpoints. A server takes memory only for what has come.
inline constexpr std::size_t kControlMaxRequest = std::size_t{4} << 20;

// The message with its header. Error: kExhausted if it is larger than kControlMaxMessage.
[[nodiscard]] Result<std::string> EncodeControlFrame(const google::protobuf::MessageLite& message);

// An answer that says what went wrong, and back again.
[[nodiscard]] v1::Response ErrorResponse(const Error& error);
[[nodiscard]] Error ToError(const v1::Error& error);

}  // namespace vireo::api
