// The rings that a VM shares with us by vhost-user, as librte_vhost has them.
//
// Theory of operation: librte_vhost speaks the protocol on a thread of its own and calls back when
// the VM starts and stops. What workers need of that is one number, librte_vhost's device id, which
// is negative while no VM runs. A worker enters the device before it touches a ring and leaves it
// afterwards; the callback of a VM that stops first takes the number away and then waits until all
// workers have left. So a worker pays two stores and never waits, and the VM's stop waits for as
// long as the longest burst.
//
// A worker sleeps on an epoll set of its own with copies of the VM's kick descriptors, edge
// triggered as nobody reads them, and an event descriptor for what the VM does not kick for: it
// started, or librte_vhost has a RARP to inject at the next look into a ring.
//
// Thread safety: Enter, Leave and what takes a worker's number belong to that worker; the rest may
// be called by any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/port/file_descriptor.h"

namespace vireo {

enum class VhostMode : std::uint8_t {
  kServer,  // we make the socket, the VM connects
  kClient,  // the VM makes it, we connect and connect again
};

class VhostDevice {
 public:
  static constexpr std::uint16_t kMaxPairs = 64;

  struct Options {
    std::string path;  // of the socket
    VhostMode mode = VhostMode::kServer;
    std::uint16_t pairs = 1;  // the most queue pairs of a VM, up to kMaxPairs
    std::uint16_t workers = 1;
  };

  // Makes the socket, or begins to connect. A socket file that nobody listens on is replaced.
  // Errors: kInvalidArgument (a path that is too long), kAlreadyExists (a socket in use, another
  // port's path, or a file that is no socket), and what librte_vhost says.
  static Result<std::unique_ptr<VhostDevice>> Open(const Options& options);
  // Disconnects. REQUIRES: no worker is inside, or will be.
  ~VhostDevice();
  VhostDevice(const VhostDevice&) = delete;
  VhostDevice& operator=(const VhostDevice&) = delete;

  // librte_vhost's device, whose rings stay until Leave; negative, and nothing to leave, if no VM
  // runs. REQUIRES: the worker is not inside.
  [[nodiscard]] int Enter(std::uint16_t worker) {
    visitors_[worker].inside.store(true, std::memory_order_seq_cst);
    const int id = id_.load(std::memory_order_seq_cst);
    if (id < 0) Leave(worker);
    return id;
  }
  void Leave(std::uint16_t worker) {
    visitors_[worker].inside.store(false, std::memory_order_release);
  }
  [[nodiscard]] bool running() const { return id_.load(std::memory_order_acquire) >= 0; }

  // Of the VM that runs; REQUIRES: the worker is inside.
  [[nodiscard]] std::uint16_t pairs() const { return pairs_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t features() const { return features_.load(std::memory_order_relaxed); }
  // Queue pairs in whose first ring the VM takes frames, a bit each.
  [[nodiscard]] std::uint64_t taking() const { return taking_.load(std::memory_order_relaxed); }

  // Readable when a ring of the worker's pairs (every `workers`th) has been kicked.
  [[nodiscard]] int poll_fd(std::uint16_t worker) const { return visitors_[worker].poll.get(); }
  // Asks the VM to kick when it puts something into the worker's rings, or not to.
  void WantKicks(std::uint16_t worker, bool wanted);

  // Called after the VM has started or stopped, on librte_vhost's thread; now if it runs already.
  void OnChange(std::function<void()> changed);

  // The VM has more queue pairs than we take, and so is not served.
  [[nodiscard]] bool refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  friend struct VhostCallbacks;

  // A worker's place; padded, so that two of them never share a line.
  struct alignas(64) Visitor {
    std::atomic<bool> inside{false};
    FileDescriptor poll, wakeup;
  };

  explicit VhostDevice(const Options& options);
  Status MakeDescriptors();
  Status Register();

  // librte_vhost's events.
  int OnStart(int id);
  void OnStop();
  void OnRing(int id, std::uint16_t ring, bool enabled);
  void WakeAll();

  void ForgetKick(std::uint16_t pair);
  void AwaitLeft() const;

  const Options options_;
  std::vector<Visitor> visitors_;  // by worker
  std::atomic<int> id_{-1};
  std::atomic<std::uint16_t> pairs_{0};
  std::atomic<std::uint64_t> features_{0}, taking_{0};
  std::atomic<bool> refused_{false};
  bool registered_ = false;

  std::mutex mutex_;                   // not taken by workers; guards the two below
  std::vector<FileDescriptor> kicks_;  // by pair
  std::function<void()> changed_;
};

}  // namespace vireo
