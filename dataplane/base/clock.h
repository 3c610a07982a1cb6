// Time as the dataplane sees it: passed in, so that a test can own it.
#pragma once

#include <chrono>
#include <cstdint>

namespace vireo {

// Monotonic time since an arbitrary start (CLOCK_MONOTONIC on a live system). Timers use only
// this: a step of the wall clock must not touch a session.
struct MonotonicClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};
using Time = MonotonicClock::time_point;
using Duration = MonotonicClock::duration;

// Wall time since 1970 UTC, used for TAI64N and for what people read.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

// Where both come from. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time Now() const = 0;
  [[nodiscard]] virtual WallTime WallNow() const = 0;
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Time Now() const override {
    return Time(std::chrono::steady_clock::now().time_since_epoch());
  }
  [[nodiscard]] WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

// A clock that a test moves. Not thread-safe.
class FakeClock final : public Clock {
 public:
  // Starts away from zero, since "0" often means "never" in stored times.
  FakeClock() : now_(std::chrono::hours(1)), wall_(std::chrono::hours(24 * 20000)) {}

  [[nodiscard]] Time Now() const override { return now_; }
  [[nodiscard]] WallTime WallNow() const override { return wall_; }

  void Advance(Duration by) {
    now_ += by;
    wall_ += by;
  }
  // Moves only the wall clock, as an administrator or NTP would.
  void StepWall(Duration by) { wall_ += by; }

 private:
  Time now_;
  WallTime wall_;
};

}  // namespace vireo
