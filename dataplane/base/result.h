// Errors of setup and control: one list of codes, and Result<T> to return them by.
// A packet's failure is a drop reason (dataplane/port/drop_reason.h), never one of these.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace vireo {

// One list makes the enum, the API's name and the errno that UAPI answers with.
#define VIREO_ERROR_CODES(X)                                 \
  X(kInvalidArgument, "invalid-argument", 22 /* EINVAL */)   \
  X(kNotFound, "not-found", 2 /* ENOENT */)                  \
  X(kAlreadyExists, "already-exists", 17 /* EEXIST */)       \
  X(kPermissionDenied, "permission-denied", 13 /* EACCES */) \
  X(kConflict, "conflict", 116 /* ESTALE */)                 \
  X(kUnsupported, "unsupported", 95 /* EOPNOTSUPP */)        \
  X(kUnavailable, "unavailable", 11 /* EAGAIN */)            \
  X(kExhausted, "exhausted", 12 /* ENOMEM */)                \
  X(kAddressInUse, "address-in-use", 98 /* EADDRINUSE */)    \
  X(kProtocol, "protocol", 71 /* EPROTO */)                  \
  X(kIo, "io", 5 /* EIO */)                                  \
  X(kInternal, "internal", 14 /* EFAULT */)

enum class ErrorCode {
#define X(code, name, number) code,
  VIREO_ERROR_CODES(X)
#undef X
};

[[nodiscard]] std::string_view Name(ErrorCode code);
[[nodiscard]] int ToErrno(ErrorCode code);

// What was wrong, where, and what to do about it, in one line for a person.
struct [[nodiscard]] Error {
  ErrorCode code;
  std::string message;
};

// Makes an error from a failed system call: "WHAT: strerror(number)", with the code that fits.
Error SystemError(std::string_view what, int number);

// Either a T or an Error. `value()` REQUIRES ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    assert(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    assert(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    assert(ok());
    return std::get<0>(std::move(state_));
  }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

  T* operator->() { return &value(); }
  T& operator*() & { return value(); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error)
      : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_{};
  bool ok_ = true;
};

using Status = Result<void>;

}  // namespace vireo
