// One connection's side of a request/answer protocol, without its socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vireo::api {

enum class Progress : std::uint8_t {
  kIdle,    // all bytes taken, no request begun
  kMidway,  // all bytes taken, a request is incomplete
  kAnswer,  // a request ended: send the answer, then go on with the bytes that are left
  kClose,   // the peer does not speak the protocol: send the answer (if any), then close
};

class Conversation {
 public:
  virtual ~Conversation() = default;

  // Takes bytes from the front of `bytes`, at most up to the end of one request, so that a peer
  // cannot make answers pile up; removes what it took. Sets `answer` for kAnswer and kClose; it
  // may hold keys, the caller zeroes it.
  virtual Progress Receive(std::string_view& bytes, std::string& answer) = 0;
};

}  // namespace vireo::api
