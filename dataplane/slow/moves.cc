#include "dataplane/slow/moves.h"

#include <algorithm>

namespace vireo {

using net::MoveMessageType;

std::string_view Name(MoveRole role) {
  switch (role) {
    case MoveRole::kSource:
      return "source";
    case MoveRole::kDestination:
      return "destination";
    case MoveRole::kWitness:
      return "witness";
  }
  return "";
}

std::string_view Name(MoveState state) {
  switch (state) {
    case MoveState::kArmed:
      return "armed";
    case MoveState::kHolding:
      return "holding";
    case MoveState::kExpired:
      return "expired";
    case MoveState::kActivated:
      return "activated";
    case MoveState::kSettled:
      return "settled";
    case MoveState::kFinished:
      return "finished";
    case MoveState::kDisarmed:
      return "disarmed";
    case MoveState::kForgotten:
      return "forgotten";
  }
  return "";
}

Moves::Moves(const Clock& clock, Networks& networks, MoveTable& table, Host host)
    : clock_(clock), networks_(networks), table_(table), host_(std::move(host)) {
  networks_.SetForgotten([this](std::uint32_t vni, const net::MacAddress& mac) {
    if (Move* move = FindMove(vni, mac)) Finish(*move, MoveState::kForgotten);
  });
}

Moves::~Moves() { networks_.SetForgotten({}); }

bool Moves::IsArmed(const Move& move) {
  const MoveState state = move.record.state;
  return state == MoveState::kArmed || state == MoveState::kHolding || state == MoveState::kExpired;
}

Moves::Move* Moves::FindMove(std::uint32_t vni, const net::MacAddress& mac) {
  const auto it = moves_.find({vni, mac});
  return it == moves_.end() ? nullptr : &it->second;
}

const Moves::Move* Moves::FindMove(std::uint32_t vni, const net::MacAddress& mac) const {
  const auto it = moves_.find({vni, mac});
  return it == moves_.end() ? nullptr : &it->second;
}

// What workers have acted on.

void Moves::AfterAll(std::function<void()> then) {
  const std::uint64_t epoch = table_.epoch.fetch_add(1, std::memory_order_release) + 1;
  host_.wake_workers();
  barriers_.push_back({epoch, std::move(then)});
}

void Moves::AfterAll(const Move& move, void (Moves::*then)(Move&)) {
  AfterAll([this, vni = move.record.vni, mac = move.record.mac, epoch = move.record.epoch, then] {
    Move* still = FindMove(vni, mac);
    if (still != nullptr && still->record.epoch == epoch) (this->*then)(*still);
  });
}

bool Moves::HasWork() const { return !barriers_.empty() && host_.passed(barriers_.front().epoch); }

// The move happens.

void Moves::Activate(Move& move) {
  if (move.record.role == MoveRole::kDestination) {
    ActivateHere(move);
    return;
  }
  Record& record = move.record;
  record.state = MoveState::kActivated;
  record.activated = clock_.Now();
  Place place = record.to;
  place.move = move.id;
  // The place first: a frame of whoever sees the phase must find it, see PassMoving.
  networks_.SetPlace(record.vni, record.mac, place, record.epoch);
  if (record.role == MoveRole::kSource) {
    EntryOf(move).phase.store(MovePhase::kRedirect, std::memory_order_release);
    AfterAll(move, &Moves::Settle);
  } else {
    SetDeadline(move, record.activated + times_.gate);
    AfterAll(move, &Moves::SendFence);
  }
}

void Moves::ActivateHere(Move& move) {
  Record& record = move.record;
  record.state = MoveState::kActivated;
  record.activated = clock_.Now();
  SetDeadline(move, record.activated + times_.gate);
  CloseGates(move);
  Place place = record.to;
  place.move = move.id;
  networks_.SetPlace(record.vni, record.mac, place, record.epoch);
  for (const std::uint32_t slot : networks_.Find(record.vni)->routers) {
    SendUntilAcknowledged(slot,
                          {.type = MoveMessageType::kActivate,
                           .vni = record.vni,
                           .mac = record.mac,
                           .epoch = record.epoch,
                           .subject = OwnVtep(slot)},
                          record.activated + times_.give_up);
  }
  AfterAll(move, &Moves::SendFence);
}

// For all who may have sent to the endpoint by the source; the source's own come by no other way.
void Moves::CloseGates(Move& move) {
  const std::set<std::uint32_t>& routers = networks_.Find(move.record.vni)->routers;
  move.gates = std::make_unique<MoveGates>(routers.empty() ? 1 : *routers.rbegin() + 2);
  move.gates->closed[0] = true;
  for (const std::uint32_t slot : routers) {
    move.gates->closed[slot + 1] = slot != move.record.from.index;
  }
  MoveEntry& entry = EntryOf(move);
  entry.gates.store(move.gates.get(), std::memory_order_release);
  entry.phase.store(MovePhase::kGated, std::memory_order_release);
}

void Moves::OpenGate(Move& move, std::uint32_t gate) {
  if (move.gates == nullptr || gate >= move.gates->closed.size()) return;
  move.gates->closed[gate].store(false, std::memory_order_release);
  const bool all_open = std::ranges::none_of(move.gates->closed, [](const auto& closed) {
    return closed.load(std::memory_order_relaxed);
  });
  if (all_open) {
    AfterAll(move, &Moves::Settle);
  } else {
    AfterAll([] {});
  }
}

void Moves::OpenAllGates(Move& move) {
  for (auto& closed : move.gates->closed) closed.store(false, std::memory_order_release);
  AfterAll(move, &Moves::Settle);
}

// Every worker has sent what it had by the old way: the fence goes behind it.
void Moves::SendFence(Move& move) {
  const Record& record = move.record;
  const std::uint32_t source = record.from.index;
  SendUntilAcknowledged(source,
                        {.type = MoveMessageType::kFence,
                         .vni = record.vni,
                         .mac = record.mac,
                         .epoch = record.epoch,
                         .subject = OwnVtep(source)},
                        clock_.Now() + times_.gate);
}

void Moves::Settle(Move& move) {
  if (move.record.state != MoveState::kActivated) return;
  move.record.state = MoveState::kSettled;
  move.record.settled = clock_.Now();
  SetDeadline(move, clock_.Now() + times_.grace);
}

void Moves::Finish(Move& move, MoveState state) {
  Record& record = move.record;
  record.state = state;
  record.ended = clock_.Now();
  EntryOf(move).phase.store(MovePhase::kEnded, std::memory_order_release);
  ended_.push_back(Describe(move));
  if (ended_.size() > kMaxEnded) ended_.pop_front();
  // Frames that waited go first: the endpoint has the number until they have gone.
  AfterAll([this, id = move.id, vni = record.vni, mac = record.mac] {
    if (const auto endpoint = networks_.FindEndpoint(vni, mac);
        endpoint && endpoint->place.move == id) {
      Place place = endpoint->place;
      place.move = 0;
      networks_.SetPlace(vni, mac, place, endpoint->epoch);
    }
    // A worker may have read the number just before: once more.
    AfterAll([this, id] { free_ids_.push_back(id); });
  });
  if (move.gates != nullptr) {
    EntryOf(move).gates.store(nullptr, std::memory_order_release);
    host_.retire(std::move(move.gates));
  }
  moves_.erase({record.vni, record.mac});
}

void Moves::OnActive(std::uint16_t id) {
  for (auto& [key, move] : moves_) {
    if (move.id != id) continue;
    if (move.record.role == MoveRole::kDestination && move.record.state == MoveState::kArmed) {
      Activate(move);
    }
    return;
  }
}

// Time.

void Moves::Poll(Time now) {
  while (!barriers_.empty() && host_.passed(barriers_.front().epoch)) {
    const auto then = std::move(barriers_.front().then);
    barriers_.pop_front();
    then();
  }
  if (now < next_) return;
  next_ = Time::max();
  for (auto it = moves_.begin(); it != moves_.end();) {
    Move& move = (it++)->second;  // its end takes it out
    if (now >= move.deadline) PollMove(move);
  }
  PollOutgoing(now);
  for (const auto& [key, move] : moves_) next_ = std::min(next_, move.deadline);
}

void Moves::SetDeadline(Move& move, Time deadline) {
  move.deadline = deadline;
  next_ = std::min(next_, deadline);
}

// The time of its state is over.
void Moves::PollMove(Move& move) {
  move.deadline = Time::max();
  switch (move.record.state) {
    case MoveState::kHolding:
      move.record.state = MoveState::kExpired;
      EntryOf(move).phase.store(MovePhase::kExpired, std::memory_order_release);
      AfterAll([] {});
      return;
    case MoveState::kActivated:  // a fence has not come
      if (move.record.role == MoveRole::kDestination) {
        OpenAllGates(move);
      } else {
        Settle(move);
      }
      return;
    case MoveState::kSettled:
      Finish(move, MoveState::kFinished);
      return;
    default:
      return;
  }
}

Moves::Record Moves::Describe(const Move& move) const {
  Record record = move.record;
  const MoveEntry& entry = table_[move.id];
  record.held = entry.held.load(std::memory_order_relaxed);
  record.redirected = entry.redirected.load(std::memory_order_relaxed);
  record.hold_drops = entry.hold_drops.load(std::memory_order_relaxed);
  return record;
}

std::vector<Moves::Record> Moves::List() const {
  std::vector<Record> all(ended_.begin(), ended_.end());
  for (const auto& [key, move] : moves_) all.push_back(Describe(move));
  return all;
}

}  // namespace vireo
