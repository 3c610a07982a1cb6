#include "dataplane/slow/slow_loop.h"

#include <boost/asio/post.hpp>

namespace vireo {

SlowLoop::SlowLoop(boost::asio::io_context& context, Router& router)
    : context_(context),
      router_(router),
      doorbell_(context, router.link().doorbell.fd()),
      timer_(context) {
  WaitForDoorbell();
  Turn();
}

SlowLoop::~SlowLoop() { doorbell_.release(); }

void SlowLoop::Turn() {
  // A few rounds at a time, then the sockets' clients get their turn.
  constexpr int kRounds = 16;
  for (int round = 0; round < kRounds; ++round) {
    router_.link().doorbell.Awake();
    router_.Process();
    router_.link().doorbell.AboutToSleep();
    if (!router_.HasWork()) {
      WaitForDeadline();
      return;
    }
  }
  boost::asio::post(context_, [this] { Turn(); });
}

void SlowLoop::WaitForDoorbell() {
  doorbell_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (error) return;  // the loop has ended
                         Turn();
                         WaitForDoorbell();
                       });
}

void SlowLoop::WaitForDeadline() {
  const Time deadline = router_.NextDeadline();
  if (deadline == Time::max()) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(std::chrono::steady_clock::time_point(deadline.time_since_epoch()));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Turn();
  });
}

}  // namespace vireo
