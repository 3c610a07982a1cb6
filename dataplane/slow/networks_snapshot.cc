// What workers read of the networks, and the policy behind it.

#include "dataplane/slow/network_policy.h"
#include "dataplane/slow/networks.h"

namespace vireo {
namespace {

MeterProfile ProfileOf(const NetworkSpec& spec) {
  return {.peak = BucketRate::Of(spec.rate.peak_rate, spec.rate.peak_burst),
          .committed = BucketRate::Of(spec.rate.committed_rate, spec.rate.committed_burst),
          // A second's worth at once: what starts up asks for many of its neighbours.
          .broadcast = BucketRate::Of(spec.broadcast_rate, spec.broadcast_rate)};
}

}  // namespace

void Networks::WritePolicy(const Network& network, NetworkEntry& out) const {
  out.allowed_here = !RefusalOf(network.spec, own_);
  for (const std::uint32_t slot : network.routers) {
    if (!out.allowed_here || Explain(network, slot)) {
      out.forbidden.push_back(slot);
      continue;
    }
    out.routers.push_back(slot);
    if (out.allowed.size() <= slot / 64) out.allowed.resize(slot / 64 + 1);
    out.allowed[slot / 64] |= std::uint64_t{1} << slot % 64;
  }
}

std::optional<std::string> Networks::Explain(const Network& network, std::uint32_t slot) const {
  const RouterSpec* router = FindRouter(slot);
  if (router == nullptr) return "peer " + std::to_string(slot) + " is no router";
  if (auto refusal = RefusalOf(network.spec, *router)) return refusal;
  return RefusalOf(network.spec, suite_of_(slot));
}

Result<std::optional<std::string>> Networks::ExplainPolicy(
    std::uint32_t vni, std::optional<std::uint32_t> peer_slot) const {
  const Network* network = Find(vni);
  if (network == nullptr) {
    return Error{ErrorCode::kNotFound, "network " + std::to_string(vni) + " does not exist"};
  }
  return peer_slot ? Explain(*network, *peer_slot) : RefusalOf(network->spec, own_);
}

void Networks::WriteNetworks(Snapshot& snapshot) const {
  snapshot.vtep_v4 = own_v4_;
  snapshot.vtep_v6 = own_v6_;
  snapshot.endpoints = &table_;
  if (networks_.empty()) return;
  snapshot.networks.resize(next_id_);
  for (const auto& [vni, entry] : networks_) {
    const Network& network = entry.network;
    NetworkEntry& out = snapshot.networks[network.id];
    out.vni = vni;
    out.flood = network.spec.flood;
    out.ports.assign(network.ports.begin(), network.ports.end());
    WritePolicy(network, out);
    out.tunnel_tos = static_cast<std::uint8_t>(network.spec.dscp.value_or(0) << 2);
    out.meter = ProfileOf(network.spec);
    for (const PortId port : out.ports) {
      snapshot.ports[port].network = network.id;
      if (out.meter.limited()) snapshot.ports[port].meter = meters_.at(port).get();
    }
  }
  snapshot.vnis = VniIndex(snapshot.networks);
  WriteTenants(snapshot);
}

}  // namespace vireo
