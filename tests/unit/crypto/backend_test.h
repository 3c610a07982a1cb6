// Tests that every backend of Aead must pass.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

#include "dataplane/crypto/aead_backend.h"

namespace vireo::test {

struct Backend {
  const char* name;
  std::unique_ptr<PacketAead> (*make)();
};

inline void PrintTo(const Backend& backend, std::ostream* out) { *out << backend.name; }

inline constexpr Backend kBackends[] = {{"IpsecMb", MakeIpsecMbAead}, {"Openssl", MakeOpensslAead}};

class BackendTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (aead_ == nullptr) GTEST_SKIP() << "this CPU lacks what the backend needs";
  }

  std::unique_ptr<PacketAead> aead_ = GetParam().make();
};

inline std::string BackendName(const testing::TestParamInfo<Backend>& info) {
  return info.param.name;
}

}  // namespace vireo::test
