#include <CLI/CLI.hpp>
#include <functional>
#include <vector>

#include "ctrl/cli/cli.h"
#include "ctrl/cli/commands.h"

namespace vireo::cli {
namespace {

constexpr const char* kFooter =
    "Exit status: 0 success; 1 the dataplane refused, or a check found mistakes; 2 wrong usage, or "
    "no dataplane could be asked.";

// All options of all commands, and which command was chosen.
struct Arguments {
  explicit Arguments(const Environment& environment) : context{environment, "", false} {}

  Context context;
  std::string peer, suite, batch;
  std::uint32_t vni = 0;
  WorkerOptions stats;
  DropOptions drops;
  TraceOptions trace;
  CaptureOptions capture;
  MoveOptions move;
  PortOptions port;
  CheckOptions check;
  std::function<ExitCode()> command;
};

CLI::App* AddCommand(CLI::App& parent, const char* name, const char* what, Arguments& arguments,
                     std::function<ExitCode()> run) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->fallthrough();  // --json and --socket may stand behind the command
  command->callback([&arguments, command, run = std::move(run)] {
    if (command->get_subcommands().empty()) arguments.command = run;
  });
  return command;
}

void AddTraceCommands(CLI::App& app, Arguments& a) {
  CLI::App* trace = app.add_subcommand("trace", "Follow single packets through the dataplane");
  trace->require_subcommand(1)->fallthrough();
  CLI::App* add = AddCommand(*trace, "add", "Trace packets that match all that is given", a,
                             [&a] { return AddTrace(a.context, a.trace); });
  add->add_option("--port", a.trace.port, "Port that they come in by")->type_name("NAME");
  add->add_option("--peer", a.trace.peer, "Peer that sends or gets them: key or name")
      ->type_name("PEER");
  add->add_option("--source", a.trace.source, "Inner source address")->type_name("PREFIX");
  add->add_option("--destination", a.trace.destination, "Inner destination address")
      ->type_name("PREFIX");
  add->add_option("--protocol", a.trace.protocol, "icmp, tcp, udp, icmpv6 or a number")
      ->type_name("PROTOCOL");
  add->add_option("--count", a.trace.count, "Stop after so many packets")
      ->type_name("N")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  AddCommand(*trace, "show", "Show the traced packets' way, stage by stage", a,
             [&a] { return ShowTrace(a.context); });
  AddCommand(*trace, "clear", "Forget all matches and traced packets", a,
             [&a] { return ClearTrace(a.context); });
}

void AddCaptureCommand(CLI::App& app, Arguments& a) {
  CLI::App* capture = AddCommand(
      app, "capture", "Write packets to a pcapng file, the dropped ones with their reason", a,
      [&a] { return CapturePackets(a.context, a.capture); });
  CaptureOptions& options = a.capture;
  capture->add_option("NAME", options.names,
                      "Port (what it receives and sends) or peer (what is inside its tunnel), by "
                      "name or key; none: all");
  capture->add_option("-w,--write", options.file, "- for standard output, as for tshark -r -")
      ->type_name("FILE")
      ->required();
  capture->add_option("-c,--count", options.count, "Stop after so many packets")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  capture->add_option("--seconds", options.seconds, "Stop after so many seconds")
      ->type_name("N")
      ->check(CLI::Range(1u, 86400u));
  capture->add_option("-s,--snap-length", options.snap_length, "So many bytes of each packet")
      ->type_name("BYTES")
      ->check(CLI::Range(1u, 65535u));
  capture->add_option("--source", options.source, "Source address; of VXLAN the one inside")
      ->type_name("PREFIX");
  capture->add_option("--destination", options.destination, "Destination address, likewise")
      ->type_name("PREFIX");
  capture->add_option("--protocol", options.protocol, "icmp, tcp, udp, icmpv6 or a number")
      ->type_name("PROTOCOL");
  capture->add_option("--transport-port", options.transport_port, "Port of TCP or UDP, either side")
      ->type_name("N")
      ->check(CLI::Range(1u, 65535u));
  capture->add_option("--network", options.vni, "Only of the network with that VNI")
      ->type_name("VNI")
      ->check(CLI::Range(1u, (1u << 24) - 1));
}

void AddTenantCommands(CLI::App& app, Arguments& a) {
  AddCommand(app, "networks", "List the tenant networks", a,
             [&a] { return ShowNetworks(a.context); });
  CLI::App* endpoints = AddCommand(app, "endpoints", "List the endpoints of tenant networks", a,
                                   [&a] { return ShowEndpoints(a.context, a.vni); });
  endpoints->add_option("--network", a.vni, "Only of the network with that VNI")
      ->type_name("VNI")
      ->check(CLI::Range(1u, (1u << 24) - 1));
  AddCommand(app, "routes", "List the overlay's routers and where each network is", a,
             [&a] { return ShowRoutes(a.context); });
  CLI::App* apply =
      AddCommand(app, "apply", "Change tenant networks by a batch, whole or not at all", a,
                 [&a] { return Apply(a.context, a.batch); });
  apply
      ->add_option("FILE", a.batch, "ApplyRequest of dataplane.proto as JSON; - for standard input")
      ->required();
}

CLI::App* AddMoveCommand(CLI::App& moves, const char* name, const char* text, Arguments& a,
                         ExitCode (*run)(const Context&, const MoveOptions&)) {
  CLI::App* command =
      AddCommand(moves, name, text, a, [&a, run] { return run(a.context, a.move); });
  command->add_option("VNI", a.move.vni, "Network")->required();
  command->add_option("MAC", a.move.mac, "Endpoint")->required();
  return command;
}

void AddMoveCommands(CLI::App& app, Arguments& a) {
  CLI::App* moves = AddCommand(app, "moves", "List the moves of endpoints and what they did", a,
                               [&a] { return ShowMoves(a.context); });
  CLI::App* arm = AddMoveCommand(*moves, "arm", "Allow a move; say it to every router", a, ArmMove);
  arm->add_option("--epoch", a.move.epoch, "That the endpoint will have")->required();
  arm->add_option("--to-router", a.move.router, "Public key of the destination")->type_name("KEY");
  arm->add_option("--to-port", a.move.port, "At the destination: the endpoint's port")
      ->type_name("NAME");
  AddMoveCommand(*moves, "hold", "At the source: let frames to the endpoint wait", a, HoldMove);
  AddMoveCommand(*moves, "disarm", "Call a move off; at the destination first, at the source last",
                 a, DisarmMove)
      ->add_option("--epoch", a.move.epoch, "Of the move")
      ->required();
}

void AddPortCommands(CLI::App& app, Arguments& a) {
  CLI::App* ports =
      AddCommand(app, "ports", "List the ports", a, [&a] { return ShowPorts(a.context); });
  CLI::App* add = AddCommand(*ports, "add", "Add a port, until the dataplane ends or it is removed",
                             a, [&a] { return AddPort(a.context, a.port); });
  add->add_option("NAME", a.port.name, "Of the port")->required();
  add->add_option("--kind", a.port.kind,
                  "tap, vhost-user, af_xdp, ... as in the configuration file")
      ->required();
  add->add_option("--role", a.port.role, "bridged or access")->capture_default_str();
  add->add_option("--interface", a.port.interface, "Network interface to use, or to make")
      ->type_name("NAME");
  add->add_option("--device", a.port.device, "DPDK's name with its arguments")->type_name("DEVICE");
  add->add_option("--address", a.port.addresses, "Own address with its prefix length; access only")
      ->type_name("ADDRESS/LENGTH");
  add->add_option("--mac", a.port.mac, "Own MAC address; access only")->type_name("MAC");
  add->add_option("--vlan", a.port.vlan, "802.1Q tag of its frames")->type_name("ID");
  add->add_option("--mtu", a.port.mtu, "Largest IP packet")->type_name("BYTES");
  add->add_option("--vhost-socket", a.port.socket, "Path of a vhost-user port's socket")
      ->type_name("PATH");
  add->add_option("--mode", a.port.mode, "server or client, of that socket");
  add->add_option("--queues", a.port.queues, "The most queue pairs of the VM");
  add->add_option("--network", a.port.vni, "Attach it to the network with that VNI")
      ->type_name("VNI");
  AddCommand(*ports, "remove", "Remove a port that was added; its endpoints are forgotten", a,
             [&a] { return RemovePort(a.context, a.port.name); })
      ->add_option("NAME", a.port.name, "Of the port")
      ->required();
}

void AddCommands(CLI::App& app, Arguments& a) {
  CLI::App* peers =
      AddCommand(app, "peers", "List the peers", a, [&a] { return ShowPeers(a.context); });
  CLI::App* suite =
      AddCommand(*peers, "set-suite", "Set a peer's cipher suite; the other side must do the same",
                 a, [&a] { return SetPeerSuite(a.context, a.peer, a.suite); });
  suite->add_option("PEER", a.peer, "Public key, the beginning of one, or name")->required();
  suite->add_option("SUITE", a.suite, "chacha20poly1305 or aes256gcm")->required();
  AddPortCommands(app, a);
  CLI::App* stats = AddCommand(app, "stats", "Show what workers and handshakes did", a,
                               [&a] { return ShowStats(a.context, a.stats); });
  stats->add_flag("--per-worker", a.stats.per_worker, "Stages for each worker");
  CLI::App* drops = AddCommand(app, "drops", "List dropped packets by reason", a,
                               [&a] { return ShowDrops(a.context, a.drops); });
  drops->add_flag("--all", a.drops.all, "Also reasons that never came up");
  drops->add_flag("--per-worker", a.drops.per_worker, "A column for each worker");
  AddTenantCommands(app, a);
  AddMoveCommands(app, a);
  AddTraceCommands(app, a);
  AddCaptureCommand(app, a);
  CLI::App* config = app.add_subcommand("config", "Work with configuration files");
  config->require_subcommand(1)->fallthrough();
  CLI::App* check = AddCommand(*config, "check", "Name every mistake in a file with its line", a,
                               [&a] { return CheckConfig(a.context, a.check); });
  check->add_option("FILE", a.check.file, "Configuration of a router")->required();
  check->add_flag("--ignore-key-files", a.check.ignore_key_files,
                  "Do not open the key files it names, for another machine's file");
  AddCommand(app, "version", "Show the versions of this program and of the dataplane", a,
             [&a] { return ShowVersion(a.context); });
}

}  // namespace

ExitCode Context::Fail(ExitCode code, std::string_view message) const {
  environment.err << "vireo: " << message << '\n';
  return code;
}

ExitCode Run(std::span<const std::string> arguments, const Environment& environment) {
  Arguments parsed(environment);
  CLI::App app("Shows and controls a Vireo dataplane on this machine.", "vireo");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("vireo ") + std::string(Version()));
  app.add_option(
         "--socket", parsed.context.socket,
         "Control socket; found by itself if " + environment.socket_folder + " has just one")
      ->type_name("PATH")
      ->envname("VIREO_SOCKET");
  app.add_flag("--json", parsed.context.json, "Print JSON with exact numbers");
  AddCommands(app, parsed);

  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      app.exit(error, environment.out, environment.err);
      return kOk;
    }
    const auto unknown = app.remaining();
    const bool no_command = app.get_subcommands().empty() && !unknown.empty();
    return parsed.context.Fail(
        kUsage, (no_command ? "there is no command " + unknown.front() : error.what()) +
                    "; see vireo --help");
  }
  const ExitCode code = parsed.command();
  environment.out.flush();
  return code;
}

}  // namespace vireo::cli
