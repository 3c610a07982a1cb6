#include "dataplane/slow/timestamp_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace vireo {

WallTime TimestampFile::Load() const {
  std::ifstream file(path_);
  std::int64_t nanoseconds = 0;
  if (!(file >> nanoseconds) || nanoseconds < 0) return WallTime{};
  return WallTime(std::chrono::nanoseconds(nanoseconds));
}

Status TimestampFile::Save(WallTime mark) const {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), error);
  const std::string temporary = path_ + ".new";
  std::FILE* file = std::fopen(temporary.c_str(), "we");
  if (file == nullptr) return SystemError("cannot write " + temporary, errno);
  const bool written =
      std::fprintf(file, "%lld\n", static_cast<long long>(mark.time_since_epoch().count())) > 0 &&
      std::fflush(file) == 0 && fsync(fileno(file)) == 0;
  const int number = errno;
  std::fclose(file);
  if (!written) return SystemError("cannot write " + temporary, number);
  if (std::rename(temporary.c_str(), path_.c_str()) != 0) {
    return SystemError("cannot replace " + path_, errno);
  }
  return {};
}

}  // namespace vireo
