#include <algorithm>

#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "ctrl/cli/protocols.h"
#include "ctrl/cli/table.h"
#include "ctrl/cli/units.h"
#include "dataplane/base/encoding.h"
#include "dataplane/net/address.h"

namespace vireo::cli {
namespace {

std::string Describe(const v1::TraceMatch& match) {
  std::string text;
  if (!match.port().empty()) text += " port " + match.port();
  if (!match.peer().empty()) text += " peer " + ToBase64(AsBytes(match.peer())).substr(0, 12);
  if (!match.source().empty()) text += " source " + match.source();
  if (!match.destination().empty()) text += " destination " + match.destination();
  if (match.protocol() != 0) text += " protocol " + ProtocolName(match.protocol());
  return text.empty() ? " every packet" : text;
}

void PrintPacket(const v1::TracedPacket& packet, std::ostream& out, bool color) {
  const WallTime start{std::chrono::nanoseconds(packet.start_unix_ns())};
  out << '\n'
      << Bold("packet " + std::to_string(packet.id()), color) << "  match " << packet.rule()
      << ", worker " << packet.worker() << ", " << FormatTime(start) << '\n';
  Table table({{"AT", Align::kRight}, {"STAGE"}, {"WHAT"}});
  for (const v1::TraceStep& step : packet.steps()) {
    const auto time = std::chrono::nanoseconds(
        static_cast<std::int64_t>(std::min<std::uint64_t>(step.time_ns(), INT64_MAX)));
    table.Add({FormatDuration(time), step.stage(), step.text()});
  }
  table.Print(out, color);
}

}  // namespace

ExitCode AddTrace(const Context& context, const TraceOptions& options) {
  v1::Request request;
  v1::TraceMatch& match = *request.mutable_add_trace()->mutable_match();
  match.set_port(options.port);
  match.set_count(options.count);
  for (const auto& [text, out] : {std::pair(&options.source, match.mutable_source()),
                                  std::pair(&options.destination, match.mutable_destination())}) {
    if (text->empty()) continue;
    const auto prefix = net::Prefix::Parse(*text);
    if (!prefix) {
      return context.Fail(kUsage, NoPrefix(*text));
    }
    *out = prefix->ToString();
  }
  if (!options.protocol.empty()) {
    const auto protocol = ParseProtocol(options.protocol);
    if (!protocol) {
      return context.Fail(kUsage, NoProtocol(options.protocol));
    }
    match.set_protocol(*protocol);
  }
  Dataplane dataplane(context);
  if (!options.peer.empty()) {
    const auto peer = dataplane.AskPeer(options.peer);
    if (!peer) return dataplane.failure();
    match.set_peer(peer->public_key());
  }
  const auto response = dataplane.Ask(request);
  if (!response) return dataplane.failure();
  if (context.json) {
    context.out() << ToJson(response->add_trace());
  } else {
    context.out() << "match " << response->add_trace().id() << " traces the next " << options.count
                  << " packets; vireo trace show prints them\n";
  }
  return kOk;
}

ExitCode ShowTrace(const Context& context) {
  Dataplane dataplane(context);
  v1::Request request;
  request.mutable_list_trace();
  const auto response = dataplane.Ask(request);
  if (!response) return dataplane.failure();
  const v1::ListTraceResponse& trace = response->list_trace();
  if (context.json) {
    context.out() << ToJson(trace);
    return kOk;
  }
  if (trace.rules().empty() && trace.packets().empty()) {
    context.out() << "nothing is traced; begin with vireo trace add\n";
    return kOk;
  }
  for (const v1::TraceRule& rule : trace.rules()) {
    context.out() << "match " << rule.id() << ":" << Describe(rule.match()) << ", " << rule.seen()
                  << " of " << rule.match().count() << " packets\n";
  }
  for (const v1::TracedPacket& packet : trace.packets()) {
    PrintPacket(packet, context.out(), context.environment.color);
  }
  return kOk;
}

ExitCode ClearTrace(const Context& context) {
  Dataplane dataplane(context);
  v1::Request request;
  request.mutable_clear_trace();
  const auto response = dataplane.Ask(request);
  if (!response) return dataplane.failure();
  if (context.json) context.out() << ToJson(response->clear_trace());
  return kOk;
}

}  // namespace vireo::cli
