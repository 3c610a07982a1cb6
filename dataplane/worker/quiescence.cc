#include "dataplane/worker/quiescence.h"

#include <rte_malloc.h>

#include <new>

namespace vireo {

Quiescence::Quiescence(std::uint16_t workers) {
  const std::size_t size = rte_rcu_qsbr_get_memsize(workers);
  state_ = static_cast<rte_rcu_qsbr*>(rte_zmalloc("quiescence", size, RTE_CACHE_LINE_SIZE));
  if (state_ == nullptr) throw std::bad_alloc();
  rte_rcu_qsbr_init(state_, workers);
  for (std::uint16_t i = 0; i < workers; ++i) rte_rcu_qsbr_thread_register(state_, i);
}

Quiescence::~Quiescence() {
  ReclaimAll();
  rte_free(state_);
}

void Quiescence::Defer(std::function<void()> reclaim) {
  waiting_.push_back({rte_rcu_qsbr_start(state_), std::move(reclaim)});
}

void Quiescence::Collect() {
  while (!waiting_.empty() && rte_rcu_qsbr_check(state_, waiting_.front().token, false) == 1) {
    ripe_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

void Quiescence::Reclaim() {
  const std::deque<Waiting> ripe = std::move(ripe_);  // what is reclaimed may retire more
  ripe_.clear();
  for (const Waiting& item : ripe) item.reclaim();
}

void Quiescence::ReclaimAll() {
  Reclaim();
  while (!waiting_.empty()) {
    ripe_.swap(waiting_);
    Reclaim();
  }
}

}  // namespace vireo
