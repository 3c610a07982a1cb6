#include <algorithm>

#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "ctrl/cli/table.h"
#include "ctrl/cli/units.h"

namespace vireo::cli {
namespace {

struct StageRow {
  std::string worker;
  v1::Stage stage;
};

// One row a stage, in the order in which packets pass; or one for each worker's.
std::vector<StageRow> StageRows(const v1::GetStatsResponse& stats, bool per_worker) {
  std::vector<StageRow> rows;
  for (const v1::Worker& worker : stats.workers()) {
    for (const v1::Stage& stage : worker.stages()) {
      const auto sum = std::find_if(rows.begin(), rows.end(), [&](const StageRow& row) {
        return row.stage.name() == stage.name();
      });
      if (per_worker || sum == rows.end()) {
        rows.push_back({std::to_string(worker.id()), stage});
        continue;
      }
      sum->stage.set_packets_in(sum->stage.packets_in() + stage.packets_in());
      sum->stage.set_bytes_in(sum->stage.bytes_in() + stage.bytes_in());
      sum->stage.set_packets_out(sum->stage.packets_out() + stage.packets_out());
      sum->stage.set_bytes_out(sum->stage.bytes_out() + stage.bytes_out());
    }
  }
  return rows;
}

void PrintStages(const v1::GetStatsResponse& stats, bool per_worker, std::ostream& out,
                 bool color) {
  std::vector<Column> columns{{"STAGE"},
                              {"PACKETS IN", Align::kRight},
                              {"BYTES IN", Align::kRight},
                              {"PACKETS OUT", Align::kRight},
                              {"BYTES OUT", Align::kRight}};
  if (per_worker) columns.insert(columns.begin(), {"WORKER", Align::kRight});
  Table table(std::move(columns));
  for (const StageRow& row : StageRows(stats, per_worker)) {
    std::vector<std::string> cells{
        row.stage.name(), std::to_string(row.stage.packets_in()), FormatBytes(row.stage.bytes_in()),
        std::to_string(row.stage.packets_out()), FormatBytes(row.stage.bytes_out())};
    if (per_worker) cells.insert(cells.begin(), row.worker);
    table.Add(std::move(cells));
  }
  table.Print(out, color);
}

void PrintWorkers(const v1::GetStatsResponse& stats, std::ostream& out, bool color) {
  Table table({{"WORKER", Align::kRight},
               {"CORE", Align::kRight},
               {"LOOPS", Align::kRight},
               {"WITH PACKETS", Align::kRight},
               {"SLEEPS", Align::kRight},
               {"WOKEN BY PACKET", Align::kRight}});
  for (const v1::Worker& worker : stats.workers()) {
    table.Add({std::to_string(worker.id()), worker.core() < 0 ? "-" : std::to_string(worker.core()),
               std::to_string(worker.loops()), std::to_string(worker.busy_loops()),
               std::to_string(worker.idle_sleeps()), std::to_string(worker.wakeups())});
  }
  table.Print(out, color);
}

void PrintHandshakes(const v1::Handshakes& handshakes, std::ostream& out, bool color) {
  Table table({{"HANDSHAKES"}, {"SENT", Align::kRight}, {"RECEIVED", Align::kRight}});
  const auto row = [&](const char* name, std::uint64_t sent, std::uint64_t received) {
    table.Add({name, std::to_string(sent), std::to_string(received)});
  };
  row("initiations", handshakes.initiations_sent(), handshakes.initiations_received());
  row("responses", handshakes.responses_sent(), handshakes.responses_received());
  row("cookies", handshakes.cookies_sent(), handshakes.cookies_received());
  table.Print(out, color);
  out << handshakes.completed() << " completed, " << handshakes.refused() << " refused, "
      << handshakes.rate_limited() << " over the rate limit, " << handshakes.given_up()
      << " given up" << (handshakes.under_load() ? ", UNDER LOAD" : "") << '\n';
}

void PrintMemory(const v1::Memory& memory, std::ostream& out, bool color) {
  out << Bold("MEMORY", color) << "  " << FormatBytes(memory.resident_bytes()) << " resident, "
      << memory.packet_buffers_free() << " of " << memory.packet_buffers() << " packet buffers of "
      << FormatBytes(memory.packet_buffer_bytes()) << " free, "
      << (memory.hugepages() ? "hugepages" : "no hugepages") << ", " << memory.sessions()
      << " sessions\n";
}

}  // namespace

ExitCode ShowStats(const Context& context, const WorkerOptions& options) {
  Dataplane dataplane(context);
  v1::Request request;
  request.mutable_get_stats();
  const auto response = dataplane.Ask(request);
  if (!response) return dataplane.failure();
  const v1::GetStatsResponse& stats = response->get_stats();
  std::ostream& out = context.out();
  const bool color = context.environment.color;
  if (context.json) {
    out << ToJson(stats);
    return kOk;
  }
  PrintWorkers(stats, out, color);
  out << '\n';
  PrintStages(stats, options.per_worker, out, color);
  out << '\n';
  PrintHandshakes(stats.handshakes(), out, color);
  out << '\n';
  PrintMemory(stats.memory(), out, color);
  return kOk;
}

}  // namespace vireo::cli
