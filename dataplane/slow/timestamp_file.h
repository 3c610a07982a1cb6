// Keeps the highest TAI64N timestamp of our initiations over restarts, so that a wall clock that
// was set back does not make peers refuse our handshakes as replays.
#pragma once

#include <string>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"

namespace vireo {

class TimestampFile {
 public:
  explicit TimestampFile(std::string path) : path_(std::move(path)) {}

  // The mark saved last; zero if there is none or the file is damaged.
  [[nodiscard]] WallTime Load() const;
  // Replaces the file in one step; makes its folder if that is missing.
  [[nodiscard]] Status Save(WallTime mark) const;

 private:
  std::string path_;
};

}  // namespace vireo
