#include "dataplane/slow/kernel_link.h"

#include <algorithm>

namespace vireo {
namespace {

constexpr Duration kIdleLook = std::chrono::seconds(1);
constexpr Duration kBusyLook = std::chrono::milliseconds(10);

}  // namespace

Result<std::unique_ptr<KernelLink>> KernelLink::Open(const Clock& clock, Port& port,
                                                     const PortOptions& options,
                                                     EthernetLink::Host& host) {
  auto netlink = NetlinkNeighbours::Open(options.interface);
  if (!netlink) return netlink.error();
  return std::unique_ptr<KernelLink>(
      new KernelLink(clock, port, options, host, std::move(netlink).value()));
}

KernelLink::KernelLink(const Clock& clock, Port& port, const PortOptions& options,
                       EthernetLink::Host& host, std::unique_ptr<NetlinkNeighbours> netlink)
    : clock_(clock), port_(port), options_(options), host_(host), netlink_(std::move(netlink)) {
  addresses_ = Addresses();
}

KernelLink::~KernelLink() {
  for (const Waiting& waiting : waiting_) FreePacket(waiting.packet);
}

// Steering leaves everything but WireGuard to the kernel.
void KernelLink::Take(Packet* packet) { host_.Drop(packet, DropReason::kNotForUs); }

std::vector<net::IpAddress> KernelLink::Addresses() const {
  std::vector<net::IpAddress> addresses;
  if (const auto owned = netlink_->Addresses()) {
    for (const OwnedAddress& address : owned.value()) addresses.push_back(address.address);
  }
  return addresses;
}

bool KernelLink::HasRoute(const net::IpAddress& remote) const {
  return netlink_->Find(remote).ok();
}

void KernelLink::Resolve(UnderlayPath& path) {
  const auto way = netlink_->Find(path.remote.address);
  if (!way) return;
  const NetlinkNeighbours::Path& found = way.value();
  if (used_.insert(found.neighbour).second || !found.mac) (void)netlink_->Use(found.neighbour);
  if (!found.mac) return;
  WriteUnderlayHeader(path, {port_.info().mac, options_.vlan, options_.listen_port}, found.source,
                      *found.mac);
}

void KernelLink::WaitForNeighbour(Packet* packet) {
  Meta(packet).peer = nullptr;  // it may wait for longer than the peer lives
  if (waiting_.size() == kWaitingPackets) {
    host_.Drop(waiting_.front().packet, DropReason::kNeighbourUnresolved);
    waiting_.pop_front();
  }
  waiting_.push_back({packet, clock_.Now() + kWaitTime});
  SendWaiting(clock_.Now());
}

void KernelLink::SendWaiting(Time now) {
  std::deque<Waiting> still;
  for (const Waiting& waiting : waiting_) {
    UnderlayPath path;
    path.remote = Meta(waiting.packet).remote;
    path.resolved = false;
    Resolve(path);
    if (path.resolved) {
      PrependOuterHeader(waiting.packet, path);
      Meta(waiting.packet).kind = PacketKind::kRaw;
      Meta(waiting.packet).out_port = port_.id();
      host_.Send(waiting.packet);
    } else if (waiting.deadline <= now) {
      host_.Drop(waiting.packet, DropReason::kNeighbourUnresolved);
    } else {
      still.push_back(waiting);
    }
  }
  waiting_ = std::move(still);
  next_look_ = now + (waiting_.empty() ? kIdleLook : kBusyLook);
}

void KernelLink::Poll(Time now) {
  if (netlink_->Process().any()) {
    addresses_ = Addresses();
    host_.NeighboursChanged();
  }
  if (now >= next_use_) {
    for (const net::IpAddress& neighbour : used_) (void)netlink_->Use(neighbour);
    next_use_ = now + kUseInterval;
  }
  if (now >= next_look_) SendWaiting(now);
}

Time KernelLink::NextDeadline() const { return std::min(next_look_, next_use_); }

}  // namespace vireo
