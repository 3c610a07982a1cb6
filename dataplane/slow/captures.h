// The captures that somebody reads (stage/capture.h says how packets get into them).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/stage/worker.h"
#include "dataplane/worker/quiescence.h"

namespace vireo {

// Thread: slow path only.
class Captures {
 public:
  // Whoever began a capture and does not read it for so long is gone.
  static constexpr Duration kAbandoned = std::chrono::seconds(10);

  // The references must outlive the object; `workers` may still be empty, and will be
  // `worker_count` workers.
  Captures(const Clock& clock, Quiescence& quiescence,
           const std::vector<std::unique_ptr<Worker>>& workers, std::size_t worker_count);

  // Workers capture from their next loop on. Returns the capture's number.
  // Errors: kExhausted (CaptureSet::kMax run already).
  Result<std::uint32_t> Begin(CaptureRule rule);
  // No worker begins to copy for it any more; what was copied can still be read.
  // Errors: kNotFound.
  Status End(std::uint32_t id);

  struct Progress {
    bool more = false;  // ask again at once: there is more, or a worker may still be copying
    std::uint64_t left_out = 0;  // packets so far that found no room
  };
  using Give = std::function<void(const CaptureHeader&, ConstBytes)>;
  // Gives what was captured, of each thread in order, until about `max_bytes` are given. A capture
  // that has ended and has no more is forgotten. Errors: kNotFound.
  Result<Progress> Read(std::uint32_t id, std::size_t max_bytes, const Give& give);

  // A packet that the slow path drops.
  void Dropped(Packet* packet, DropReason reason) {
    if (set_ == nullptr) [[likely]]
      return;
    capturer_.Begin(set_.get(), clock_.Now().time_since_epoch().count());
    capturer_.Dropped(packet, reason);
    capturer_.NextBurst();
  }

  // Ends what nobody reads. To be called at NextDeadline at the latest.
  void Poll(Time now);
  [[nodiscard]] Time NextDeadline() const;

 private:
  struct Session {
    std::uint32_t id;
    std::shared_ptr<Capture> capture;
    Time last_read;
    bool ended = false;
    // No worker can be copying for it any more; set behind a quiescent point.
    std::shared_ptr<bool> quiet = std::make_shared<bool>(false);
  };

  std::vector<Session>::iterator Find(std::uint32_t id);
  void Publish();

  const Clock& clock_;
  Quiescence& quiescence_;
  const std::vector<std::unique_ptr<Worker>>& workers_;
  const std::size_t worker_count_;
  std::vector<Session> sessions_;
  std::unique_ptr<CaptureSet> set_;  // as workers see it; nullptr: none
  Capturer capturer_;                // for what the slow path drops
  std::uint32_t last_id_ = 0;
};

}  // namespace vireo
