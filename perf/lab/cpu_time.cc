#include "perf/lab/cpu_time.h"

#include <sys/resource.h>

namespace vireo::lab {
namespace {

Duration ToDuration(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

CpuTime CpuTime::OfThread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return {ToDuration(usage.ru_utime), ToDuration(usage.ru_stime)};
}

}  // namespace vireo::lab
