// The packet's way from receive to transmit; see pipeline.cc.
#pragma once

#include <span>

#include "dataplane/stage/worker.h"

namespace vireo {

// One loop over all ports and the slow path's packets, under what is published and the time of its
// beginning. Returns how many packets were worked on; 0 means that the worker may go to sleep.
// The caller passes a quiescent point afterwards.
unsigned RunLoop(Worker& worker, const Clock& clock);

}  // namespace vireo
