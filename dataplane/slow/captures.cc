#include "dataplane/slow/captures.h"

#include <algorithm>

namespace vireo {
namespace {

Error Unknown(std::uint32_t id) {
  return {ErrorCode::kNotFound, "capture " + std::to_string(id) +
                                    " does not exist; it has ended, or nobody read it for 10 s"};
}

}  // namespace

Captures::Captures(const Clock& clock, Quiescence& quiescence,
                   const std::vector<std::unique_ptr<Worker>>& workers, std::size_t worker_count)
    : clock_(clock),
      quiescence_(quiescence),
      workers_(workers),
      worker_count_(worker_count),
      capturer_(worker_count) {}

std::vector<Captures::Session>::iterator Captures::Find(std::uint32_t id) {
  return std::ranges::find(sessions_, id, &Session::id);
}

Result<std::uint32_t> Captures::Begin(CaptureRule rule) {
  if (sessions_.size() == CaptureSet::kMax) {
    return Error{ErrorCode::kExhausted,
                 std::to_string(CaptureSet::kMax) + " captures run already; end one of them first"};
  }
  sessions_.push_back(
      {++last_id_, std::make_shared<Capture>(std::move(rule), worker_count_ + 1), clock_.Now()});
  Publish();
  return last_id_;
}

Status Captures::End(std::uint32_t id) {
  const auto session = Find(id);
  if (session == sessions_.end()) return Unknown(id);
  if (session->ended) return {};
  session->ended = true;
  Publish();
  quiescence_.Defer([quiet = session->quiet] { *quiet = true; });
  for (const auto& worker : workers_) worker->doorbell.Ring();  // one may sleep for long
  return {};
}

void Captures::Publish() {
  auto set = std::make_unique<CaptureSet>();
  for (const Session& session : sessions_) {
    if (!session.ended) set->captures.push_back(session.capture);
  }
  if (set->captures.empty()) set.reset();
  for (const auto& worker : workers_) {
    worker->published_captures.store(set.get(), std::memory_order_release);
  }
  quiescence_.Retire(std::move(set_));
  set_ = std::move(set);
}

Result<Captures::Progress> Captures::Read(std::uint32_t id, std::size_t max_bytes,
                                          const Give& give) {
  const auto session = Find(id);
  if (session == sessions_.end()) return Unknown(id);
  session->last_read = clock_.Now();
  // Before the last look: what was copied before it is seen.
  const bool quiet = session->ended && *session->quiet;
  Capture& capture = *session->capture;
  Progress progress;
  std::vector<std::byte> bytes;
  std::size_t given = 0;
  for (std::size_t i = 0; i < capture.rings(); ++i) {
    CaptureRing& ring = capture.ring(i);
    CaptureHeader header;
    while (given < max_bytes && ring.Read(header, bytes)) {
      give(header, bytes);
      given += sizeof header + bytes.size();
    }
    progress.more |= !ring.empty();
    progress.left_out += ring.left_out();
  }
  if (quiet && !progress.more) {
    sessions_.erase(session);
  } else if (session->ended) {
    progress.more = true;
  }
  return progress;
}

void Captures::Poll(Time now) {
  for (std::size_t i = 0; i < sessions_.size();) {
    Session& session = sessions_[i];
    if (now - session.last_read < kAbandoned) {
      ++i;
      continue;
    }
    // Workers that still copy for it hold it by the set that they have.
    sessions_.erase(sessions_.begin() + static_cast<std::ptrdiff_t>(i));
    Publish();
  }
}

Time Captures::NextDeadline() const {
  Time deadline = Time::max();
  for (const Session& session : sessions_) {
    deadline = std::min(deadline, session.last_read + kAbandoned);
  }
  return deadline;
}

}  // namespace vireo
