#include <array>

#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "ctrl/cli/table.h"
#include "ctrl/cli/units.h"
#include "dataplane/base/encoding.h"
#include "dataplane/net/address.h"

namespace vireo::cli {
namespace {

// Since the move was armed.
std::string After(std::uint64_t ns) {
  return ns == 0 ? "-" : std::to_string(ns / 1'000'000) + " ms";
}

// Fills what all requests about one move have. Fails with a message if the MAC is none.
template <typename Request>
bool Name(const MoveOptions& options, Request& request) {
  const auto mac = net::MacAddress::Parse(options.mac);
  if (!mac) return false;
  request.set_vni(options.vni);
  request.set_mac(mac->bytes.data(), mac->bytes.size());
  return true;
}

ExitCode NoMac(const Context& context, const MoveOptions& options) {
  return context.Fail(kUsage, "\"" + options.mac + "\" is no MAC; write 02:00:00:00:00:01");
}

ExitCode Say(const Context& context, const v1::Request& request, const MoveOptions& options,
             const char* done) {
  Dataplane dataplane(context);
  if (!dataplane.Ask(request)) return dataplane.failure();
  if (!context.json) {
    context.out() << "endpoint " << options.mac << " of network " << options.vni << ": " << done
                  << '\n';
  }
  return kOk;
}

}  // namespace

ExitCode ShowMoves(const Context& context) {
  Dataplane dataplane(context);
  v1::Request request;
  request.mutable_list_moves();
  const auto response = dataplane.Ask(request);
  if (!response) return dataplane.failure();
  if (context.json) {
    context.out() << ToJson(response->list_moves());
    return kOk;
  }
  Table table({{"NETWORK", Align::kRight},
               {"MAC"},
               {"EPOCH", Align::kRight},
               {"ROLE"},
               {"STATE"},
               {"QUIET", Align::kRight},
               {"ACTIVATED", Align::kRight},
               {"SETTLED", Align::kRight},
               {"HELD", Align::kRight},
               {"REDIRECTED", Align::kRight},
               {"DROPPED", Align::kRight}});
  for (const v1::Move& move : response->list_moves().moves()) {
    table.Add({std::to_string(move.vni()), MacText(move.mac()), std::to_string(move.epoch()),
               move.role(), move.state(), After(move.held_ns()), After(move.activated_ns()),
               After(move.settled_ns()), std::to_string(move.held()),
               std::to_string(move.redirected()), std::to_string(move.dropped())});
  }
  table.Print(context.out(), context.environment.color);
  return kOk;
}

ExitCode ArmMove(const Context& context, const MoveOptions& options) {
  v1::Request request;
  v1::ArmMoveRequest& arm = *request.mutable_arm_move();
  if (!Name(options, arm)) return NoMac(context, options);
  arm.set_epoch(options.epoch);
  if (options.router.empty() == options.port.empty()) {
    return context.Fail(kUsage,
                        "give either --to-router KEY or, at the destination, --to-port NAME");
  }
  if (!options.port.empty()) {
    arm.set_port(options.port);
  } else {
    std::array<std::byte, 32> key;
    if (!FromBase64(options.router, key)) {
      return context.Fail(kUsage, "\"" + options.router + "\" is no public key of a router");
    }
    arm.set_router(key.data(), key.size());
  }
  return Say(context, request, options, "move armed");
}

ExitCode HoldMove(const Context& context, const MoveOptions& options) {
  v1::Request request;
  if (!Name(options, *request.mutable_hold_move())) return NoMac(context, options);
  return Say(context, request, options, "frames to it wait");
}

ExitCode DisarmMove(const Context& context, const MoveOptions& options) {
  v1::Request request;
  v1::DisarmMoveRequest& disarm = *request.mutable_disarm_move();
  if (!Name(options, disarm)) return NoMac(context, options);
  disarm.set_epoch(options.epoch);
  return Say(context, request, options, "move called off");
}

}  // namespace vireo::cli
