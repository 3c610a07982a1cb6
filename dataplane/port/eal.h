// DPDK's environment (EAL), started as a Vireo process needs it: memory for packets, no
// threads of its own that work, no files left behind, no output of its own.
#pragma once

#include <string>
#include <vector>

#include "dataplane/base/result.h"

namespace vireo {

enum class HugePages {
  kAuto,    // if enough are free, else small pages
  kNever,   // small pages
  kAlways,  // fail if too few are free
};

struct EalOptions {
  HugePages huge_pages = HugePages::kAuto;
  // All that packet pools, tables and rings of this process may take. Small pages are taken from
  // the kernel as they are touched, huge pages at once.
  unsigned memory_mib = 256;
  // Devices to have from the start: "net_tap0,iface=tap0" or a PCI address with arguments,
  // "0000:03:00.0,ARGS". PCI is probed only if one of them is a PCI address. Other devices can
  // be added at run time (dataplane/port/ethdev_port.h).
  std::vector<std::string> devices;
  // Tells apart the processes that share huge pages on one machine.
  std::string file_prefix = "vireo";
};

struct Eal {
  bool huge_pages;
  // One line each, for the log: what works less well than it could, and what to do about it.
  std::vector<std::string> notes;
};

// Starts EAL; it lasts as long as the process. The calling thread becomes EAL's main thread and
// keeps its CPU affinity; other threads that use mempools register themselves by
// rte_thread_register(). REQUIRES: called at most once in a process, before its other threads use
// DPDK. Errors: kExhausted (too few huge pages, no memory), kInvalidArgument (a device that no
// driver knows), kPermissionDenied, kInternal.
Result<Eal> StartEal(const EalOptions& options);

// True if `device` (its arguments may follow) starts with a PCI address: "0000:03:00.0", "03:00.0".
[[nodiscard]] bool IsPciDevice(const std::string& device);

}  // namespace vireo
