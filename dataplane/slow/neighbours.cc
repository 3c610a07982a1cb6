#include "dataplane/slow/neighbours.h"

#include <algorithm>
#include <utility>

#include "dataplane/net/arp.h"
#include "dataplane/net/neighbour_discovery.h"

namespace vireo {

Neighbours::Neighbours(const LinkIdentity& link, const LinkRoutes* routes, Output* output,
                       const Limits& limits)
    : link_(link), routes_(routes), output_(output), limits_(limits) {}

Neighbours::~Neighbours() {
  for (auto& [address, entry] : entries_) DropWaiting(entry);
}

void Neighbours::Start(Time now) {
  announcements_left_ = kAnnouncements;
  Announce(now);
}

bool Neighbours::ReceiveArp(ConstBytes message, Time now) {
  const auto arp = net::ParseArp(message);
  if (!arp) return false;
  if (arp->sender_mac == link_.mac) return true;  // our own, sent back by a switch's loop
  if (routes_->Owns(arp->sender_ip)) {
    Defend(arp->sender_ip, arp->sender_mac, now);
    return true;
  }
  const bool for_us = routes_->Owns(arp->target_ip);
  const bool is_request = arp->operation == net::ArpOperation::kRequest;
  if (!arp->IsProbe()) {
    Learn({.neighbour = arp->sender_ip, .mac = arp->sender_mac, .solicited = for_us && !is_request},
          now);
  }
  if (for_us && is_request) output_->SendFrame(NeighbourFrame::Reply(link_, *arp).bytes());
  return true;
}

bool Neighbours::ReceiveIcmpv6(ConstBytes packet, const net::MacAddress& sender, Time now) {
  if (sender.IsMulticast()) return false;
  if (const auto solicitation = net::ParseNeighbourSolicitation(packet)) {
    ReceiveSolicitation(*solicitation, solicitation->link_address.value_or(sender), now);
    return true;
  }
  if (const auto advertisement = net::ParseNeighbourAdvertisement(packet)) {
    ReceiveAdvertisement(*advertisement, advertisement->link_address.value_or(sender), now);
    return true;
  }
  return false;
}

void Neighbours::ReceiveSolicitation(const net::NeighbourSolicitation& solicitation,
                                     const net::MacAddress& sender, Time now) {
  if (!routes_->Owns(solicitation.target) || sender == link_.mac) return;
  if (routes_->Owns(solicitation.source)) {
    Defend(solicitation.source, sender, now);
    return;
  }
  Learn({.neighbour = solicitation.source, .mac = solicitation.link_address}, now);
  output_->SendFrame(NeighbourFrame::Reply(link_, solicitation, sender).bytes());
}

void Neighbours::ReceiveAdvertisement(const net::NeighbourAdvertisement& advertisement,
                                      const net::MacAddress& sender, Time now) {
  if (sender == link_.mac) return;
  if (routes_->Owns(advertisement.target)) {
    Defend(advertisement.target, sender, now);
    return;
  }
  Learn({.neighbour = advertisement.target,
         .mac = advertisement.link_address,
         .solicited = advertisement.solicited,
         .override = advertisement.override},
        now);
}

// RFC 4861 §7.2.3 and §7.2.5; ARP's claims fit in as those that override.
void Neighbours::Learn(const Claim& claim, Time now) {
  Entry* entry = FindEntry(claim.neighbour);
  if (entry == nullptr) return;
  if (!entry->has_mac()) {
    if (!claim.mac) return;
    entry->mac = *claim.mac;
    Enter(*entry, claim.solicited ? State::kReachable : State::kStale, now);
    output_->Resolved(entry->address, entry->mac);
    SendWaiting(*entry);
    return;
  }
  const bool differs = claim.mac && *claim.mac != entry->mac;
  if (differs && !claim.override) {
    if (entry->state == State::kReachable) Enter(*entry, State::kStale, now);
    return;
  }
  if (differs) entry->mac = *claim.mac;
  if (claim.solicited) {
    Enter(*entry, State::kReachable, now);
  } else if (differs) {
    Enter(*entry, State::kStale, now);
  }
  if (differs) output_->Resolved(entry->address, entry->mac);
}

void Neighbours::Send(const net::IpAddress& neighbour, PacketHandle packet, Time now) {
  Entry* entry = FindEntry(neighbour);
  if (entry == nullptr) {
    if (!MakeRoom()) {
      output_->DropPacket(packet);
      return;
    }
    entry = &Begin(neighbour, 0, now);
  }
  Use(*entry, now);
  if (entry->has_mac()) {
    output_->SendPacket(packet, entry->mac);
    return;
  }
  // The newest are the ones that are still worth something (RFC 4861 §7.2.2).
  if (entry->waiting.size() == kWaitingPackets) {
    output_->DropPacket(entry->waiting.front());
    entry->waiting.pop_front();
  }
  entry->waiting.push_back(packet);
}

std::optional<net::MacAddress> Neighbours::Watch(const net::IpAddress& neighbour, Time now) {
  Entry* entry = FindEntry(neighbour);
  if (entry == nullptr) {
    Begin(neighbour, 1, now);
    return std::nullopt;
  }
  Count(*entry, -1);
  ++entry->watches;
  Count(*entry, 1);
  Use(*entry, now);
  return Find(neighbour);
}

void Neighbours::Unwatch(const net::IpAddress& neighbour, Time now) {
  Entry* entry = FindEntry(neighbour);
  if (entry == nullptr || entry->watches == 0) return;
  Count(*entry, -1);
  --entry->watches;
  Count(*entry, 1);
  entry->used = now;
  const bool over = unwatched_ > limits_.entries || unresolved_ > limits_.unresolved;
  if (entry->watches == 0 && (over || entry->state == State::kFailed)) Erase(*entry);
}

std::optional<net::MacAddress> Neighbours::Find(const net::IpAddress& neighbour) const {
  const auto found = entries_.find(neighbour);
  if (found == entries_.end() || !found->second.has_mac()) return std::nullopt;
  return found->second.mac;
}

void Neighbours::Poll(Time now) {
  // Every call of OnDeadline leaves a later deadline or none.
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    OnDeadline(*FindEntry(deadlines_.begin()->second), now);
  }
  if (announcements_left_ > 0 && next_announcement_ <= now) Announce(now);
}

std::optional<Time> Neighbours::NextDeadline() const {
  std::optional<Time> next;
  if (!deadlines_.empty()) next = deadlines_.begin()->first;
  if (announcements_left_ > 0) next = std::min(next.value_or(Time::max()), next_announcement_);
  return next;
}

Neighbours::Entry* Neighbours::FindEntry(const net::IpAddress& neighbour) {
  const auto found = entries_.find(neighbour);
  return found == entries_.end() ? nullptr : &found->second;
}

Neighbours::Entry& Neighbours::Begin(const net::IpAddress& neighbour, unsigned watches, Time now) {
  Entry& entry = entries_[neighbour];
  entry.address = neighbour;
  entry.watches = watches;
  Count(entry, 1);
  Enter(entry, State::kIncomplete, now);
  return entry;
}

// For one more unwatched entry.
bool Neighbours::MakeRoom() {
  if (unresolved_ >= limits_.unresolved) return false;
  if (unwatched_ < limits_.entries) return true;
  Entry* oldest = nullptr;
  for (auto& [address, entry] : entries_) {
    if (entry.watches > 0 || !entry.has_mac()) continue;
    if (oldest == nullptr || entry.used < oldest->used) oldest = &entry;
  }
  if (oldest == nullptr) return false;
  Erase(*oldest);
  return true;
}

void Neighbours::Erase(Entry& entry) {
  DropWaiting(entry);
  SetDeadline(entry, std::nullopt);
  Count(entry, -1);
  entries_.erase(net::IpAddress(entry.address));
}

void Neighbours::Count(const Entry& entry, int sign) {
  if (entry.watches > 0) return;
  unwatched_ += static_cast<std::size_t>(sign);
  if (!entry.has_mac()) unresolved_ += static_cast<std::size_t>(sign);
}

void Neighbours::Use(Entry& entry, Time now) {
  entry.used = now;
  if (entry.state == State::kStale) Enter(entry, State::kDelay, now);
  if (entry.state == State::kFailed) Enter(entry, State::kIncomplete, now);
}

bool Neighbours::IsInUse(const Entry& entry, Time now) {
  return entry.watches > 0 || (entry.used && now < *entry.used + kReachableTime);
}

void Neighbours::SetDeadline(Entry& entry, std::optional<Time> deadline) {
  if (entry.deadline) deadlines_.erase({*entry.deadline, entry.address});
  entry.deadline = deadline;
  if (deadline) deadlines_.emplace(*deadline, entry.address);
}

void Neighbours::Enter(Entry& entry, State state, Time now) {
  if (state == State::kStale && IsInUse(entry, now)) state = State::kDelay;
  Count(entry, -1);
  entry.state = state;
  Count(entry, 1);
  entry.solicitations = 0;
  switch (state) {
    case State::kIncomplete:
    case State::kProbe:
      Solicit(entry, now);
      break;
    case State::kReachable:
      entry.confirmed = now;
      SetDeadline(entry, now + kRefreshTime);
      break;
    case State::kStale:
      SetDeadline(entry, std::nullopt);
      break;
    case State::kDelay:
      SetDeadline(entry, now + kDelayTime);
      break;
    case State::kFailed:
      SetDeadline(entry, now + kRetryTime);
      break;
  }
}

void Neighbours::OnDeadline(Entry& entry, Time now) {
  switch (entry.state) {
    case State::kIncomplete:
      entry.solicitations < kSolicitations ? Solicit(entry, now) : Fail(entry, now);
      break;
    case State::kProbe:
      entry.solicitations < 2 * kSolicitations ? Solicit(entry, now) : Fail(entry, now);
      break;
    case State::kReachable:
      if (IsInUse(entry, now)) {
        Enter(entry, State::kProbe, now);
      } else if (now < entry.confirmed + kReachableTime) {
        SetDeadline(entry, entry.confirmed + kReachableTime);
      } else {
        Enter(entry, State::kStale, now);
      }
      break;
    case State::kDelay:
      Enter(entry, State::kProbe, now);
      break;
    case State::kFailed:
      Enter(entry, State::kIncomplete, now);
      break;
    case State::kStale:
      SetDeadline(entry, std::nullopt);
      break;
  }
}

void Neighbours::Solicit(Entry& entry, Time now) {
  std::optional<net::MacAddress> known;
  if (entry.state == State::kProbe && entry.solicitations < kSolicitations) known = entry.mac;
  ++entry.solicitations;
  SetDeadline(entry, now + kRetransmitTime);
  const auto source = routes_->SourceFor(entry.address);
  if (!source) return;
  output_->SendFrame(NeighbourFrame::Solicit(link_, *source, entry.address, known).bytes());
}

void Neighbours::Fail(Entry& entry, Time now) {
  const net::IpAddress address = entry.address;
  DropWaiting(entry);
  if (entry.watches > 0) {
    Enter(entry, State::kFailed, now);
  } else {
    Erase(entry);
  }
  output_->Unreachable(address);
}

void Neighbours::SendWaiting(Entry& entry) {
  for (const PacketHandle packet : std::exchange(entry.waiting, {})) {
    output_->SendPacket(packet, entry.mac);
  }
}

void Neighbours::DropWaiting(Entry& entry) {
  for (const PacketHandle packet : std::exchange(entry.waiting, {})) output_->DropPacket(packet);
}

void Neighbours::Announce(Time now) {
  --announcements_left_;
  next_announcement_ = now + kAnnounceInterval;
  for (const OwnedAddress& owned : routes_->addresses()) {
    output_->SendFrame(NeighbourFrame::Announce(link_, owned.address).bytes());
  }
}

void Neighbours::Defend(const net::IpAddress& owned, const net::MacAddress& other, Time now) {
  auto defence = std::find_if(defences_.begin(), defences_.end(),
                              [&](const Defence& d) { return d.owned == owned; });
  if (defence == defences_.end()) {
    defence = defences_.insert(defences_.end(), {owned, now});
  }
  if (now < defence->next) return;
  defence->next = now + kDefendInterval;
  output_->Conflict(owned, other);
  output_->SendFrame(NeighbourFrame::Announce(link_, owned).bytes());
}

}  // namespace vireo
