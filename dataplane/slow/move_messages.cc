// What routers tell each other about moves: sent until acknowledged, believed only from whom they
// are to come.

#include <algorithm>
#include <array>

#include "dataplane/slow/moves.h"

namespace vireo {

using net::MoveMessage;
using net::MoveMessageType;

bool Moves::OnMessage(std::uint32_t from_slot, ConstBytes bytes) {
  const auto message = net::ParseMoveMessage(bytes);
  if (!message) return false;
  const Networks::Network* network = networks_.Find(message->vni);
  if (network == nullptr || !network->routers.contains(from_slot)) return false;
  switch (message->type) {
    case MoveMessageType::kActivate:
      OnActivate(from_slot, *message);
      return true;
    case MoveMessageType::kFence:
      OnFence(from_slot, *message);
      return true;
    case MoveMessageType::kRelay:
      OnRelay(from_slot, *message);
      return true;
    case MoveMessageType::kAck: {
      const Key key{from_slot,    message->acked, message->vni,
                    message->mac, message->epoch, message->subject};
      if (outgoing_.erase(key) == 0 || message->acked != MoveMessageType::kFence) return true;
      Move* move = FindMove(message->vni, message->mac);
      if (move != nullptr && move->record.epoch == message->epoch &&
          move->record.role == MoveRole::kWitness) {
        Settle(*move);
      }
      return true;
    }
  }
  return false;
}

bool Moves::IsPast(const MoveMessage& message) const {
  const auto endpoint = networks_.FindEndpoint(message.vni, message.mac);
  return endpoint && endpoint->epoch >= message.epoch;
}

void Moves::OnActivate(std::uint32_t from_slot, const MoveMessage& message) {
  Move* move = FindMove(message.vni, message.mac);
  const bool armed = move != nullptr && IsArmed(*move) && move->record.epoch == message.epoch;
  if (armed) {
    // Only the router that the move was armed for may say that it has happened.
    if (!move->record.to.Is(Place::Kind::kRouter, from_slot)) return;
    Activate(*move);
  } else if (!IsPast(message)) {
    return;  // we may not have been told of the move yet: the destination says it again
  }
  Acknowledge(from_slot, message);
}

void Moves::OnFence(std::uint32_t from_slot, const MoveMessage& message) {
  if (!IsPast(message)) return;  // we have not been told yet, and still hold what came before it
  Move* move = FindMove(message.vni, message.mac);
  const bool ours = move != nullptr && move->record.role == MoveRole::kSource &&
                    move->record.epoch == message.epoch;
  if (!ours) {
    Acknowledge(from_slot, message);  // long over
    return;
  }
  // All that this router sent before is out once every worker has acted on what it holds now.
  AfterAll([this, from_slot, message, destination = move->record.to.index] {
    MoveMessage relay = message;
    relay.type = MoveMessageType::kRelay;
    SendUntilAcknowledged(destination, relay, clock_.Now() + times_.gate);
    Acknowledge(from_slot, message);
  });
}

void Moves::OnRelay(std::uint32_t from_slot, const MoveMessage& message) {
  Move* move = FindMove(message.vni, message.mac);
  if (move != nullptr && move->record.epoch == message.epoch &&
      move->record.role == MoveRole::kDestination) {
    if (!move->record.from.Is(Place::Kind::kRouter, from_slot)) return;
    if (message.subject == OwnVtep(from_slot)) {
      OpenGate(*move, 0);
    } else if (const auto slot = SlotOfVtep(message.subject)) {
      OpenGate(*move, *slot + 1);
    }
  } else if (!IsPast(message)) {
    return;
  }
  Acknowledge(from_slot, message);
}

void Moves::Acknowledge(std::uint32_t to_slot, const MoveMessage& message) {
  MoveMessage answer = message;
  answer.type = MoveMessageType::kAck;
  answer.acked = message.type;
  Send(to_slot, answer);
}

void Moves::SendUntilAcknowledged(std::uint32_t to_slot, const MoveMessage& message, Time give_up) {
  const auto [it, added] = outgoing_.try_emplace(
      Key{to_slot, message.type, message.vni, message.mac, message.epoch, message.subject});
  if (!added) return;  // said already, and said again when it is time
  it->second = {.next = clock_.Now() + times_.first_retry,
                .give_up = give_up,
                .interval = times_.first_retry};
  next_ = std::min(next_, it->second.next);
  Send(to_slot, message);
}

void Moves::Send(std::uint32_t to_slot, const MoveMessage& message) {
  std::array<std::byte, net::kMoveMessageSize> bytes;
  net::BuildMoveMessage(message, bytes);
  host_.send(to_slot, bytes);
}

void Moves::PollOutgoing(Time now) {
  for (auto it = outgoing_.begin(); it != outgoing_.end();) {
    const auto& [slot, type, vni, mac, epoch, subject] = it->first;
    Outgoing& outgoing = it->second;
    if (now >= outgoing.next) {
      const Networks::Network* network = networks_.Find(vni);
      if (now >= outgoing.give_up || network == nullptr || !network->routers.contains(slot)) {
        it = outgoing_.erase(it);
        continue;
      }
      Send(slot, {.type = type, .vni = vni, .mac = mac, .epoch = epoch, .subject = subject});
      outgoing.interval = std::min(outgoing.interval * 2, times_.longest_retry);
      outgoing.next = now + outgoing.interval;
    }
    next_ = std::min(next_, outgoing.next);
    ++it;
  }
}

// By which the other router knows us.
net::IpAddress Moves::OwnVtep(std::uint32_t to_slot) const {
  const RouterSpec* router = networks_.FindRouter(to_slot);
  return router != nullptr ? networks_.own_vtep(router->vtep.family) : net::IpAddress{};
}

std::optional<std::uint32_t> Moves::SlotOfVtep(const net::IpAddress& vtep) const {
  for (const auto& [slot, router] : networks_.routers()) {
    if (router.vtep == vtep) return slot;
  }
  return std::nullopt;
}

}  // namespace vireo
