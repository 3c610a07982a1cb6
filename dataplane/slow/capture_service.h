// Captures over the control socket.
#pragma once

#include "dataplane/api/dataplane.pb.h"
#include "dataplane/slow/router.h"

namespace vireo {

// Thread: slow path only.
[[nodiscard]] v1::Response BeginCapture(Router& router, const v1::BeginCaptureRequest& request);
[[nodiscard]] v1::Response ReadCapture(Router& router, const v1::ReadCaptureRequest& request);

}  // namespace vireo
