// DPDK's reasons, which it logs and does not return.
#pragma once

#include <cstdio>
#include <string>

namespace vireo {

// Takes what DPDK logs while it lives, so that the reason of a failure can go into an error.
// Slow path, one at a time; workers do not log.
class DpdkLog {
 public:
  DpdkLog();
  ~DpdkLog();
  DpdkLog(const DpdkLog&) = delete;
  DpdkLog& operator=(const DpdkLog&) = delete;

  // The first line, which is nearest to the cause, without the name of the library; empty if
  // nothing was logged.
  [[nodiscard]] std::string Reason() const;
  // Reason() is to be about what follows.
  void Forget();

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::size_t forgotten_ = 0;
  std::FILE* stream_;
};

}  // namespace vireo
