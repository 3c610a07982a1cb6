// Randomness that a seed repeats.
#pragma once

#include <random>

#include "dataplane/base/random.h"

namespace vireo::test {

class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void Fill(MutableBytes out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace vireo::test
