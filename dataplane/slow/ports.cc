// A router's ports: how they come and go while workers run.
//
// Theory of operation. A removed port leaves the next snapshot, so a worker that has loaded that
// one cannot reach it any more; it is closed once every worker has passed a quiescent point. Its id
// may still be in packets that wait between workers and slow path, so it is given to another port
// only after those are gone too (RetireRemoved). Until then such packets end as port_gone.
//
// Invariant: ports_, port_options_ and links_ have the same size; at the id of a removed port there
// are nullptr, the default options (an access port that nothing leads to) and nullptr.

#include <algorithm>
#include <string>
#include <thread>

#include "dataplane/slow/kernel_link.h"
#include "dataplane/slow/owned_link.h"
#include "dataplane/slow/router.h"

namespace vireo {

Result<std::unique_ptr<EthernetLink>> Router::MakeLink(Port& port, const PortOptions& options) {
  EthernetLink::Host& host = *this;
  if (port.info().link != Link::kEthernet || options.bridged) {
    return std::unique_ptr<EthernetLink>();
  }
  if (!options.kernel_neighbours) {
    return std::unique_ptr<EthernetLink>(std::make_unique<OwnedLink>(clock_, port, options, host));
  }
  auto link = KernelLink::Open(clock_, port, options, host);
  if (!link) return link.error();
  return std::unique_ptr<EthernetLink>(std::move(link).value());
}

Result<PortId> Router::AddPort(std::unique_ptr<Port> port, PortOptions options) {
  const std::string& name = port->info().name;
  if (FindPort(name)) {
    return Error{ErrorCode::kAlreadyExists,
                 "port \"" + name + "\" exists already; remove it first or choose another name"};
  }
  const bool reuse = !free_port_ids_.empty();
  if (!reuse && ports_.size() == kNoPort) {
    return Error{ErrorCode::kExhausted, "no more than 65535 ports on one router"};
  }
  const PortId id = reuse ? free_port_ids_.back() : static_cast<PortId>(ports_.size());
  port->set_id(id);
  auto link = MakeLink(*port, options);
  if (!link) return link.error();
  if (reuse) {
    free_port_ids_.pop_back();
  } else {
    ports_.resize(id + std::size_t{1});
    port_options_.resize(ports_.size());
    links_.resize(ports_.size());
  }
  // A port that is quiet says so at once, not only when something else wakes the slow path.
  if (options.bridged) {
    port->OnQuietChange([this] {
      quiet_changed_.store(true);
      link_.doorbell.Ring();
    });
  }
  links_[id] = std::move(link).value();
  ports_[id] = std::move(port);
  // Peers may have another way now.
  underlays_dirty_ |= options.role == PortRole::kUplink;
  port_options_[id] = std::move(options);
  dirty_ = true;
  ports_changed_ = true;
  return id;
}

Status Router::RemovePort(PortId id) {
  if (id >= ports_.size() || ports_[id] == nullptr) {
    return Error{ErrorCode::kNotFound, "port " + std::to_string(id) + " does not exist"};
  }
  const std::string name = "port \"" + ports_[id]->info().name + "\"";
  if (port_options_[id].role == PortRole::kUplink) {
    return Error{ErrorCode::kUnsupported,
                 name +
                     " is an uplink, which stays as long as the router runs; take it out of the "
                     "configuration and restart"};
  }
  if (moves_.IsArmedAt(id)) {
    return Error{ErrorCode::kConflict,
                 name + " has an endpoint that is about to move; disarm the move first"};
  }
  if (networks_.VniOfPort(id) != 0) {
    if (auto detached = networks_.DetachPort(id); !detached) return detached;
  }
  if (id < quiet_.size() && quiet_[id]) {
    quiet_[id] = false;
    moves_.OnPortQuiet(id, false);
  }
  links_[id].reset();  // drops what waits for neighbours
  port_options_[id] = {};
  removed_ports_.push_back(std::move(ports_[id]));
  dirty_ = true;
  ports_changed_ = true;
  return {};
}

std::optional<PortId> Router::FindPort(std::string_view name) const {
  const auto it = std::ranges::find_if(
      ports_, [&](const auto& port) { return port != nullptr && port->info().name == name; });
  if (it == ports_.end()) return std::nullopt;
  return (*it)->id();
}

// What Commit does about ports, after it has published the snapshot.
void Router::CommitPorts() {
  if (!std::exchange(ports_changed_, false)) return;
  for (auto& port : removed_ports_) {
    removed_port_ids_.push_back(port->id());
    ++closing_ports_;
    quiescence_.Defer([this, held = std::shared_ptr<Port>(std::move(port))]() mutable {
      held.reset();
      --closing_ports_;
    });
  }
  removed_ports_.clear();
  for (auto& worker : workers_) {
    worker->port_changes.fetch_add(1, std::memory_order_release);
    worker->doorbell.Ring();
  }
}

bool Router::AwaitPortsClosed(std::chrono::milliseconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  for (;;) {
    Process();
    if (closing_ports_ == 0) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::yield();
  }
}

void Router::FollowQuietPorts() {
  quiet_changed_.store(false);  // before the look: what changes later is seen next time
  quiet_.resize(ports_.size());
  for (PortId id = 0; id < ports_.size(); ++id) {
    if (!port_options_[id].bridged || ports_[id]->quiet() == quiet_[id]) continue;
    quiet_[id] = !quiet_[id];
    moves_.OnPortQuiet(id, quiet_[id]);
  }
}

}  // namespace vireo
