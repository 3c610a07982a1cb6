#include "dataplane/base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace vireo {

void SystemRandom::Fill(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::abort();  // keys without randomness are worse than no daemon
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace vireo
