#include "dataplane/stage/stages.h"

namespace vireo {

void EncryptBurst(Worker& worker, Burst& burst) {
  const std::uint16_t jobs = worker.prepared_jobs;
  if (jobs == 0) return;
  worker.aead->SealBurst(std::span(worker.jobs).first(jobs));
  worker.prepared_jobs = 0;
  worker.counters.sealed.Add(jobs);
  if (worker.tracer.active()) [[unlikely]] {
    for (std::uint16_t i = 0; i < burst.size; ++i) {
      if (Meta(burst.packets[i]).kind == PacketKind::kTransport) {
        worker.Trace(burst.packets[i], TraceStep::kEncrypted);
      }
    }
  }
}

}  // namespace vireo
