#include "dataplane/slow/path_probes.h"

#include <algorithm>
#include <array>

#include "dataplane/net/headers.h"
#include "dataplane/wg/limits.h"

namespace vireo {

using net::PathProbe;
using net::PathProbeType;

std::uint16_t PathProbes::HeadersTo(std::uint32_t slot) const {
  const RouterSpec* router = networks_.FindRouter(slot);
  if (router == nullptr) return 0;
  return static_cast<std::uint16_t>(
      (router->vtep.is_v4() ? sizeof(net::Ipv4Header) : sizeof(net::Ipv6Header)) +
      sizeof(net::UdpHeader));
}

void PathProbes::FollowRouters() {
  if (!enabled_) return;
  std::erase_if(entries_,
                [&](const auto& entry) { return networks_.FindRouter(entry.first) == nullptr; });
  for (const auto& [slot, router] : networks_.routers()) {
    if (entries_.try_emplace(slot).second) next_ = clock_.Now();
  }
}

void PathProbes::Poll(Time now) {
  if (now < next_) return;
  next_ = Time::max();
  unsigned attempts = 0;
  for (auto& [slot, entry] : entries_) {
    if (now >= entry.next) {
      if (attempts == kAttempts) {
        next_ = std::min(next_, now + kPause);
        continue;
      }
      if (PollOne(slot, entry, now)) ++attempts;
    }
    next_ = std::min(next_, entry.next);
  }
}

bool PathProbes::PollOne(std::uint32_t slot, Entry& entry, Time now) {
  const auto way = host_.way(slot);
  if (!way || way->largest < PathMtu::kHello) {
    entry.next = now + PathMtu::kConfirmTimer;
    return false;
  }
  const std::uint16_t before = MtuOf(slot).value_or(way->configured);
  Follow(entry, *way, now);
  PathMtu& mtu = *entry.mtu;
  std::optional<std::uint16_t> size;
  if (now >= mtu.next()) size = mtu.Poll(now, TakeActivity(entry, *way));
  if (size) Send(slot, entry, *size);
  entry.next = mtu.next();
  Tell(slot, entry, before);
  return size.has_value();
}

void PathProbes::Follow(Entry& entry, const Way& way, Time now) {
  if (!entry.mtu) {
    entry.mtu.emplace(way.configured, way.largest, way.outer, now);
  } else if (entry.remote != way.remote || entry.port != way.port) {
    entry.mtu->Restart(way.largest, way.outer, now);
  }
  entry.remote = way.remote;
  entry.port = way.port;
}

bool PathProbes::TakeActivity(Entry& entry, const Way& way) {
  const std::uint64_t sent = way.payload_bytes - entry.payload_bytes;
  entry.payload_bytes = way.payload_bytes;
  return sent > std::exchange(entry.own_bytes, 0);
}

void PathProbes::Send(std::uint32_t slot, Entry& entry, std::uint16_t size) {
  if (entry.trial != entry.mtu->trial()) {
    entry.trial = entry.mtu->trial();
    entry.token = random_.Next64();
  }
  const std::uint16_t smallest = static_cast<std::uint16_t>(HeadersTo(slot) + net::kPathProbeSize);
  const auto send = [&](std::uint16_t packet_size) {
    std::array<std::byte, net::kPathProbeSize> message;
    net::BuildPathProbe({.size = packet_size, .token = entry.token}, message);
    host_.send(slot, message, static_cast<std::uint16_t>(packet_size - smallest), true);
    entry.own_bytes += packet_size + wg::kPaddingMultiple;
  };
  send(PathMtu::kHello);
  if (size != PathMtu::kHello) send(size);
}

bool PathProbes::OnMessage(std::uint32_t from_slot, ConstBytes message) {
  const auto probe = net::ParsePathProbe(message);
  const std::uint16_t headers = HeadersTo(from_slot);
  if (!probe || headers == 0) return false;
  const auto entry = entries_.find(from_slot);
  if (probe->type == PathProbeType::kProbe) {
    if (message.size() + headers != probe->size) return false;
    PathProbe answer = *probe;
    answer.type = PathProbeType::kAck;
    std::array<std::byte, net::kPathProbeSize> bytes;
    net::BuildPathProbe(answer, bytes);
    host_.send(from_slot, bytes, 0, false);
    if (entry != entries_.end()) {
      entry->second.own_bytes += headers + bytes.size() + wg::kPaddingMultiple;
    }
    return true;
  }
  if (entry == entries_.end() || !entry->second.mtu || entry->second.trial == 0 ||
      probe->token != entry->second.token) {
    return true;  // of a trial that is over
  }
  const std::uint16_t before = entry->second.mtu->mtu();
  entry->second.mtu->OnAck(probe->size, clock_.Now());
  entry->second.next = entry->second.mtu->next();
  next_ = std::min(next_, entry->second.next);
  Tell(from_slot, entry->second, before);
  return true;
}

void PathProbes::Tell(std::uint32_t slot, const Entry& entry, std::uint16_t before) {
  if (entry.mtu->mtu() != before) host_.changed(slot);
}

std::optional<std::uint16_t> PathProbes::MtuOf(std::uint32_t slot) const {
  const auto entry = entries_.find(slot);
  if (entry == entries_.end() || !entry->second.mtu) return std::nullopt;
  return entry->second.mtu->mtu();
}

std::string_view PathProbes::StateOf(std::uint32_t slot) const {
  const auto entry = entries_.find(slot);
  if (entry == entries_.end() || !entry->second.mtu) return "configured";
  return Name(entry->second.mtu->state());
}

}  // namespace vireo
