// Network namespaces for tests, without names: they end with the thread and its descriptors.
#pragma once

#include <sched.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

namespace vireo::test {

// Runs `body` on a thread of its own in a new, empty network namespace. False if this process may
// not make one; the test then says so with GTEST_SKIP. `body` may enter further new namespaces with
// EnterNewNamespace; sockets and interfaces stay where they were made.
inline bool RunInNamespace(const std::function<void()>& body) {
  bool permitted = false;
  std::thread thread([&] {
    permitted = ::unshare(CLONE_NEWNET) == 0;
    if (permitted) body();
  });
  thread.join();
  return permitted;
}

// REQUIRES: called on a thread of RunInNamespace.
inline void EnterNewNamespace() {
  if (::unshare(CLONE_NEWNET) != 0) std::abort();
}

// Runs a command line (`ip link set lo up`) in the calling thread's namespace; its exit status.
inline int RunCommand(const std::string& command) { return std::system(command.c_str()); }

}  // namespace vireo::test

// Skips the test, with the reason, where namespaces are not permitted.
#define VIREO_IN_NAMESPACE(body)                                                    \
  if (!::vireo::test::RunInNamespace(body)) {                                       \
    GTEST_SKIP() << "may not make network namespaces: run as root (CAP_SYS_ADMIN)"; \
  }                                                                                 \
  static_assert(true)
