// The commands of `vireo`. Each asks, prints, and returns the program's exit code.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/cli/cli.h"

namespace vireo::cli {

// Options that all commands share.
struct Context {
  const Environment& environment;
  std::string socket;  // empty: find it
  bool json = false;

  [[nodiscard]] std::ostream& out() const { return environment.out; }
  // Prints an error on one line and returns `code`.
  ExitCode Fail(ExitCode code, std::string_view message) const;
};

ExitCode ShowPeers(const Context& context);
// `peer`: public key, the beginning of one, or name.
ExitCode SetPeerSuite(const Context& context, const std::string& peer, const std::string& suite);

ExitCode ShowPorts(const Context& context);
// Texts and numbers as given; empty and 0: not said.
struct PortOptions {
  std::string name, kind, role = "bridged";
  std::string interface, device, mac, socket, mode;
  std::vector<std::string> addresses;
  std::uint32_t vlan = 0, mtu = 0, queues = 0;
  std::uint32_t vni = 0;  // network that it is attached to
};
ExitCode AddPort(const Context& context, const PortOptions& options);
ExitCode RemovePort(const Context& context, const std::string& name);

struct WorkerOptions {
  bool per_worker = false;
};
ExitCode ShowStats(const Context& context, const WorkerOptions& options);

struct DropOptions {
  bool all = false;  // also reasons that never came up
  bool per_worker = false;
};
ExitCode ShowDrops(const Context& context, const DropOptions& options);

ExitCode ShowNetworks(const Context& context);
// `vni` 0: of all networks.
ExitCode ShowEndpoints(const Context& context, std::uint32_t vni);
ExitCode ShowRoutes(const Context& context);

// Texts as given. `router` or `port`: the destination.
struct MoveOptions {
  std::uint32_t vni = 0;
  std::string mac;
  std::uint64_t epoch = 0;
  std::string router;
  std::string port;
};
ExitCode ShowMoves(const Context& context);
ExitCode ArmMove(const Context& context, const MoveOptions& options);
ExitCode HoldMove(const Context& context, const MoveOptions& options);
ExitCode DisarmMove(const Context& context, const MoveOptions& options);
// `file`: an ApplyRequest in protobuf's JSON; "-": from Environment::in.
ExitCode Apply(const Context& context, const std::string& file);

// Texts as given; empty matches everything.
struct TraceOptions {
  std::string port;
  std::string peer;
  std::string source;
  std::string destination;
  std::string protocol;
  std::uint32_t count = 10;
};
ExitCode AddTrace(const Context& context, const TraceOptions& options);
ExitCode ShowTrace(const Context& context);
ExitCode ClearTrace(const Context& context);

// Texts as given; empty matches everything.
struct CaptureOptions {
  std::vector<std::string> names;  // of ports or peers; none: of all
  std::string file;                // "-": Environment::out
  std::uint64_t count = 0;         // packets; 0: until interrupted
  std::uint32_t seconds = 0;       // likewise
  std::uint32_t snap_length = 0;   // bytes; 0: whole packets
  std::string source;
  std::string destination;
  std::string protocol;
  std::uint32_t transport_port = 0;
  std::uint32_t vni = 0;
};
// Writes pcapng until `count`, `seconds`, SIGINT, SIGTERM, or until nobody reads the pipe.
ExitCode CapturePackets(const Context& context, const CaptureOptions& options);

struct CheckOptions {
  std::string file;
  bool ignore_key_files = false;
};
ExitCode CheckConfig(const Context& context, const CheckOptions& options);

ExitCode ShowVersion(const Context& context);
[[nodiscard]] std::string_view Version();

}  // namespace vireo::cli
