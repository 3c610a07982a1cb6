#include "perf/lab/report.h"

#include <cstdarg>
#include <cstdio>

#include "perf/lab/json.h"

namespace vireo::lab {
namespace {

__attribute__((format(printf, 1, 2))) std::string Line(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

double Microseconds(Duration duration) { return static_cast<double>(duration.count()) / 1e3; }
double Seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

double PerPacket(const CpuTime& cpu, std::uint64_t packets) {
  return packets == 0 ? 0 : static_cast<double>(cpu.total().count()) / static_cast<double>(packets);
}

double GigabitsPerSecond(double pps, std::size_t payload) {
  return pps * static_cast<double>(payload) * 8 / 1e9;
}

void AddCpu(Json& json, const CpuTime& cpu, std::uint64_t packets) {
  json.Add("cpu_user_s", Seconds(cpu.user)).Add("cpu_system_s", Seconds(cpu.system));
  json.Add("cpu_ns_per_packet", PerPacket(cpu, packets));
}

void AddSend(Json& json, const UdpSendOptions& options, const UdpSendResult& result) {
  json.Add("payload_bytes", options.payload).Add("flows", options.flows);
  json.Add("rate_asked", options.rate).Add("packets", result.packets).Add("pps", result.pps());
  json.Add("gbps", GigabitsPerSecond(result.pps(), options.payload));
  json.Add("seconds", Seconds(result.elapsed)).Add("errors", result.errors);
  json.Add("given_up", result.given_up).Add("burst", result.burst);
  json.Add("segments", result.segments);
  AddCpu(json, result.cpu, result.packets);
}

void AddDelay(Json& json, const DelayHistogram& delay) {
  json.BeginObject("delay_us").Add("min", Microseconds(delay.min()));
  for (const auto& [name, percent] :
       {std::pair{"p50", 50.0}, {"p90", 90.0}, {"p99", 99.0}, {"p99.9", 99.9}}) {
    json.Add(name, Microseconds(delay.Percentile(percent)));
  }
  json.Add("max", Microseconds(delay.max())).EndObject();
}

void AddFlow(Json& json, const FlowReport& flow) {
  const SequenceCounts& counts = flow.sequences.counts();
  json.BeginObject().Add("received", counts.unique);
  flow.sent ? json.Add("sent", *flow.sent) : json.AddNull("sent");
  json.Add("lost", flow.Lost()).Add("duplicates", counts.duplicates);
  json.Add("reordered", counts.reordered).Add("stale", counts.stale);
  json.Add("longest_jump", counts.longest_jump);
  json.Add("longest_gap_us", Microseconds(flow.longest_gap)).EndObject();
}

double Pps(const UdpReceiveResult& result) {
  const double seconds = Seconds(result.elapsed);
  return seconds > 0 ? static_cast<double>(result.received()) / seconds : 0;
}

void AddReceive(Json& json, const UdpReceiveResult& result) {
  json.Add("received", result.received()).Add("lost", result.lost());
  json.Add("duplicates", result.duplicates()).Add("reordered", result.reordered());
  json.Add("pps", Pps(result)).Add("bytes", result.bytes).Add("messages", result.messages);
  json.Add("foreign", result.foreign).Add("overflows", result.overflows);
  json.Add("ended", result.ended).Add("seconds", Seconds(result.elapsed));
  AddCpu(json, result.cpu, result.received());
  AddDelay(json, result.delay);
  json.BeginArray("flow");
  for (const FlowReport& flow : result.flows) AddFlow(json, flow);
  json.EndArray();
}

void AddTrial(Json& json, const UdpTrial& run, const Trial& trial) {
  json.BeginObject().Add("asked", trial.asked).Add("sent_pps", trial.sent_pps);
  json.Add("received_pps", trial.received_pps).Add("loss_percent", trial.loss * 100);
  json.Add("given_up", run.sent.given_up).Add("overflows", run.received.overflows);
  json.Add("reordered", run.received.reordered()).Add("duplicates", run.received.duplicates());
  json.Add("send_ns_per_packet", PerPacket(run.sent.cpu, run.sent.packets));
  json.Add("receive_ns_per_packet", PerPacket(run.received.cpu, run.received.received()));
  json.Add("delay_p50_us", Microseconds(run.received.delay.Percentile(50))).EndObject();
}

}  // namespace

std::string Report(const UdpSendOptions& options, const UdpSendResult& result, Format format) {
  if (format == Format::kJson) {
    Json json;
    json.BeginObject();
    AddSend(json, options, result);
    return json.EndObject().text() + '\n';
  }
  return Line(
      "sent %llu packets of %zu bytes in %.3f s: %.0f a second, %.3f Gbit/s of payload\n"
      "bursts of %u, %u a message; %llu refused bursts, %llu packets given up; "
      "%.0f ns of processor a packet\n",
      static_cast<unsigned long long>(result.packets), options.payload, Seconds(result.elapsed),
      result.pps(), GigabitsPerSecond(result.pps(), options.payload), result.burst, result.segments,
      static_cast<unsigned long long>(result.errors),
      static_cast<unsigned long long>(result.given_up), PerPacket(result.cpu, result.packets));
}

std::string Report(const UdpReceiveResult& result, Format format) {
  if (format == Format::kJson) {
    Json json;
    json.BeginObject();
    AddReceive(json, result);
    return json.EndObject().text() + '\n';
  }
  std::string text = Line(
      "received %llu packets (%.0f a second), lost %llu, duplicated %llu, reordered %llu, "
      "socket overflows %llu%s\n",
      static_cast<unsigned long long>(result.received()), Pps(result),
      static_cast<unsigned long long>(result.lost()),
      static_cast<unsigned long long>(result.duplicates()),
      static_cast<unsigned long long>(result.reordered()),
      static_cast<unsigned long long>(result.overflows),
      result.ended ? "" : "; the sender's end was not seen");
  text += Line("one-way delay p50 %.1f µs, p90 %.1f, p99 %.1f, max %.1f; ",
               Microseconds(result.delay.Percentile(50)), Microseconds(result.delay.Percentile(90)),
               Microseconds(result.delay.Percentile(99)), Microseconds(result.delay.max()));
  return text + Line("%.0f ns of processor a packet, %llu messages\n",
                     PerPacket(result.cpu, result.received()),
                     static_cast<unsigned long long>(result.messages));
}

std::string Report(const UdpSendOptions& options, const UdpSearchResult& result, Format format) {
  const std::vector<Trial>& trials = result.search.trials();
  const auto best = result.search.best();
  if (format == Format::kJson) {
    Json json;
    json.BeginObject().Add("payload_bytes", options.payload).Add("flows", options.flows);
    json.Add("sender_limited", result.search.sender_limited());
    best ? json.Add("best_pps", best->received_pps) : json.AddNull("best_pps");
    json.BeginArray("trials");
    for (std::size_t i = 0; i < trials.size(); ++i) AddTrial(json, result.trials[i], trials[i]);
    return json.EndArray().EndObject().text() + '\n';
  }
  std::string text = Line("%10s %10s %10s %8s %8s %8s %10s\n", "asked", "sent/s", "received/s",
                          "loss %", "send ns", "recv ns", "p50 µs");
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const UdpTrial& run = result.trials[i];
    text += Line("%10s %10.0f %10.0f %8.3f %8.0f %8.0f %9.1f\n",
                 trials[i].asked == 0 ? "max" : std::to_string(trials[i].asked).c_str(),
                 trials[i].sent_pps, trials[i].received_pps, trials[i].loss * 100,
                 PerPacket(run.sent.cpu, run.sent.packets),
                 PerPacket(run.received.cpu, run.received.received()),
                 Microseconds(run.received.delay.Percentile(50)));
  }
  if (!best) return text + "no trial was within the loss limit\n";
  return text + Line("best: %.0f packets a second, %.3f Gbit/s of payload%s\n", best->received_pps,
                     GigabitsPerSecond(best->received_pps, options.payload),
                     result.search.sender_limited() ? " (the sender was the limit)" : "");
}

std::string Report(const PingOptions& options, const PingResult& result, Format format) {
  const double p50 = Microseconds(result.Percentile(50));
  const double p90 = Microseconds(result.Percentile(90));
  const double p99 = Microseconds(result.Percentile(99));
  const double min = Microseconds(result.Percentile(0));
  const double max = Microseconds(result.Percentile(100));
  if (format == Format::kText && result.round_trips.empty()) {
    return Line("%s: none of %u answered\n", options.to.ToString().c_str(), result.sent);
  }
  if (format == Format::kText) {
    return Line("%s: %zu of %u answered; min %.1f µs, p50 %.1f, p90 %.1f, p99 %.1f, max %.1f\n",
                options.to.ToString().c_str(), result.round_trips.size(), result.sent, min, p50,
                p90, p99, max);
  }
  Json json;
  json.BeginObject().Add("to", options.to.ToString()).Add("sent", result.sent);
  json.Add("answered", result.round_trips.size());
  if (result.round_trips.empty()) return json.AddNull("rtt_us").EndObject().text() + '\n';
  json.BeginObject("rtt_us").Add("min", min).Add("p50", p50).Add("p90", p90).Add("p99", p99);
  return json.Add("max", max).EndObject().EndObject().text() + '\n';
}

}  // namespace vireo::lab
