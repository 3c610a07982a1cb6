// Loads many endpoints into a router over its control socket, and then times single changes: from
// a request that was read to the moment when a thread that looks endpoints up has it.
//
// The client is a process of its own, so that the router's memory is the router's alone.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "dataplane/api/control_client.h"
#include "dataplane/api/control_server.h"
#include "dataplane/port/eal.h"
#include "dataplane/slow/control_service.h"

namespace vireo {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr unsigned kRouters = 16;

struct Options {
  unsigned endpoints = 1'000'000;
  unsigned networks = 10'000;
  unsigned batch = 20'000;
  unsigned changes = 20'000;
};

double Seconds(SteadyClock::duration time) { return std::chrono::duration<double>(time).count(); }

std::string RouterKey(unsigned number) {
  return std::string(31, 'r') + static_cast<char>(number + 1);
}

template <typename Word>
std::string BigEndian(Word value, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = size; i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value);
  return bytes;
}

std::uint32_t VniOf(const Options& options, unsigned endpoint) {
  return 1 + endpoint % options.networks;
}
std::uint64_t MacOf(unsigned endpoint) { return 0x020000000000u | endpoint; }

void FillEndpoint(const Options& options, unsigned number, unsigned router, std::uint64_t epoch,
                  v1::Endpoint& out) {
  out.set_vni(VniOf(options, number));
  out.set_mac(BigEndian(MacOf(number), 6));
  out.add_addresses(BigEndian(0x0a000001u + number / options.networks, 4));
  out.set_router(RouterKey(router));
  out.set_epoch(epoch);
}

v1::Request Base(const Options& options) {
  v1::Request request;
  v1::ApplyRequest& batch = *request.mutable_apply();
  batch.set_generation(1);
  batch.add_changes()->mutable_put_own_router()->add_vteps(BigEndian(0x0a090001u, 4));
  for (unsigned i = 0; i < kRouters; ++i) {
    v1::Router& router = *batch.add_changes()->mutable_put_router();
    router.set_public_key(RouterKey(i));
    router.set_vtep(BigEndian(0x0a090101u + i, 4));
    router.mutable_peer();
  }
  for (std::uint32_t vni = 1; vni <= options.networks; ++vni) {
    batch.add_changes()->mutable_put_network()->set_vni(vni);
    for (const unsigned router : {vni % kRouters, (vni + 1) % kRouters}) {
      v1::Member& member = *batch.add_changes()->mutable_put_member();
      member.set_vni(vni);
      member.set_router(RouterKey(router));
    }
  }
  return request;
}

// 0: all was applied.
int RunClient(const Options& options, const std::string& path, double& seconds) {
  std::optional<api::ControlClient> client;
  while (!client) {
    auto connected = api::ControlClient::Connect(path);
    if (connected) client.emplace(std::move(connected).value());
  }
  const auto start = SteadyClock::now();
  v1::Request request = Base(options);
  for (unsigned next = 0;;) {
    const auto response = client->Call(request, std::chrono::seconds(60));
    if (!response || response.value().has_error()) {
      std::fprintf(
          stderr, "control_bench: %s\n",
          response ? response.value().error().message().c_str() : response.error().message.c_str());
      return 1;
    }
    if (next == options.endpoints) break;
    v1::ApplyRequest& batch = *request.mutable_apply();
    batch.set_generation(batch.generation() + 1);
    batch.clear_changes();
    for (unsigned i = 0; i < options.batch && next < options.endpoints; ++i, ++next) {
      FillEndpoint(options, next, VniOf(options, next) % kRouters, 0,
                   *batch.add_changes()->mutable_put_endpoint());
    }
  }
  seconds = Seconds(SteadyClock::now() - start);
  return 0;
}

std::uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// Processor time that this process has taken.
double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

net::MacAddress ToMac(std::uint64_t word) {
  net::MacAddress mac;
  const std::string bytes = BigEndian(word, 6);
  std::copy(bytes.begin(), bytes.end(), mac.bytes.begin());
  return mac;
}

// A worker's part: looks up random endpoints, and between them the one that is about to change.
class Reader {
 public:
  Reader(const Options& options, const Snapshot& snapshot)
      : options_(options), snapshot_(snapshot), thread_([this] { Run(); }) {}
  ~Reader() {
    end_ = true;
    thread_.join();
  }

  // `endpoint` is about to get another place.
  void Watch(unsigned endpoint) {
    watched_ = endpoint;
    seen_ns_.store(0, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    while (ready_.load(std::memory_order_acquire) != round_.load(std::memory_order_relaxed)) {
    }
  }
  // Waits until the change was seen.
  SteadyClock::time_point Seen() const {
    std::int64_t ns;
    while ((ns = seen_ns_.load(std::memory_order_acquire)) == 0) {
    }
    return SteadyClock::time_point(std::chrono::nanoseconds(ns));
  }

 private:
  Place Find(unsigned endpoint) const {
    return snapshot_.endpoints->Find(snapshot_.vnis.Find(VniOf(options_, endpoint)),
                                     ToMac(MacOf(endpoint)));
  }
  void Run() {
    std::minstd_rand random(1);
    unsigned round = 0, endpoint = 0;
    Place before;
    bool waiting = false;
    std::uint64_t found = 0;
    while (!end_) {
      if (const unsigned next = round_.load(std::memory_order_acquire); next != round) {
        round = next;
        endpoint = watched_;
        before = Find(endpoint);
        waiting = true;
        ready_.store(round, std::memory_order_release);
      }
      if (waiting && Find(endpoint) != before) {
        waiting = false;
        seen_ns_.store(SteadyClock::now().time_since_epoch().count(), std::memory_order_release);
      }
      found += Find(static_cast<unsigned>(random()) % options_.endpoints).index;
    }
    benefit_ = found;
  }

  const Options& options_;
  const Snapshot& snapshot_;
  unsigned watched_ = 0;  // written before round_
  std::atomic<unsigned> round_{0}, ready_{0};
  std::atomic<std::int64_t> seen_ns_{0};
  std::atomic<bool> end_{false};
  std::uint64_t benefit_ = 0;  // so that the lookups are not left out
  std::thread thread_;
};

// Microseconds from request bytes to visible, sorted.
std::vector<double> TimeChanges(const Options& options, Router& router, ControlService& service,
                                std::uint64_t generation) {
  std::vector<double> times;
  std::minstd_rand random(2);
  Reader reader(options, *router.workers()[0]->published_snapshot.load());
  for (unsigned i = 0; i < options.changes; ++i) {
    const unsigned endpoint = static_cast<unsigned>(random()) % options.endpoints;
    v1::Request request;
    request.mutable_apply()->set_generation(++generation);
    const std::uint32_t vni = VniOf(options, endpoint);
    const Place place =
        router.networks().FindPlace(*router.networks().Find(vni), ToMac(MacOf(endpoint)))->first;
    const std::string key = BytesOf(router.peers()[place.index]->peer->public_key());
    const unsigned first = vni % kRouters;
    FillEndpoint(options, endpoint, key == RouterKey(first) ? (vni + 1) % kRouters : first, i + 1,
                 *request.mutable_apply()->add_changes()->mutable_put_endpoint());
    const std::string bytes = request.SerializeAsString();
    reader.Watch(endpoint);
    const auto start = SteadyClock::now();
    v1::Request read;
    if (!read.ParseFromString(bytes) || service.Handle(read).has_error()) std::abort();
    times.push_back(Seconds(reader.Seen() - start) * 1e6);
  }
  std::ranges::sort(times);
  return times;
}

int RunServer(const Options& options, const std::string& path, pid_t client,
              const double& seconds) {
  const auto eal =
      StartEal({.huge_pages = HugePages::kNever, .memory_mib = 64, .file_prefix = "control_bench"});
  if (!eal) {
    std::fprintf(stderr, "control_bench: %s\n", eal.error().message.c_str());
    return 2;
  }
  SystemClock clock;
  SystemRandom random;
  Router router(clock, random, {});
  ControlService service(router, {});
  boost::asio::io_context context(1);
  boost::asio::signal_set signals(context, SIGCHLD);
  signals.async_wait([&](const auto&, int) { context.stop(); });
  const std::uint64_t before = ResidentBytes();
  auto server = api::ListenControl(context, path, service, {}, {});
  if (!server) {
    std::fprintf(stderr, "control_bench: %s\n", server.error().message.c_str());
    return 2;
  }
  const double cpu_before = CpuSeconds();
  context.run();
  const double cpu = CpuSeconds() - cpu_before;
  int status = 0;
  waitpid(client, &status, 0);
  if (status != 0) return 1;
  router.Process();
  const double resident = static_cast<double>(ResidentBytes() - before);
  const auto& endpoints =
      *router.workers()[0]->published_snapshot.load(std::memory_order_acquire)->endpoints;
  const auto batches =
      1 + (options.endpoints + options.batch - 1) / options.batch;  // see RunClient
  const auto times = TimeChanges(options, router, service, batches);
  std::printf(
      "{\"endpoints\": %zu, \"networks\": %zu, \"load_s\": %.3f, \"load_router_cpu_s\": %.3f, "
      "\"resident_bytes_per_endpoint\": %.1f, \"table_bytes_per_endpoint\": %.1f, "
      "\"visible_us_p50\": %.2f, \"visible_us_p99\": %.2f, \"visible_us_max\": %.2f}\n",
      endpoints.size(), router.networks().size(), seconds, cpu, resident / options.endpoints,
      static_cast<double>(endpoints.bytes()) / options.endpoints, times[times.size() / 2],
      times[times.size() * 99 / 100], times.back());
  return 0;
}

int Run(const Options& options) {
  char folder[] = "/tmp/vireo-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 2;
  const std::string path = std::string(folder) + "/control.sock";
  auto* seconds = static_cast<double*>(
      mmap(nullptr, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t client = fork();
  if (client == 0) _exit(RunClient(options, path, *seconds));
  const int code = RunServer(options, path, client, *seconds);
  if (code != 0) kill(client, SIGTERM);
  std::filesystem::remove_all(folder);
  return code;
}

}  // namespace
}  // namespace vireo

int main(int argc, char** argv) {
  vireo::Options options;
  CLI::App app("Loads endpoints over the control socket and times single changes.");
  app.add_option("--endpoints", options.endpoints)->check(CLI::Range(1u, 16'000'000u));
  app.add_option("--networks", options.networks)->check(CLI::Range(1u, 60'000u));
  app.add_option("--batch", options.batch, "Endpoints a request")->check(CLI::Range(1u, 50'000u));
  app.add_option("--changes", options.changes, "Single changes to time")
      ->check(CLI::Range(100u, 1'000'000u));
  CLI11_PARSE(app, argc, argv);
  return vireo::Run(options);
}
