// Packets for the crypto benchmarks, and how their time is taken.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace vireo::bench {

inline constexpr std::size_t kPackets = 64;

// 64 buffers laid out as in a packet pool: payload behind headroom and the transport header, the
// next buffer not a power of two away.
class PacketPool {
 public:
  [[nodiscard]] std::byte* payload(std::size_t i) const {
    return memory_.get() + i * kStride + kPayloadOffset;
  }

 private:
  static constexpr std::size_t kStride = 2304;
  static constexpr std::size_t kPayloadOffset = 256 + 16;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_{
      static_cast<std::byte*>(std::aligned_alloc(4096, kPackets* kStride))};
};

// Runs `prepare` untimed and `work` (which handles all 64 packets) timed, once an iteration, and
// reports the median time a packet: a preempted window does not move it.
template <typename Prepare, typename Work>
void MeasurePackets(benchmark::State& state, Prepare&& prepare, Work&& work) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> windows;
  windows.reserve(static_cast<std::size_t>(state.max_iterations));
  for (auto _ : state) {
    prepare();
    const auto start = Clock::now();
    work();
    const std::chrono::duration<double> took = Clock::now() - start;
    state.SetIterationTime(took.count());
    windows.push_back(took.count() * 1e9 / kPackets);
  }
  if (windows.empty()) return;
  const auto middle = windows.begin() + static_cast<std::ptrdiff_t>(windows.size() / 2);
  std::nth_element(windows.begin(), middle, windows.end());
  state.counters["ns_per_packet"] = benchmark::Counter(*middle, benchmark::Counter::kAvgThreads);
}

}  // namespace vireo::bench
