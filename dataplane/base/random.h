// Where random bytes come from: passed in, so that a simulation can be repeated from its seed.
#pragma once

#include "dataplane/base/bytes.h"

namespace vireo {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void Fill(MutableBytes out) = 0;

  [[nodiscard]] std::uint64_t Next64() {
    std::uint64_t value;
    Fill({reinterpret_cast<std::byte*>(&value), sizeof value});
    return value;
  }
};

// The kernel's getrandom(2). Thread-safe; aborts the process if the kernel has no randomness.
class SystemRandom final : public RandomSource {
 public:
  void Fill(MutableBytes out) override;
};

}  // namespace vireo
