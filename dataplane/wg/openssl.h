// OpenSSL's algorithms, each fetched once: a fetch by name takes locks and walks lists. For this
// component's own files.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace vireo::wg::openssl {

// Calls that fail only for want of memory or of the algorithm: nothing can go on without them.
template <typename T>
T Require(T result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "OpenSSL: %s failed: %s\n", what,
                 ERR_error_string(ERR_peek_last_error(), nullptr));
    std::abort();
  }
  return result;
}

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
template <typename T, auto kFree>
using Owned = std::unique_ptr<T, Free<kFree>>;

}  // namespace vireo::wg::openssl
