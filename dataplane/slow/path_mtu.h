// The search for the largest packet that passes the way to another router: RFC 8899 §5, without
// sockets and with the clock passed in.
//
// Theory of operation. An attempt is two messages at once: a probe of the size in question and a
// small one, the hello. If the probe is answered, the size passes. If only the hello is answered,
// the size was lost by itself; after kMaxProbes such attempts in a row it does not pass. If
// neither is answered, the other router or the way is gone, which says nothing about sizes: the
// MTU stays and attempts become rare. So nothing but the other router's own answers lowers or
// raises the MTU, and a lost probe loses nothing but itself.
//
// Sizes are of the IP packet inside the tunnel, bytes.
//
// Thread safety: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "dataplane/base/clock.h"

namespace vireo {

class PathMtu {
 public:
  // RFC 8899 §5.2; the names are the RFC's.
  enum class State : std::uint8_t {
    kDisabled,        // the other router has never answered: the configured MTU holds
    kBase,            // it answers: does the base size pass?
    kSearching,       // how much more does?
    kSearchComplete,  // the MTU is known, and looked after
    kError,           // not even the base size passes whole
  };

  // BASE_PLPMTU (RFC 8899 §5.1.2). In the tunnel's outer headers for IPv6 it makes 1280 bytes, so
  // over IPv6 it always passes.
  static constexpr std::uint16_t kBase = 1200;
  // The hello's size: passes wherever anything does.
  static constexpr std::uint16_t kHello = 64;
  static constexpr unsigned kMaxProbes = 3;
  // PROBE_TIMER, the least that RFC 8899 §5.1.1 allows: a probe lost costs nothing, and no
  // way between two routers takes a second.
  static constexpr Duration kProbeTimer = std::chrono::seconds(1);
  // PMTU_RAISE_TIMER.
  static constexpr Duration kRaiseTimer = std::chrono::seconds(600);
  // Between probes that see whether the MTU still passes (CONFIRMATION_TIMER), while there is
  // traffic.
  static constexpr Duration kConfirmTimer = std::chrono::seconds(5);
  // Between attempts while nothing is answered: doubled from kProbeTimer up to this.
  static constexpr Duration kLongestBackoff = std::chrono::seconds(600);
  // While it has answered before, and so is likely to again.
  static constexpr Duration kLongestOutage = std::chrono::seconds(30);
  // A search ends when what passes and what does not are this close.
  static constexpr std::uint16_t kGrain = 16;

  // Uses `configured` until it knows better. `largest` is what may be tried at all. `outer` is the
  // bytes that the tunnel and the underlay's headers add, by which usual MTUs are guessed first.
  PathMtu(std::uint16_t configured, std::uint16_t largest, std::uint16_t outer, Time now);

  // The way is another one. The MTU stays until the new way has shown what passes.
  void Restart(std::uint16_t largest, std::uint16_t outer, Time now);

  // The size to probe now, with a hello; nullopt: nothing is due. Call it when next() has come.
  // `active`: packets have been sent to the other router since the last call. A way that nobody
  // uses is not looked after, so that its session may end.
  std::optional<std::uint16_t> Poll(Time now, bool active);
  // The other router has got a probe, or a hello, of this size. REQUIRES: sent for this trial().
  void OnAck(std::uint16_t size, Time now);

  // When Poll wants to be called.
  [[nodiscard]] Time next() const { return next_; }
  // The largest packet that should be sent as one.
  [[nodiscard]] std::uint16_t mtu() const { return mtu_; }
  [[nodiscard]] State state() const { return state_; }
  // Changes with each size that is tried: an answer to an earlier one means nothing any more.
  [[nodiscard]] std::uint32_t trial() const { return trial_; }

 private:
  void EndAttempt(Time now);
  void Failed(Time now);
  void Succeeded(Time now);
  void BeginTrial(std::uint16_t size);
  std::optional<std::uint16_t> Choose(Time now, bool active);
  // The next size to try between what passes and what does not; nullopt: they are close enough.
  [[nodiscard]] std::optional<std::uint16_t> Candidate() const;
  [[nodiscard]] std::optional<std::uint16_t> Wait(Time now) {
    next_ = now + kConfirmTimer;
    return std::nullopt;
  }

  State state_ = State::kDisabled;
  std::uint16_t mtu_;          // in use
  std::uint16_t largest_;      // never tries more
  std::uint16_t outer_;        // around a packet
  std::uint16_t low_ = kBase;  // passes, from kSearching on
  std::uint32_t high_;         // does not pass, as far as is known

  std::optional<std::uint16_t> target_;  // the size of the trial
  std::uint32_t trial_ = 0;
  bool waiting_ = false;   // for answers to the attempt
  bool answered_ = false;  // the attempt's hello is
  unsigned failures_ = 0;  // of the trial: attempts whose hello alone was answered
  unsigned silences_ = 0;  // in a row: attempts of which nothing was answered
  Time next_;
  Time raise_at_{};
};

[[nodiscard]] std::string_view Name(PathMtu::State state);

}  // namespace vireo
