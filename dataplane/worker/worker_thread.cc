#include "dataplane/worker/worker_thread.h"

#include <pthread.h>
#include <rte_lcore.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "dataplane/worker/pipeline.h"

namespace vireo {

WorkerThread::WorkerThread(Worker& worker, Quiescence& quiescence, const Clock& clock,
                           Options options)
    : worker_(worker), quiescence_(quiescence), clock_(clock), options_(options) {}

WorkerThread::~WorkerThread() {
  stop_.store(true, std::memory_order_relaxed);
  worker_.doorbell.Ring();
  if (thread_.joinable()) thread_.join();
  if (epoll_ >= 0) close(epoll_);
}

Status WorkerThread::Start() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return SystemError("worker cannot make an epoll set", errno);
  if (options_.core >= 0) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || options_.core >= CPU_SETSIZE ||
        !CPU_ISSET(static_cast<std::size_t>(options_.core), &allowed)) {
      return Error{ErrorCode::kInvalidArgument,
                   "core " + std::to_string(options_.core) +
                       " is not one this process may run on; see `taskset -p` and router.cores"};
    }
  }
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), ("worker-" + std::to_string(worker_.index)).c_str());
  return {};
}

void WorkerThread::WatchPorts() {
  // A removed port may be closed already, and its descriptor with it: that is no longer in the set.
  for (const int fd : watched_) epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  watched_.clear();
  has_unpollable_ = false;
  const auto watch = [this](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) watched_.push_back(fd);
  };
  watch(worker_.doorbell.fd());
  for (const PortEntry& entry : worker_.snapshot->ports) {
    if (entry.port == nullptr || worker_.index >= entry.port->info().queues) continue;
    const int fd = entry.port->PollFd(worker_.index);
    if (fd >= 0) {
      watch(fd);
    } else {
      has_unpollable_ = true;
    }
  }
}

void WorkerThread::Run() {
  // Gives the thread an id of its own, with which packet pools keep a cache for it.
  rte_thread_register();
  if (options_.core >= 0) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(static_cast<std::size_t>(options_.core), &cores);
    pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
  }
  quiescence_.Online(worker_.index);
  Time last_work = clock_.Now();
  while (!stop_.load(std::memory_order_relaxed)) {
    if (const auto changes = worker_.port_changes.load(std::memory_order_acquire);
        changes != watched_ports_) {
      watched_ports_ = changes;
      worker_.snapshot = worker_.published_snapshot.load(std::memory_order_acquire);
      WatchPorts();
    }
    const unsigned worked = RunLoop(worker_, clock_);
    quiescence_.Pass(worker_.index);
    if (worked != 0) {
      last_work = worker_.now;
    } else if (worker_.now - last_work >= options_.spin) {
      Sleep();
      last_work = clock_.Now();
    } else {
      sched_yield();  // to whoever makes or takes our packets on the same core
    }
  }
  quiescence_.Offline(worker_.index);
  rte_thread_unregister();
}

bool WorkerThread::NothingToDo() const {
  return worker_.injected.empty() && worker_.refused.empty() &&
         !stop_.load(std::memory_order_relaxed) &&
         worker_.port_changes.load(std::memory_order_relaxed) == watched_ports_;
}

void WorkerThread::Sleep() {
  const auto want_wakeup = [this](bool want) {
    for (const PortEntry& entry : worker_.snapshot->ports) {
      if (entry.port != nullptr && worker_.index < entry.port->info().queues) {
        entry.port->WantWakeup(worker_.index, want);
      }
    }
  };
  worker_.counters.sleeps.Add(1);
  want_wakeup(true);
  worker_.doorbell.AboutToSleep();
  // A ring may have filled before its port learnt that it is to wake us, hence the last look.
  if (NothingToDo() && RunLoop(worker_, clock_) == 0) {
    // The snapshot may be freed while we are offline: nothing is read until we are back.
    const bool poll = has_unpollable_;
    quiescence_.Offline(worker_.index);
    epoll_event events[8];
    const std::chrono::nanoseconds longest =
        poll ? std::chrono::nanoseconds(kPollInterval) : std::chrono::nanoseconds(kLongestSleep);
    const timespec interval{0, longest.count()};
    epoll_pwait2(epoll_, events, 8, &interval, nullptr);
    quiescence_.Online(worker_.index);
  }
  worker_.doorbell.Awake();
  worker_.snapshot = worker_.published_snapshot.load(std::memory_order_acquire);
  want_wakeup(false);
}

}  // namespace vireo
