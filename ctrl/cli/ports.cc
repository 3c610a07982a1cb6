#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "ctrl/cli/table.h"
#include "ctrl/cli/units.h"

namespace vireo::cli {

ExitCode ShowPorts(const Context& context) {
  Dataplane dataplane(context);
  v1::Request request;
  request.mutable_list_ports();
  const auto response = dataplane.Ask(request);
  if (!response) return dataplane.failure();
  if (context.json) {
    context.out() << ToJson(response->list_ports());
    return kOk;
  }
  Table table({{"PORT"},
               {"ROLE"},
               {"KIND"},
               {"STATE"},
               {"DEVICE"},
               {"MTU", Align::kRight},
               {"QUEUES", Align::kRight},
               {"RX PACKETS", Align::kRight},
               {"RX", Align::kRight},
               {"TX PACKETS", Align::kRight},
               {"TX", Align::kRight},
               {"MISSED", Align::kRight},
               {"ERRORS", Align::kRight}});
  for (const v1::Port& port : response->list_ports().ports()) {
    const v1::PortCounters& counters = port.counters();
    std::string device = port.device();
    if (port.listen_port() != 0) {
      device += (device.empty() ? "udp " : " udp ") + std::to_string(port.listen_port());
    }
    table.Add({port.name(), port.role(), port.kind(), port.up() ? "up" : "DOWN",
               device.empty() ? "-" : device, std::to_string(port.mtu()),
               std::to_string(port.queues()), std::to_string(counters.rx_packets()),
               FormatBytes(counters.rx_bytes()), std::to_string(counters.tx_packets()),
               FormatBytes(counters.tx_bytes()), std::to_string(counters.rx_missed()),
               std::to_string(counters.tx_errors())});
  }
  table.Print(context.out(), context.environment.color);
  return kOk;
}

}  // namespace vireo::cli
