#include "dataplane/slow/move_service.h"

#include <string>

#include "dataplane/slow/port_names.h"
#include "dataplane/slow/tenant_changes.h"

namespace vireo {
namespace {

Result<Place> ReadDestination(const Router& router, const v1::ArmMoveRequest& request) {
  if (request.has_port()) {
    const auto port = PortNames(router).Find(request.port());
    if (port) return Place{Place::Kind::kPort, *port};
    return Error{ErrorCode::kNotFound,
                 "there is no port \"" + request.port() + "\"; see `vireo ports`"};
  }
  if (!request.has_router()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the move has no destination; give a port here or the public key of a router"};
  }
  const auto key = ReadKey(request.router());
  if (!key) return key.error();
  const PeerRecord* record = router.FindPeer(key.value());
  if (record != nullptr) return Place{Place::Kind::kRouter, record->path->slot};
  return Error{ErrorCode::kNotFound, "there is no such router; see `vireo routes`"};
}

// Since the move was armed; 0: not yet.
std::uint64_t Since(Time armed, Time time) {
  return time == Time{} ? 0 : static_cast<std::uint64_t>((time - armed).count());
}

}  // namespace

Status ArmMove(Router& router, const v1::ArmMoveRequest& request) {
  const auto mac = ReadMac(request.mac());
  if (!mac) return mac.error();
  const auto to = ReadDestination(router, request);
  if (!to) return to.error();
  return router.moves().Arm(request.vni(), mac.value(), request.epoch(), to.value());
}

Status HoldMove(Router& router, const v1::HoldMoveRequest& request) {
  const auto mac = ReadMac(request.mac());
  if (!mac) return mac.error();
  return router.moves().Hold(request.vni(), mac.value());
}

Status DisarmMove(Router& router, const v1::DisarmMoveRequest& request) {
  const auto mac = ReadMac(request.mac());
  if (!mac) return mac.error();
  return router.moves().Disarm(request.vni(), mac.value(), request.epoch());
}

v1::ListMovesResponse ListMoves(const Router& router) {
  v1::ListMovesResponse list;
  for (const Moves::Record& record : router.moves().List()) {
    v1::Move& out = *list.add_moves();
    out.set_vni(record.vni);
    out.set_mac(record.mac.bytes.data(), record.mac.bytes.size());
    out.set_epoch(record.epoch);
    out.set_role(std::string(Name(record.role)));
    out.set_state(std::string(Name(record.state)));
    out.set_held_ns(Since(record.armed, record.held_since));
    out.set_activated_ns(Since(record.armed, record.activated));
    out.set_settled_ns(Since(record.armed, record.settled));
    out.set_ended_ns(Since(record.armed, record.ended));
    out.set_held(record.held);
    out.set_redirected(record.redirected);
    out.set_dropped(record.hold_drops);
  }
  return list;
}

}  // namespace vireo
