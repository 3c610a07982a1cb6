#include "dataplane/api/control_frame.h"

#include <google/protobuf/message_lite.h>

#include <string_view>
#include <utility>

namespace vireo::api {

Result<std::string> EncodeControlFrame(const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  if (size > kControlMaxMessage) {
    return Error{ErrorCode::kExhausted, "answer of " + std::to_string(size) +
                                            " bytes is larger than 16 MiB; ask for less"};
  }
  const ControlFrameHeader header{Be32(static_cast<std::uint32_t>(size))};
  std::string frame(reinterpret_cast<const char*>(&header), sizeof header);
  frame.reserve(sizeof header + size);
  if (!message.AppendToString(&frame)) {
    return Error{ErrorCode::kInternal, "message cannot be encoded"};
  }
  return frame;
}

v1::Response ErrorResponse(const Error& error) {
  v1::Response response;
  response.mutable_error()->set_code(std::string(Name(error.code)));
  response.mutable_error()->set_message(error.message);
  return response;
}

Error ToError(const v1::Error& error) {
  static constexpr ErrorCode kCodes[] = {
#define X(code, name, number) ErrorCode::code,
      VIREO_ERROR_CODES(X)
#undef X
  };
  for (const ErrorCode code : kCodes) {
    if (error.code() == Name(code)) return {code, error.message()};
  }
  return {ErrorCode::kInternal, error.message()};
}

}  // namespace vireo::api
