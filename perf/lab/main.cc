// vireo-perf: the command line. Every command needs a bound on its time and says where to send.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <string>

#include "perf/lab/report.h"

namespace vireo::lab {
namespace {

constexpr int kBadUsage = 2;
constexpr double kMaxSeconds = 60;

struct Arguments {
  std::string to;
  std::string rate;
  std::string send_namespace;
  std::string receive_namespace;
  std::string at = "0.0.0.0";
  std::uint16_t port = 0;
  double seconds = 0;
  double coalesce_us = 0;
  double interval_ms = 100;
  double timeout_ms = 1000;
  double loss_percent = 1;
  unsigned count = 0;
  unsigned trials = 8;
  std::uint64_t max_rate = 0;
  bool json = false;
  bool long_run = false;
  UdpSendOptions send;
  std::size_t ping_payload = 56;
};

Format FormatOf(const Arguments& arguments) {
  return arguments.json ? Format::kJson : Format::kText;
}

Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

Error Refusal(std::string why) { return {ErrorCode::kInvalidArgument, std::move(why)}; }

Status CheckTime(double seconds, const Arguments& arguments) {
  if (seconds <= 0) return Refusal("the time must be above 0 seconds");
  if (seconds > kMaxSeconds && !arguments.long_run) {
    return Refusal("more than 60 seconds in all needs --long");
  }
  return {};
}

Result<UdpSendOptions> SendOptions(const Arguments& arguments) {
  UdpSendOptions options = arguments.send;
  const auto to = net::UdpEndpoint::Parse(arguments.to);
  if (!to) return Refusal("--to must be ADDR:PORT or [ADDR6]:PORT, not \"" + arguments.to + "\"");
  options.to = *to;
  options.duration = FromSeconds(arguments.seconds);
  if (arguments.rate == "max" || arguments.rate.empty()) return options;
  const char* end = arguments.rate.data() + arguments.rate.size();
  const auto parsed = std::from_chars(arguments.rate.data(), end, options.rate);
  if (parsed.ec != std::errc() || parsed.ptr != end || options.rate == 0) {
    return Refusal("--rate must be packets a second or \"max\", not \"" + arguments.rate + "\"");
  }
  return options;
}

Result<std::string> UdpSend(const Arguments& arguments) {
  if (Status checked = CheckTime(arguments.seconds, arguments); !checked) return checked.error();
  Result<UdpSendOptions> options = SendOptions(arguments);
  if (!options) return options.error();
  Result<UdpSender> sender = UdpSender::Open(*options);
  if (!sender) return sender.error();
  Result<UdpSendResult> result = sender->Run();
  if (!result) return result.error();
  return Report(*options, *result, FormatOf(arguments));
}

Result<std::string> UdpReceive(const Arguments& arguments) {
  if (Status checked = CheckTime(arguments.seconds, arguments); !checked) return checked.error();
  const auto at = net::IpAddress::Parse(arguments.at);
  if (!at) return Refusal("--at must be an address, not \"" + arguments.at + "\"");
  Result<UdpReceiver> receiver =
      UdpReceiver::Open({.at = {*at, arguments.port, 0},
                         .limit = FromSeconds(arguments.seconds),
                         .coalesce = FromSeconds(arguments.coalesce_us / 1e6)});
  if (!receiver) return receiver.error();
  Result<UdpReceiveResult> result = receiver->Run();
  if (!result) return result.error();
  return Report(*result, FormatOf(arguments));
}

Result<std::string> UdpSearch(const Arguments& arguments) {
  const double total = arguments.seconds * arguments.trials;
  if (Status checked = CheckTime(total, arguments); !checked) return checked.error();
  if (arguments.loss_percent < 0 || arguments.loss_percent >= 100) {
    return Refusal("--loss must be 0 to below 100 percent");
  }
  const Result<UdpSendOptions> options = SendOptions(arguments);
  if (!options) return options.error();
  const UdpPath path{arguments.send_namespace, arguments.receive_namespace,
                     FromSeconds(arguments.coalesce_us / 1e6)};
  Result<UdpSearchResult> result = SearchUdpRate(path, options.value(),
                                                 {.max_loss = arguments.loss_percent / 100,
                                                  .trials = arguments.trials,
                                                  .max_rate = arguments.max_rate});
  if (!result) return result.error();
  return Report(options.value(), *result, FormatOf(arguments));
}

Result<std::string> PingCommand(const Arguments& arguments) {
  const auto to = net::IpAddress::Parse(arguments.to);
  if (!to) return Refusal("--to must be an address, not \"" + arguments.to + "\"");
  const double total = arguments.count * arguments.interval_ms / 1e3;
  if (Status checked = CheckTime(total, arguments); !checked) return checked.error();
  const PingOptions options{.to = *to,
                            .count = arguments.count,
                            .interval = FromSeconds(arguments.interval_ms / 1e3),
                            .timeout = FromSeconds(arguments.timeout_ms / 1e3),
                            .payload = arguments.ping_payload};
  const Result<PingResult> result = Ping(options);
  if (!result) return result.error();
  return Report(options, result.value(), FormatOf(arguments));
}

void AddCommon(CLI::App& command, Arguments& arguments) {
  command.add_flag("--json", arguments.json, "Print one JSON object");
  command.add_flag("--long", arguments.long_run, "Allow more than 60 seconds in all");
}

void AddTraffic(CLI::App& command, Arguments& arguments) {
  command.add_option("--to", arguments.to, "Destination, ADDR:PORT")->required();
  command.add_option("--size", arguments.send.payload, "UDP payload, bytes (32 to 65507)")
      ->required();
  command.add_option("--flows", arguments.send.flows, "Source ports that take turns");
  command.add_option("--burst", arguments.send.burst, "Packets at once, at most 64");
  command.add_option("--segments", arguments.send.segments,
                     "Packets a UDP_SEGMENT message; 0: as many as fit, 1: none");
}

void AddCoalesce(CLI::App& command, Arguments& arguments) {
  command.add_option("--coalesce", arguments.coalesce_us,
                     "Sleep between batches, µs: saves processor, adds to the delays");
}

using Command = std::function<Result<std::string>(const Arguments&)>;

void AddUdpCommands(CLI::App& app, Arguments& arguments, Command& chosen) {
  CLI::App* send = app.add_subcommand("udp-send", "Send numbered UDP packets at a rate");
  AddTraffic(*send, arguments);
  send->add_option("--rate", arguments.rate, "Packets a second over all flows, or max")->required();
  send->add_option("--seconds", arguments.seconds, "How long")->required();
  AddCommon(*send, arguments);
  send->callback([&chosen] { chosen = UdpSend; });

  CLI::App* receive = app.add_subcommand("udp-receive", "Receive and account what udp-send sent");
  receive->add_option("--port", arguments.port, "UDP port")->required();
  receive->add_option("--at", arguments.at, "Own address; :: for IPv6")->capture_default_str();
  receive->add_option("--seconds", arguments.seconds, "Stop then at the latest (60)");
  AddCoalesce(*receive, arguments);
  AddCommon(*receive, arguments);
  receive->callback([&] {
    if (arguments.seconds == 0) arguments.seconds = kMaxSeconds;
    chosen = UdpReceive;
  });

  CLI::App* search =
      app.add_subcommand("udp-search", "Find the highest rate with at most a given loss");
  AddTraffic(*search, arguments);
  search->add_option("--send-netns", arguments.send_namespace, "Namespace to send from");
  search->add_option("--receive-netns", arguments.receive_namespace, "Namespace to receive in");
  search->add_option("--loss", arguments.loss_percent, "Accepted loss, percent (1)");
  search->add_option("--seconds", arguments.seconds, "Length of a trial")->required();
  search->add_option("--trials", arguments.trials, "Trials at most (8)");
  search->add_option("--max-rate", arguments.max_rate, "Never send more packets a second");
  AddCoalesce(*search, arguments);
  AddCommon(*search, arguments);
  search->callback([&chosen] { chosen = UdpSearch; });
}

void AddPing(CLI::App& app, Arguments& arguments, Command& chosen) {
  CLI::App* ping = app.add_subcommand("ping", "ICMP round trips in microseconds");
  ping->add_option("--to", arguments.to, "Address")->required();
  ping->add_option("--count", arguments.count, "Requests")->required();
  ping->add_option("--interval", arguments.interval_ms, "Between requests, ms (100)");
  ping->add_option("--timeout", arguments.timeout_ms, "Wait for an answer, ms (1000)");
  ping->add_option("--size", arguments.ping_payload, "Payload, bytes (56)");
  AddCommon(*ping, arguments);
  ping->callback([&chosen] { chosen = PingCommand; });
}

int Main(int argc, char** argv) {
  Arguments arguments;
  Command chosen;
  CLI::App app("Traffic for the perf labs: only to the addresses given, for a bounded time");
  app.require_subcommand(1);
  AddUdpCommands(app, arguments, chosen);
  AddPing(app, arguments, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : kBadUsage;
  }
  const Result<std::string> report = chosen(arguments);
  if (!report) {
    std::fprintf(stderr, "vireo-perf: %s\n", report.error().message.c_str());
    return report.error().code == ErrorCode::kInvalidArgument ? kBadUsage : 1;
  }
  std::fputs(report.value().c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace vireo::lab

int main(int argc, char** argv) { return vireo::lab::Main(argc, argv); }
