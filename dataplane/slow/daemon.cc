#include "dataplane/slow/daemon.h"

#include <spdlog/spdlog.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <memory>

#include "dataplane/api/control_server.h"
#include "dataplane/api/uapi_server.h"
#include "dataplane/port/eal.h"
#include "dataplane/port/socket_port.h"
#include "dataplane/port/tun_port.h"
#include "dataplane/slow/assemble.h"
#include "dataplane/slow/control_service.h"
#include "dataplane/slow/link_monitor.h"
#include "dataplane/slow/slow_loop.h"
#include "dataplane/slow/timestamp_file.h"
#include "dataplane/slow/uapi_device.h"
#include "dataplane/worker/worker_thread.h"

namespace vireo {
namespace {

// Packets of up to a jumbo frame, since the interface's MTU may be raised at any time.
constexpr std::uint16_t kDropInDataRoom = 9300;
// A worker's bursts, rings and caches, a staging queue or two, and what sockets hold.
constexpr unsigned kPacketsPerWorker = 2048;

Result<rte_mempool*> MakePool(unsigned packets, std::uint16_t data_room) {
  // One less than a power of two is what fits rte_mempool's ring best.
  rte_mempool* pool = MakePacketPool("packets", packets - 1, data_room);
  if (pool != nullptr) return pool;
  return Error{ErrorCode::kExhausted, "no memory for " + std::to_string(packets) +
                                          " packets; free memory, or configure fewer workers"};
}

Status StartDpdk(HugePages huge_pages, unsigned memory_mib, const std::string& name) {
  auto eal = StartEal({.huge_pages = huge_pages, .memory_mib = memory_mib, .file_prefix = name});
  if (!eal) return eal.error();
  for (const std::string& note : eal->notes) spdlog::info("{}", note);
  return {};
}

// Everything that both ways have in common, in the order in which it must end.
class Running {
 public:
  Running(Router::Options options)  // NOLINT(google-explicit-constructor)
      : router_(clock_, random_, std::move(options)), signals_(context_, SIGINT, SIGTERM) {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) context_.stop();
    });
  }
  ~Running() {
    control_.reset();
    uapi_.reset();
    monitor_.reset();
    loop_.reset();
    threads_.clear();  // workers stop before their ports and tables go
  }

  Status Start(const std::vector<unsigned>& cores) {
    for (const auto& worker : router_.workers()) {
      worker->core = cores.empty() ? -1 : static_cast<int>(cores[worker->index]);
      threads_.push_back(std::make_unique<WorkerThread>(
          *worker, router_.quiescence(), clock_, WorkerThread::Options{.core = worker->core}));
    }
    loop_ = std::make_unique<SlowLoop>(context_, router_);
    for (const auto& thread : threads_) {
      if (auto started = thread->Start(); !started) return started;
    }
    return {};
  }

  Status ServeUapi(const std::string& name, UapiDevice::Options options) {
    options.changed = [this] { loop_->Turn(); };
    device_ = std::make_unique<UapiDevice>(router_, std::move(options));
    auto server =
        api::UapiServer::Listen(context_, *device_,
                                {.interface_name = name,
                                 .folder = std::string(api::kUapiFolder),
                                 .limits = {},
                                 .log = [](std::string_view line) { spdlog::info("{}", line); },
                                 .on_removed =
                                     [this] {
                                       spdlog::info("socket of wg(8) was removed: ending");
                                       context_.stop();
                                     }});
    if (!server) return server.error();
    uapi_ = std::move(server).value();
    return {};
  }

  Status ServeControl(const std::string& path, ControlService::Identity identity) {
    identity.changed = [this] { loop_->Turn(); };
    service_ = std::make_unique<ControlService>(router_, std::move(identity));
    auto server = api::ListenControl(context_, path, *service_, {},
                                     [](std::string_view line) { spdlog::info("{}", line); });
    if (!server) return server.error();
    control_ = std::move(server).value();
    return {};
  }

  Status Follow(const std::string& interface, LinkMonitor::Changed changed) {
    auto monitor = LinkMonitor::Follow(context_, interface, std::move(changed));
    if (!monitor) return monitor.error();
    monitor_ = std::move(monitor).value();
    return {};
  }

  void Run(const Ready& ready) {
    ready();
    context_.run();
  }
  void Stop() { context_.stop(); }
  Router& router() { return router_; }
  SlowLoop& loop() { return *loop_; }

 private:
  SystemClock clock_;
  SystemRandom random_;
  boost::asio::io_context context_{1};
  Router router_;
  boost::asio::signal_set signals_;
  std::vector<std::unique_ptr<WorkerThread>> threads_;
  std::unique_ptr<SlowLoop> loop_;
  std::unique_ptr<LinkMonitor> monitor_;
  std::unique_ptr<UapiDevice> device_;
  std::unique_ptr<api::UapiServer> uapi_;
  std::unique_ptr<ControlService> service_;
  std::unique_ptr<api::UnixServer> control_;
};

Router::Options RouterOptions(std::uint16_t workers, rte_mempool* pool, const std::string& mark) {
  const TimestampFile file(mark);
  Router::Options options;
  options.workers = workers;
  options.pool = pool;
  options.timestamp_mark = file.Load();
  options.save_timestamp_mark = [file, warned = false](WallTime time) mutable {
    if (auto saved = file.Save(time); !saved && !warned) {
      spdlog::warn("{}; after a restart with the clock set back, peers may refuse us for a while",
                   saved.error().message);
      warned = true;
    }
  };
  return options;
}

}  // namespace

Status RunDropIn(const DropInOptions& options, const Ready& ready) {
  const unsigned packets = kPacketsPerWorker * options.workers;
  const unsigned memory_mib = 32 + packets * 10 / 1024;
  // Small pages: a drop-in has to start anywhere, and takes only the memory that it touches.
  if (auto started = StartDpdk(HugePages::kNever, memory_mib, options.interface); !started) {
    return started;
  }
  auto pool = MakePool(packets, kDropInDataRoom);
  if (!pool) return pool.error();
  auto tun = TunPort::Open({.name = options.interface,
                            .interface = options.interface,
                            .queues = options.workers,
                            .pool = *pool});
  if (!tun) return tun.error();
  // The TUN has the interface's name, and two ports never have the same.
  const std::string uplink_name = options.interface == "uplink" ? "socket" : "uplink";
  auto socket = SocketPort::Open({.name = uplink_name, .queues = options.workers, .pool = *pool});
  if (!socket) return socket.error();

  TunPort& host = **tun;
  SocketPort& uplink = **socket;
  std::unique_ptr<Port> ports[] = {std::move(socket).value(), std::move(tun).value()};
  Router::Options router_options = RouterOptions(
      options.workers, *pool, options.state_dir + "/" + options.interface + ".timestamp");
  router_options.to_host = true;
  Running running(std::move(router_options));
  for (auto&& [port, role] :
       {std::pair<std::unique_ptr<Port>*, PortRole>(&ports[0], PortRole::kUplink),
        {&ports[1], PortRole::kAccess}}) {
    if (auto added = running.router().AddPort(std::move(*port), {.role = role}); !added) {
      return added.error();
    }
  }
  if (auto started = running.Start({}); !started) return started;
  if (auto served = running.ServeUapi(options.interface, {.socket = &uplink}); !served) {
    return served;
  }
  if (auto served = running.ServeControl(
          "/run/vireo/" + options.interface + ".sock",
          {.name = options.interface, .uapi_name = options.interface, .pool = *pool});
      !served) {
    return served;
  }
  auto followed = running.Follow(options.interface, [&](const LinkMonitor::State& state) {
    if (!state.exists) {
      spdlog::info("interface {} was removed: ending", options.interface);
      running.Stop();
      return;
    }
    if (auto refreshed = host.RefreshMtu(); !refreshed) spdlog::warn(refreshed.error().message);
    running.router().SetInnerMtu(state.mtu);
    running.router().engine().SetUp(state.up);
    running.loop().Turn();
  });
  if (!followed) return followed;
  running.Run(ready);
  return {};
}

Status RunRouter(const api::RouterConfig& config, const Ready& ready) {
  const std::uint16_t data_room = DataRoomFor(config);
  // Each Ethernet port keeps rings full of packets besides those that are on their way.
  const auto packets = static_cast<unsigned>(kPacketsPerWorker * 2 * config.workers *
                                             (1 + config.ports.size() + config.spare_ports));
  const unsigned memory_mib = 64 + packets * (data_room + 512u) / (1024 * 1024) * 5 / 4;
  const HugePages huge_pages = config.hugepages == api::Hugepages::kAuto    ? HugePages::kAuto
                               : config.hugepages == api::Hugepages::kNever ? HugePages::kNever
                                                                            : HugePages::kAlways;
  if (auto started = StartDpdk(huge_pages, memory_mib, config.name); !started) return started;
  auto pool = MakePool(packets, data_room);
  if (!pool) return pool.error();
  const auto workers = static_cast<std::uint16_t>(config.workers);
  Router::Options options =
      RouterOptions(workers, *pool, config.state_dir + "/" + config.name + ".timestamp");
  options.probe_path_mtu = config.probe_path_mtu;
  Running running(std::move(options));
  auto assembled = Assemble(config, *pool, running.router());
  if (!assembled) return assembled.error();
  if (auto started = running.Start(config.cores); !started) return started;
  if (!config.uapi_name.empty()) {
    auto served = running.ServeUapi(
        config.uapi_name, {.socket = assembled->socket, .listen_port = assembled->listen_port});
    if (!served) return served;
  }
  auto served = running.ServeControl(
      config.control_socket,
      {.name = config.name,
       .uapi_name = config.uapi_name,
       .pool = *pool,
       .open_port = [environment = EnvironmentOf(config, *pool)](const api::PortConfig& port) {
         return OpenPort(port, environment);
       }});
  if (!served) return served;
  running.Run(ready);
  return {};
}

}  // namespace vireo
