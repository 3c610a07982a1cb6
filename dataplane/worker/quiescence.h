// When may the slow path free what workers were reading: after every worker has passed a point at
// which it holds nothing (rte_rcu_qsbr).
#pragma once

#include <rte_rcu_qsbr.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

namespace vireo {

// Thread safety: the worker functions for the worker of that index; the rest slow path only.
class Quiescence {
 public:
  explicit Quiescence(std::uint16_t workers);
  ~Quiescence();
  Quiescence(const Quiescence&) = delete;
  Quiescence& operator=(const Quiescence&) = delete;

  // A worker starts reading (before its first loop and after a sleep), passes a quiescent point
  // (end of a loop), stops reading (before a sleep and at its end).
  void Online(std::uint16_t worker) { rte_rcu_qsbr_thread_online(state_, worker); }
  void Pass(std::uint16_t worker) { rte_rcu_qsbr_quiescent(state_, worker); }
  void Offline(std::uint16_t worker) { rte_rcu_qsbr_thread_offline(state_, worker); }

  // Calls `reclaim` once no worker can hold what it frees. REQUIRES: it is unpublished already.
  void Defer(std::function<void()> reclaim);
  template <typename T>
  void Retire(std::unique_ptr<T> object) {
    if (object != nullptr) Defer([held = std::shared_ptr<T>(std::move(object))] {});
  }
  // Notes what no worker can hold any more.
  void Collect();
  // Frees what was noted. In between, the caller empties the queues by which workers may have
  // handed it on.
  void Reclaim();
  // Frees everything. REQUIRES: workers have ended.
  void ReclaimAll();

 private:
  struct Waiting {
    std::uint64_t token;
    std::function<void()> reclaim;
  };

  rte_rcu_qsbr* state_;
  std::deque<Waiting> waiting_;  // oldest first
  std::deque<Waiting> ripe_;
};

}  // namespace vireo
