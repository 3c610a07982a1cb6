#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "ctrl/cli/units.h"

namespace vireo::cli {

std::string_view Version() { return VIREO_VERSION; }

ExitCode ShowVersion(const Context& context) {
  // Whoever asks for the version may do so because nothing runs: that is no error here, unless a
  // socket was named.
  const bool ask =
      !context.socket.empty() || FindSockets(context.environment.socket_folder).size() == 1;
  if (!context.json) context.out() << "vireo " << Version() << '\n';
  v1::GetInfoResponse info;
  if (ask) {
    Dataplane dataplane(context);
    v1::Request request;
    request.mutable_get_info();
    const auto response = dataplane.Ask(request);
    if (!response) return dataplane.failure();
    info = response->get_info();
  }
  if (context.json) {
    std::string dataplane = ask ? ToJson(info) : "null\n";
    dataplane.pop_back();
    context.out() << "{\"version\": " << JsonString(Version()) << ", \"dataplane\": " << dataplane
                  << "}\n";
  } else if (ask) {
    const auto uptime = std::chrono::nanoseconds(static_cast<std::int64_t>(info.uptime_ns()));
    context.out() << "vireo-dataplane " << info.version() << " \"" << info.name() << "\", "
                  << info.workers() << " workers, " << info.ports() << " ports, " << info.peers()
                  << " peers, up " << FormatDuration(uptime) << '\n';
  } else {
    context.out() << "no dataplane was asked\n";
  }
  return kOk;
}

}  // namespace vireo::cli
