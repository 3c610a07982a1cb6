// A worker's thread: polls its ports, and sleeps on their descriptors when there is nothing to do.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/stage/worker.h"
#include "dataplane/worker/quiescence.h"

namespace vireo {

// Theory of operation. While packets come, the thread polls. After `spin` without any it goes to
// sleep in epoll_wait on the ports' descriptors and its doorbell, so an idle worker costs nothing
// and wakes as fast as the kernel schedules it. Ports without a descriptor (some DPDK drivers) are
// polled every kPollInterval while the worker sleeps. Ports that come and go at run time are
// noticed by Worker::port_changes.
//
// Thread safety: everything but the thread itself is called from the slow path.
class WorkerThread {
 public:
  struct Options {
    // How long to poll in vain before sleeping. An answer often follows within this time, and then
    // needs nobody woken; longer gained nothing that could be measured.
    std::chrono::nanoseconds spin = std::chrono::microseconds(100);
    int core = -1;  // pin to this core; -1: leave it to the scheduler
  };
  // Ports without a descriptor are looked at this often while a worker sleeps.
  static constexpr std::chrono::microseconds kPollInterval{50};
  // A port may hold packets back that no descriptor tells of: a TUN's superpacket that met an empty
  // pool halfway.
  static constexpr std::chrono::milliseconds kLongestSleep{100};

  WorkerThread(Worker& worker, Quiescence& quiescence, const Clock& clock, Options options);
  // Stops and joins.
  ~WorkerThread();

  [[nodiscard]] Status Start();

 private:
  void Run();
  void Sleep();
  void WatchPorts();
  [[nodiscard]] bool NothingToDo() const;

  Worker& worker_;
  Quiescence& quiescence_;
  const Clock& clock_;
  const Options options_;
  std::atomic<bool> stop_{false};
  int epoll_ = -1;
  std::uint32_t watched_ports_ = 0;  // Worker::port_changes as of `watched_`
  std::vector<int> watched_;
  bool has_unpollable_ = false;
  std::thread thread_;
};

}  // namespace vireo
