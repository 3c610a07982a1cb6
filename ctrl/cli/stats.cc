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
      sum->stage.set_packets(sum->stage.packets() + stage.packets());
    }
  }
  return rows;
}

void PrintStages(const v1::GetStatsResponse& stats, bool per_worker, std::ostream& out,
                 bool color) {
  std::vector<Column> columns{{"STAGE"}, {"PACKETS", Align::kRight}};
  if (per_worker) columns.insert(columns.begin(), {"WORKER", Align::kRight});
  Table table(std::move(columns));
  for (const StageRow& row : StageRows(stats, per_worker)) {
    std::vector<std::string> cells{row.stage.name(), std::to_string(row.stage.packets())};
    if (per_worker) cells.insert(cells.begin(), row.worker);
    table.Add(std::move(cells));
  }
  table.Print(out, color);
}

void PrintWorkers(const v1::GetStatsResponse& stats, std::ostream& out, bool color) {
  Table table({{"WORKER", Align::kRight},
               {"CORE", Align::kRight},
               {"LOOPS", Align::kRight},
               {"SLEEPS", Align::kRight}});
  for (const v1::Worker& worker : stats.workers()) {
    table.Add({std::to_string(worker.id()), worker.core() < 0 ? "-" : std::to_string(worker.core()),
               std::to_string(worker.loops()), std::to_string(worker.idle_sleeps())});
  }
  table.Print(out, color);
}

void PrintHandshakes(const v1::Handshakes& handshakes, std::ostream& out, bool color) {
  Table table({{"HANDSHAKE MESSAGES"}, {"COUNT", Align::kRight}});
  const auto row = [&](const std::string& name, std::uint64_t count) {
    table.Add({name, std::to_string(count)});
  };
  row("initiations accepted", handshakes.initiations_accepted());
  row("responses accepted", handshakes.responses_accepted());
  row("cookies accepted", handshakes.cookies_accepted());
  row("cookies sent", handshakes.cookies_sent());
  for (const v1::Refusal& refusal : handshakes.refused()) {
    if (refusal.messages() != 0) row("refused: " + refusal.reason(), refusal.messages());
  }
  table.Print(out, color);
  if (handshakes.under_load()) out << "UNDER LOAD\n";
}

void PrintMemory(const v1::Memory& memory, std::ostream& out, bool color) {
  out << Bold("MEMORY", color) << "  " << FormatBytes(memory.resident_bytes()) << " resident, "
      << memory.packet_buffers_free() << " of " << memory.packet_buffers() << " packet buffers of "
      << FormatBytes(memory.packet_buffer_bytes()) << " free\n";
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
