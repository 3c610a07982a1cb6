// Loads the XDP steering program, attaches it to an interface and configures it.
//
// Thread safety: Counters() from any thread; the rest from the slow path. The program itself runs
// in the kernel meanwhile and sees each change of a port bit, an address or a socket at once.
// Lifetime: program, maps and attachment are held by file descriptors alone, nothing is pinned, so
// the end of the process, also by SIGKILL, detaches the program.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "ebpf/steering.h"

struct vireo_xdp;  // the generated skeleton

namespace vireo::ebpf {

// Which frames go to the dataplane; ebpf/vireo_xdp.bpf.c says it exactly.
enum class Steering : std::uint8_t {
  kAll,      // every frame: the dataplane answers ARP and ND itself
  kOverlay,  // UDP to AllowPort()'s ports; the kernel keeps the rest, addresses and neighbours
};

// Where in the kernel the program runs.
enum class Hook : std::uint8_t {
  kNative,   // in the driver, before an skb is made
  kGeneric,  // on skbs, for drivers without XDP: several times slower
};

class SteeringProgram {
 public:
  // Loads the program without attaching it. Errors: kPermissionDenied, kUnsupported (a kernel
  // without BPF), kInternal.
  static Result<std::unique_ptr<SteeringProgram>> Load(Steering steering);
  ~SteeringProgram();
  SteeringProgram(const SteeringProgram&) = delete;
  SteeringProgram& operator=(const SteeringProgram&) = delete;

  // Attaches to the interface `index`, whose `name` is for messages. Frames go on to the kernel
  // until queues have sockets. REQUIRES: not attached. Errors: kUnsupported (no XDP in this hook),
  // kAlreadyExists (another program is there), kInvalidArgument (the MTU is too large for XDP),
  // kPermissionDenied, kNotFound.
  Status Attach(unsigned index, const std::string& name, Hook hook);
  void Detach();

  // Frames of receive queue `queue` go to the AF_XDP socket `fd`. The kernel removes the entry when
  // the socket is closed. REQUIRES: queue < VIREO_STEERING_MAX_QUEUES.
  Status SetSocket(std::uint32_t queue, int fd);

  // The rest matters to Steering::kOverlay only.
  void SetMac(const net::MacAddress& mac);
  void AllowPort(std::uint16_t port);
  void RefusePort(std::uint16_t port);
  // Only packets to these addresses are overlay packets; with none, the default, any address is
  // taken. A router whose VMs or neighbours use the same UDP ports needs this.
  // Errors: kExhausted (more than VIREO_STEERING_MAX_ADDRESSES).
  Status SetAddresses(std::span<const net::IpAddress> addresses);

  using Counters = std::array<std::uint64_t, VIREO_STEERING_COUNTER_COUNT>;
  // Sums over all CPUs, indexed by vireo_steering_counter.
  [[nodiscard]] Counters ReadCounters() const;

  // For program runs in tests.
  [[nodiscard]] int fd() const;

 private:
  explicit SteeringProgram(vireo_xdp* skeleton) : skeleton_(skeleton) {}

  vireo_xdp* skeleton_;
  int link_ = -1;
};

}  // namespace vireo::ebpf
