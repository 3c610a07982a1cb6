// Processor time of the calling thread, to tell what a packet costs its sender or receiver.
#pragma once

#include "dataplane/base/clock.h"

namespace vireo::lab {

struct CpuTime {
  Duration user = Duration::zero();
  Duration system = Duration::zero();

  // Of the calling thread, since it started. Soft interrupts served in its system calls, as veth
  // has them, count as its system time unless the kernel accounts interrupts apart.
  static CpuTime OfThread();

  [[nodiscard]] Duration total() const { return user + system; }
  friend CpuTime operator-(const CpuTime& a, const CpuTime& b) {
    return {a.user - b.user, a.system - b.system};
  }
};

}  // namespace vireo::lab
