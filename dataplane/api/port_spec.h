// Ports as the control socket describes them.
#pragma once

#include "dataplane/api/config.h"
#include "dataplane/api/dataplane.pb.h"
#include "dataplane/base/result.h"

namespace vireo::api {

// The port that a [[port]] table of the configuration with the same keys would make. Error:
// kInvalidArgument with the first of the mistakes that the file's reader would name, also for an
// uplink, which only the file can have.
[[nodiscard]] Result<PortConfig> ReadPortSpec(const v1::PortSpec& spec);

}  // namespace vireo::api
