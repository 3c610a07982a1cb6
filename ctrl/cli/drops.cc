#include <algorithm>

#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "ctrl/cli/table.h"

namespace vireo::cli {
namespace {

void PrintDrops(const v1::ListDropsResponse& list, const Context& context, bool per_worker) {
  int workers = 0;
  for (const v1::Drop& drop : list.drops()) workers = std::max(workers, drop.per_worker_size());
  std::vector<Column> columns{{"PACKETS", Align::kRight}};
  for (int i = 0; per_worker && i < workers; ++i) {
    columns.push_back({"WORKER " + std::to_string(i), Align::kRight});
  }
  columns.insert(columns.end(), {{"REASON"}, {"STAGE"}, {"MEANING"}});
  Table table(std::move(columns));
  for (const v1::Drop& drop : list.drops()) {
    std::vector<std::string> cells{std::to_string(drop.packets())};
    for (int i = 0; per_worker && i < workers; ++i) {
      cells.push_back(i < drop.per_worker_size() ? std::to_string(drop.per_worker(i)) : "-");
    }
    cells.insert(cells.end(), {drop.reason(), drop.stage(), drop.text()});
    table.Add(std::move(cells));
  }
  table.Print(context.out(), context.environment.color);
}

}  // namespace

ExitCode ShowDrops(const Context& context, const DropOptions& options) {
  Dataplane dataplane(context);
  v1::Request request;
  request.mutable_list_drops();
  auto response = dataplane.Ask(request);
  if (!response) return dataplane.failure();
  v1::ListDropsResponse& list = *response->mutable_list_drops();
  if (!options.all) {
    auto& drops = *list.mutable_drops();
    drops.erase(std::remove_if(drops.begin(), drops.end(),
                               [](const v1::Drop& drop) { return drop.packets() == 0; }),
                drops.end());
  }
  if (context.json) {
    context.out() << ToJson(list);
  } else if (list.drops().empty()) {
    context.out() << "no packet was dropped\n";
  } else {
    PrintDrops(list, context, options.per_worker);
  }
  return kOk;
}

}  // namespace vireo::cli
