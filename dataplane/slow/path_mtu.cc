#include "dataplane/slow/path_mtu.h"

#include <algorithm>
#include <array>

namespace vireo {
namespace {

// What underlays usually take, IP packets in bytes, largest first.
constexpr std::array<std::uint16_t, 8> kUsual = {9000, 8900, 4000, 1500, 1492, 1420, 1400, 1280};

Duration Backoff(unsigned silences, Duration longest) {
  Duration wait = PathMtu::kProbeTimer;
  for (unsigned i = 1; i < silences && wait < longest; ++i) wait *= 2;
  return std::min(wait, longest);
}

}  // namespace

PathMtu::PathMtu(std::uint16_t configured, std::uint16_t largest, std::uint16_t outer, Time now)
    : mtu_(std::min(configured, largest)),
      largest_(largest),
      outer_(outer),
      high_(largest + 1u),
      next_(now) {}

void PathMtu::Restart(std::uint16_t largest, std::uint16_t outer, Time now) {
  if (state_ != State::kDisabled) state_ = State::kBase;
  mtu_ = std::min(mtu_, largest);
  largest_ = largest;
  outer_ = outer;
  low_ = std::min(kBase, largest);
  high_ = largest + 1u;
  target_.reset();
  waiting_ = false;
  silences_ = 0;
  next_ = now;
}

std::optional<std::uint16_t> PathMtu::Poll(Time now, bool active) {
  if (now < next_) return std::nullopt;
  if (waiting_) {
    EndAttempt(now);
    if (now < next_) return std::nullopt;
  }
  if (!target_) {
    const auto size = Choose(now, active);
    if (!size) return std::nullopt;
    BeginTrial(*size);
  } else if (silences_ != 0 && !active) {
    return Wait(now);
  }
  waiting_ = true;
  answered_ = false;
  next_ = now + kProbeTimer;
  return target_;
}

void PathMtu::BeginTrial(std::uint16_t size) {
  target_ = size;
  failures_ = 0;
  ++trial_;
}

// The target of an attempt was not answered in time.
void PathMtu::EndAttempt(Time now) {
  waiting_ = false;
  if (answered_) {
    silences_ = 0;
    if (++failures_ == kMaxProbes) Failed(now);
    return;
  }
  ++silences_;
  next_ = now + Backoff(silences_, state_ == State::kDisabled ? kLongestBackoff : kLongestOutage);
}

void PathMtu::Failed(Time now) {
  const std::uint16_t size = *target_;
  target_.reset();
  switch (state_) {
    case State::kDisabled:
      return;
    case State::kBase:
    case State::kError:
      state_ = State::kError;
      // What is larger than the way is then left to the underlay's fragmentation, as MIN_PLPMTU is
      // below what IPv6 hosts must be given.
      mtu_ = std::min(mtu_, kBase);
      next_ = now + kConfirmTimer;
      return;
    case State::kSearching:
      high_ = size;
      if (mtu_ >= size) mtu_ = low_;
      return;
    case State::kSearchComplete:  // a black hole (RFC 8899 §4.3)
      state_ = State::kBase;
      high_ = size;
      mtu_ = low_ = std::min(kBase, largest_);
      return;
  }
}

void PathMtu::OnAck(std::uint16_t size, Time now) {
  if (!target_) return;
  if (size == *target_) {
    Succeeded(now);
  } else if (size == kHello) {
    answered_ = true;
  }
}

void PathMtu::Succeeded(Time now) {
  const std::uint16_t size = *target_;
  target_.reset();
  waiting_ = false;
  silences_ = 0;
  next_ = now;
  switch (state_) {
    case State::kDisabled:
      state_ = State::kBase;
      return;
    case State::kBase:
    case State::kError:
      state_ = State::kSearching;
      low_ = size;
      return;
    case State::kSearching:
      low_ = size;
      mtu_ = std::max(mtu_, low_);
      return;
    case State::kSearchComplete:
      next_ = now + kConfirmTimer;
      return;
  }
}

std::optional<std::uint16_t> PathMtu::Choose(Time now, bool active) {
  switch (state_) {
    case State::kDisabled:
      return active ? std::optional(kHello) : Wait(now);
    case State::kBase:
      return std::min(kBase, largest_);
    case State::kError:
      return active ? std::optional(std::min(kBase, largest_)) : Wait(now);
    case State::kSearchComplete:
      if (!active) return Wait(now);
      if (now < raise_at_) return mtu_;
      high_ = largest_ + 1u;
      state_ = State::kSearching;
      [[fallthrough]];
    case State::kSearching:
      break;
  }
  if (const auto size = Candidate()) return size;
  state_ = State::kSearchComplete;
  mtu_ = low_;
  raise_at_ = now + kRaiseTimer;
  return Wait(now);
}

std::optional<std::uint16_t> PathMtu::Candidate() const {
  if (mtu_ > low_) return mtu_;  // in use, so it comes first
  if (low_ >= largest_) return std::nullopt;
  if (high_ > largest_) return largest_;
  if (high_ - low_ <= kGrain) return std::nullopt;
  for (const std::uint16_t usual : kUsual) {
    const int size = usual - outer_;
    if (size > low_ && size < static_cast<int>(high_)) return static_cast<std::uint16_t>(size);
  }
  return static_cast<std::uint16_t>(low_ + (high_ - low_) / 2);
}

std::string_view Name(PathMtu::State state) {
  switch (state) {
    case PathMtu::State::kDisabled:
      return "unanswered";
    case PathMtu::State::kBase:
      return "base";
    case PathMtu::State::kSearching:
      return "searching";
    case PathMtu::State::kSearchComplete:
      return "complete";
    case PathMtu::State::kError:
      return "error";
  }
  return "";
}

}  // namespace vireo
