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

namespace {

ExitCode Change(const Context& context, v1::ApplyRequest& batch, const std::string& done) {
  Dataplane dataplane(context);
  const auto applied = dataplane.Apply(batch);
  if (!applied) return dataplane.failure();
  if (context.json) {
    context.out() << ToJson(*applied);
  } else {
    context.out() << done << '\n';
  }
  return kOk;
}

}  // namespace

ExitCode AddPort(const Context& context, const PortOptions& options) {
  v1::ApplyRequest batch;
  v1::PortSpec& spec = *batch.add_changes()->mutable_put_port();
  spec.set_name(options.name);
  spec.set_kind(options.kind);
  spec.set_role(options.role);
  spec.set_interface(options.interface);
  spec.set_device(options.device);
  spec.set_mac(options.mac);
  for (const std::string& address : options.addresses) spec.add_addresses(address);
  spec.set_vlan(options.vlan);
  spec.set_mtu(options.mtu);
  spec.set_socket(options.socket);
  spec.set_mode(options.mode);
  spec.set_queues(options.queues);
  if (options.vni != 0) {
    v1::Attachment& attach = *batch.add_changes()->mutable_attach_port();
    attach.set_port(options.name);
    attach.set_vni(options.vni);
  }
  return Change(context, batch, "port " + options.name + " is there");
}

ExitCode RemovePort(const Context& context, const std::string& name) {
  v1::ApplyRequest batch;
  batch.add_changes()->mutable_remove_port()->set_port(name);
  return Change(context, batch, "port " + name + " is gone");
}

}  // namespace vireo::cli
