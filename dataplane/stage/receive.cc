#include "dataplane/stage/capture_points.h"
#include "dataplane/stage/stages.h"

namespace vireo {

void ReceiveBurst(Worker& worker, Burst& burst, Port& port) {
  burst.size = port.Receive(worker.index, burst.packets);
  if (burst.size == 0) return;
  worker.counters.received.Add(burst.size);
  if (worker.capturer.active()) [[unlikely]]
    CaptureReceived(worker, std::span(burst.packets).first(burst.size), port);
  worker.tracer.Begin(worker.trace_rules);
  if (worker.tracer.active()) [[unlikely]] {
    for (std::uint16_t i = 0; i < burst.size; ++i) {
      worker.tracer.Attach(burst.packets[i]);
      worker.Trace(burst.packets[i], TraceStep::kReceived, port.id());
    }
  }
}

}  // namespace vireo
