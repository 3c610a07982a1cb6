// Moves over the control socket.
#pragma once

#include "dataplane/api/dataplane.pb.h"
#include "dataplane/base/result.h"
#include "dataplane/slow/router.h"

namespace vireo {

// Thread: slow path only. Errors: those of Moves, and kInvalidArgument for what cannot be read.
Status ArmMove(Router& router, const v1::ArmMoveRequest& request);
Status HoldMove(Router& router, const v1::HoldMoveRequest& request);
Status DisarmMove(Router& router, const v1::DisarmMoveRequest& request);
[[nodiscard]] v1::ListMovesResponse ListMoves(const Router& router);

}  // namespace vireo
