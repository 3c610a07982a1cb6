// Drives a Router from an Asio event loop: woken by workers, by its timers, and by nothing else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dataplane/slow/router.h"

namespace vireo {

// Thread: that which runs the io_context.
class SlowLoop {
 public:
  // The references must outlive the loop. Starts at once.
  SlowLoop(boost::asio::io_context& context, Router& router);
  ~SlowLoop();

  // Takes a turn now: call after changing the router's configuration from outside.
  void Turn();

 private:
  void WaitForDoorbell();
  void WaitForDeadline();

  boost::asio::io_context& context_;
  Router& router_;
  boost::asio::posix::stream_descriptor doorbell_;  // borrowed from the router, released at the end
  boost::asio::steady_timer timer_;
};

}  // namespace vireo
