// What the control plane says about moves: all refusals are here.

#include <algorithm>
#include <string>

#include "dataplane/slow/moves.h"

namespace vireo {
namespace {

std::string NameOf(std::uint32_t vni, const net::MacAddress& mac) {
  return "endpoint " + mac.ToString() + " of network " + std::to_string(vni);
}

}  // namespace

Status Moves::MayArm(std::uint32_t vni, const net::MacAddress& mac, std::uint64_t epoch, Place to) {
  const auto refuse = [&](ErrorCode code, const std::string& why) {
    return Error{code, NameOf(vni, mac) + ": " + why};
  };
  const Networks::Network* network = networks_.Find(vni);
  const auto endpoint = networks_.FindEndpoint(vni, mac);
  if (network == nullptr || !endpoint) return refuse(ErrorCode::kNotFound, "does not exist");
  if (epoch <= endpoint->epoch) {
    return refuse(ErrorCode::kConflict, "epoch " + std::to_string(epoch) +
                                            " is not newer than the present one, " +
                                            std::to_string(endpoint->epoch));
  }
  if (endpoint->place.Is(to.kind, to.index)) {
    return refuse(ErrorCode::kInvalidArgument, "is there already");
  }
  const bool here = to.kind == Place::Kind::kPort;
  if (here && endpoint->place.kind == Place::Kind::kPort) {
    return refuse(ErrorCode::kInvalidArgument,
                  "is on this router already; change its port instead");
  }
  if (here ? !network->ports.contains(static_cast<PortId>(to.index))
           : !network->routers.contains(to.index)) {
    return refuse(ErrorCode::kNotFound, "its network is not at that port or router");
  }
  // Not to find out when all its frames are dropped there.
  auto rule =
      networks_.ExplainPolicy(vni, here ? std::nullopt : std::optional<std::uint32_t>(to.index));
  if (rule && *rule) {
    return refuse(ErrorCode::kPermissionDenied, "must not move there: " + **rule);
  }
  return {};
}

std::optional<std::uint16_t> Moves::TakeId() {
  if (!free_ids_.empty()) {
    const std::uint16_t id = free_ids_.back();
    free_ids_.pop_back();
    return id;
  }
  if (next_id_ == MoveTable::kMoves) return std::nullopt;
  return next_id_++;
}

Status Moves::Arm(std::uint32_t vni, const net::MacAddress& mac, std::uint64_t epoch, Place to) {
  to.move = 0;
  if (Move* present = FindMove(vni, mac)) {
    const Record& record = present->record;
    if (record.epoch == epoch && record.to == to) return {};
    if (IsArmed(*present)) {
      return Error{ErrorCode::kConflict, NameOf(vni, mac) + ": another move is armed, with epoch " +
                                             std::to_string(record.epoch) + "; disarm it first"};
    }
    if (record.state == MoveState::kActivated) {
      return Error{ErrorCode::kUnavailable,
                   NameOf(vni, mac) + ": its last move is not settled yet; try again"};
    }
  }
  if (auto allowed = MayArm(vni, mac, epoch, to); !allowed) return allowed;
  const auto id = TakeId();
  if (!id) {
    return Error{ErrorCode::kExhausted, "no more than " + std::to_string(MoveTable::kMoves - 1) +
                                            " moves at once; try again"};
  }
  if (Move* settled = FindMove(vni, mac)) Finish(*settled, MoveState::kFinished);

  const auto endpoint = networks_.FindEndpoint(vni, mac);
  const Place from = endpoint->place;
  Move& move = moves_[{vni, mac}];
  move.id = *id;
  move.record = {.vni = vni,
                 .mac = mac,
                 .epoch = epoch,
                 .role = to.kind == Place::Kind::kPort     ? MoveRole::kDestination
                         : from.kind == Place::Kind::kPort ? MoveRole::kSource
                                                           : MoveRole::kWitness,
                 .from = from,
                 .to = to,
                 .armed = clock_.Now()};
  Enter(move, endpoint->epoch);
  if (move.record.role == MoveRole::kDestination) {
    for (const std::uint32_t slot : networks_.Find(vni)->routers) host_.warm(slot);
  }
  if (move.record.role == MoveRole::kSource && quiet_.contains(static_cast<PortId>(from.index))) {
    return Hold(vni, mac);
  }
  return {};
}

// Makes the move known to workers.
void Moves::Enter(Move& move, std::uint64_t present_epoch) {
  const Record& record = move.record;
  const auto index_if = [](Place place, Place::Kind kind) {
    return place.kind == kind ? place.index : MoveEntry::kNone;
  };
  MoveEntry& entry = EntryOf(move);
  entry.phase = MovePhase::kOpen;
  entry.routers[0] = index_if(record.from, Place::Kind::kRouter);
  entry.routers[1] = index_if(record.to, Place::Kind::kRouter);
  entry.port =
      index_if(record.role == MoveRole::kDestination ? record.to : record.from, Place::Kind::kPort);
  const bool here = record.role == MoveRole::kDestination;
  entry.redirector = here ? record.from.index : MoveEntry::kNone;
  entry.gates = nullptr;
  entry.seen = !here;
  entry.holding_packets = 0;
  entry.holding_bytes = 0;
  entry.held = 0;
  entry.redirected = 0;
  entry.hold_drops = 0;
  Place place = record.from;
  place.move = move.id;
  networks_.SetPlace(record.vni, record.mac, place, present_epoch);
}

Status Moves::Hold(std::uint32_t vni, const net::MacAddress& mac) {
  Move* move = FindMove(vni, mac);
  if (move == nullptr || !IsArmed(*move)) {
    return Error{ErrorCode::kNotFound, NameOf(vni, mac) + ": no move of it is armed"};
  }
  if (move->record.role != MoveRole::kSource) {
    return Error{ErrorCode::kInvalidArgument, NameOf(vni, mac) + ": is not on this router"};
  }
  if (move->record.state != MoveState::kArmed) return {};
  move->record.state = MoveState::kHolding;
  move->record.held_since = clock_.Now();
  SetDeadline(*move, clock_.Now() + table_.limits.hold);
  EntryOf(*move).phase.store(MovePhase::kHold, std::memory_order_release);
  return {};
}

Status Moves::Disarm(std::uint32_t vni, const net::MacAddress& mac, std::uint64_t epoch) {
  Move* move = FindMove(vni, mac);
  if (move == nullptr || move->record.epoch != epoch) {
    return Error{ErrorCode::kNotFound,
                 NameOf(vni, mac) + ": no move with epoch " + std::to_string(epoch) + " is armed"};
  }
  if (!IsArmed(*move)) {
    return Error{ErrorCode::kConflict, NameOf(vni, mac) + ": the move has happened"};
  }
  Finish(*move, MoveState::kDisarmed);
  return {};
}

// Only what a control plane may say of a moving endpoint: where it was, where it is to go, or what
// comes after this move.
Status Moves::MayPut(std::uint32_t vni, const EndpointSpec& spec) const {
  const Move* move = FindMove(vni, spec.mac);
  if (move == nullptr || spec.epoch > move->record.epoch) return {};
  const auto present = networks_.FindEndpoint(vni, spec.mac);
  const auto is = [&](Place place, std::uint64_t epoch) {
    return spec.epoch == epoch && spec.place.Is(place.kind, place.index);
  };
  if (is(move->record.to, move->record.epoch) || (present && is(present->place, present->epoch))) {
    return {};
  }
  return Error{ErrorCode::kConflict, NameOf(vni, spec.mac) + ": is moving, with epoch " +
                                         std::to_string(move->record.epoch) +
                                         "; disarm the move first"};
}

Status Moves::PutEndpoint(std::uint32_t vni, const EndpointSpec& spec) {
  if (auto allowed = MayPut(vni, spec); !allowed) return allowed;
  if (Move* move = FindMove(vni, spec.mac)) {
    if (spec.epoch > move->record.epoch) {
      Finish(*move, MoveState::kForgotten);
    } else if (spec.epoch == move->record.epoch && IsArmed(*move)) {
      Activate(*move);
    }
  }
  return networks_.PutEndpoint(vni, spec);
}

bool Moves::IsArmedAt(PortId port) const {
  return std::ranges::any_of(moves_, [&](const auto& entry) {
    const Record& record = entry.second.record;
    return IsArmed(entry.second) &&
           (record.from.Is(Place::Kind::kPort, port) || record.to.Is(Place::Kind::kPort, port));
  });
}

void Moves::OnPortQuiet(PortId port, bool quiet) {
  if (quiet) {
    quiet_.insert(port);
  } else {
    quiet_.erase(port);
  }
  for (auto& [key, move] : moves_) {
    const Record& record = move.record;
    if (record.role != MoveRole::kSource || !IsArmed(move) ||
        !record.from.Is(Place::Kind::kPort, port)) {
      continue;
    }
    if (quiet) {
      (void)Hold(record.vni, record.mac);
    } else {
      // The VM has stayed: what waited goes to it, and the move may still happen.
      move.record.state = MoveState::kArmed;
      move.deadline = Time::max();
      EntryOf(move).phase.store(MovePhase::kOpen, std::memory_order_release);
      AfterAll([] {});
    }
  }
}

}  // namespace vireo
