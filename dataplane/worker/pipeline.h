// The packet's way from receive to transmit; see pipeline.cc.
#pragma once

#include <span>

#include "dataplane/stage/worker.h"

namespace vireo {

// One loop over all ports and the slow path's packets. Returns how many packets were worked on; 0
// means that the worker may go to sleep. `worker.snapshot`, `worker.now` are set by the caller.
unsigned RunPipeline(Worker& worker);

}  // namespace vireo
