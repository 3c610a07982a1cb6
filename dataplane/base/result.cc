#include "dataplane/base/result.h"

#include <cerrno>
#include <cstring>

namespace vireo {

std::string_view Name(ErrorCode code) {
  switch (code) {
#define X(code, name, number) \
  case ErrorCode::code:       \
    return name;
    VIREO_ERROR_CODES(X)
#undef X
  }
  return "internal";
}

int ToErrno(ErrorCode code) {
  switch (code) {
#define X(code, name, number) \
  case ErrorCode::code:       \
    return number;
    VIREO_ERROR_CODES(X)
#undef X
  }
  return EFAULT;
}

namespace {

ErrorCode CodeFor(int number) {
  switch (number) {
    case EPERM:
    case EACCES:
      return ErrorCode::kPermissionDenied;
    case ENOENT:
    case ENODEV:
      return ErrorCode::kNotFound;
    case EEXIST:
    case EBUSY:
      return ErrorCode::kAlreadyExists;
    case EADDRINUSE:
      return ErrorCode::kAddressInUse;
    case EINVAL:
      return ErrorCode::kInvalidArgument;
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorCode::kUnsupported;
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
      return ErrorCode::kExhausted;
    case EAGAIN:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

Error SystemError(std::string_view what, int number) {
  return {CodeFor(number), std::string(what) + ": " + std::strerror(number)};
}

}  // namespace vireo
