#include "dataplane/port/eal.h"

#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <regex>

#include "dataplane/port/dpdk_log.h"

namespace vireo {
namespace {

namespace fs = std::filesystem;

// Bytes of huge pages of any size that nobody uses.
std::uint64_t FreeHugeBytes() {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    // "hugepages-2048kB"
    const std::string name = entry.path().filename();
    const auto dash = name.find('-');
    std::uint64_t kilobytes = 0;
    if (dash == std::string::npos) continue;
    std::from_chars(name.data() + dash + 1, name.data() + name.size(), kilobytes);
    std::uint64_t pages = 0;
    std::ifstream(entry.path() / "free_hugepages") >> pages;
    bytes += pages * kilobytes * 1024;
  }
  return bytes;
}

// Binds the thread back to the CPUs it had, since rte_eal_init pins it to the main lcore's.
class AffinityKeeper {
 public:
  AffinityKeeper() { valid_ = pthread_getaffinity_np(pthread_self(), sizeof set_, &set_) == 0; }
  ~AffinityKeeper() {
    if (valid_) pthread_setaffinity_np(pthread_self(), sizeof set_, &set_);
  }
  AffinityKeeper(const AffinityKeeper&) = delete;
  AffinityKeeper& operator=(const AffinityKeeper&) = delete;

  // A CPU that the thread may run on.
  [[nodiscard]] int FirstCpu() const {
    for (int cpu = 0; valid_ && cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set_)) return cpu;
    }
    return 0;
  }

 private:
  cpu_set_t set_{};
  bool valid_ = false;
};

std::vector<std::string> Arguments(const EalOptions& options, bool huge_pages, int cpu) {
  std::vector<std::string> arguments = {
      "vireo",
      "--no-telemetry",
      "--log-level=error",
      "--lcores=0@" + std::to_string(cpu),  // one lcore: no idle EAL threads
      "-m",
      std::to_string(options.memory_mib),
      "--file-prefix=" + options.file_prefix,
  };
  if (huge_pages) {
    arguments.insert(arguments.end(), {"--in-memory"});
  } else {
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf"});
  }
  bool pci = false;
  for (const std::string& device : options.devices) {
    pci |= IsPciDevice(device);
    arguments.push_back((IsPciDevice(device) ? "--allow=" : "--vdev=") + device);
  }
  // Virtual addresses as IO addresses keep a pool in one piece, which AF_XDP wants.
  if (!pci) arguments.insert(arguments.end(), {"--no-pci", "--iova-mode=va"});
  return arguments;
}

Error StartError(int number, const std::string& detail, const EalOptions& options) {
  std::string text = "start DPDK: ";
  switch (number) {
    case EALREADY:
      return {ErrorCode::kInternal, text + "it was started before in this process"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermissionDenied, text + "not permitted; run as root"};
    case ENOMEM:
      return {ErrorCode::kExhausted, text + "no " + std::to_string(options.memory_mib) +
                                         " MiB of memory; configure less or free some"};
    default:
      break;
  }
  text += detail.empty() ? rte_strerror(number) : detail;
  if (!options.devices.empty()) {
    text += "; check the device arguments and that the driver's package (librte-net-…) is there";
    return {ErrorCode::kInvalidArgument, text};
  }
  return {ErrorCode::kInternal, text};
}

// Whether this process may lock as much memory as it likes.
bool HasIpcLock() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  if (syscall(SYS_capget, &header, sets) != 0) return false;
  return (sets[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

// AF_XDP sockets lock the memory of their pool, so a low limit is worth a note; it stops nothing
// here, and whether it can be raised depends on CAP_SYS_RESOURCE.
void RaiseLockLimit(std::vector<std::string>& notes) {
  if (HasIpcLock()) return;
  rlimit now{};
  if (getrlimit(RLIMIT_MEMLOCK, &now) != 0 || now.rlim_cur == RLIM_INFINITY) return;
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0) return;
  notes.push_back("locked memory is limited to " + std::to_string(now.rlim_cur / 1024) +
                  " KiB, too little for AF_XDP ports; give CAP_IPC_LOCK or set "
                  "LimitMEMLOCK=infinity");
}

// With all state in memory EAL still makes a directory for sockets and locks it will not have.
void RemoveRuntimeDirectory() {
  std::error_code ignored;
  fs::remove(rte_eal_get_runtime_dir(), ignored);
}

}  // namespace

bool IsPciDevice(const std::string& device) {
  static const std::regex kAddress(
      "([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\\.[0-7](,.*)?");
  return std::regex_match(device, kAddress);
}

Result<Eal> StartEal(const EalOptions& options) {
  // DPDK's AF_XDP driver has these print their trials to standard error.
  libbpf_set_print(nullptr);
  libxdp_set_print(nullptr);
  Eal eal{};
  const std::uint64_t free_mib = FreeHugeBytes() >> 20;
  eal.huge_pages = options.huge_pages != HugePages::kNever && free_mib >= options.memory_mib;
  const std::string advice =
      "`sysctl vm.nr_hugepages=" + std::to_string((options.memory_mib + 1) / 2) +
      "` provides them (pages of 2 MiB)";
  if (!eal.huge_pages && options.huge_pages == HugePages::kAlways) {
    return Error{ErrorCode::kExhausted, "start DPDK: " + std::to_string(options.memory_mib) +
                                            " MiB of huge pages are needed, " +
                                            std::to_string(free_mib) + " MiB are free; " + advice};
  }
  if (!eal.huge_pages && options.huge_pages == HugePages::kAuto) {
    eal.notes.push_back(
        "no " + std::to_string(options.memory_mib) +
        " MiB of free huge pages: using small pages, which costs some throughput (TLB misses, one "
        "packet a page) and rules out most PCI NICs; " +
        advice);
  }
  RaiseLockLimit(eal.notes);

  AffinityKeeper affinity;
  DpdkLog log;
  std::vector<std::string> arguments = Arguments(options, eal.huge_pages, affinity.FirstCpu());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  const int started = rte_eal_init(static_cast<int>(argv.size()), argv.data());
  const int error = rte_errno;
  RemoveRuntimeDirectory();
  if (started < 0) return StartError(error, log.Reason(), options);
  return eal;
}

}  // namespace vireo
