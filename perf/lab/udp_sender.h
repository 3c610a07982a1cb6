// Sends numbered UDP packets at a rate, for a bounded time, at little cost a packet.
//
// Theory of operation: packets leave in bursts. A burst is one run of equal payloads handed to the
// kernel as one message with UDP_SEGMENT, which cuts it as late as the path allows; so a packet
// costs a 64th of a system call. Flows are connected sockets of their own (so, source ports of
// their own) and take turns burst by burst. A rate is kept by sleeping between bursts, never by
// spinning: on a shared core the sleep belongs to whoever is measured. At the end each flow says
// several times how many packets it sent, so that the receiver can stop and count tail losses.
// Thread safety: Open and Run may be called by different threads, not at once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "perf/lab/cpu_time.h"
#include "perf/lab/file.h"
#include "perf/lab/pacer.h"

namespace vireo::lab {

struct UdpSendOptions {
  net::UdpEndpoint to;
  std::size_t payload = 64;  // bytes a packet, kMinPayload … kMaxPayload
  std::uint64_t rate = 0;    // packets a second over all flows; 0: as fast as possible
  Duration duration{};
  unsigned flows = 1;     // 1 … kMaxFlows
  unsigned burst = 32;    // packets at once, 1 … kMaxBurst
  unsigned segments = 0;  // packets a message; 0: as many as fit; 1: no UDP_SEGMENT
  std::uint32_t run = 0;  // carried by each packet; 0: chosen at random
};

inline constexpr unsigned kMaxBurst = 64;  // UDP_SEGMENT's limit on kernels before 6.9

struct UdpSendResult {
  std::uint64_t packets = 0;   // that the kernel took
  std::uint64_t errors = 0;    // bursts it refused for a passing reason (full queue, port closed)
  std::uint64_t given_up = 0;  // due by the rate but never tried, since the sender was held up
  Duration elapsed{};
  CpuTime cpu;
  unsigned burst = 0;     // as used
  unsigned segments = 0;  // as used: packets a message

  [[nodiscard]] double pps() const {
    return elapsed.count() > 0 ? static_cast<double>(packets) * 1e9 / elapsed.count() : 0;
  }
};

class UdpSender {
 public:
  // Opens the flows' sockets in the calling thread's network namespace. Errors: an address that is
  // not one host's, a size or count out of range, no route.
  static Result<UdpSender> Open(const UdpSendOptions& options);

  [[nodiscard]] std::uint32_t run() const { return options_.run; }

  // Sends until the duration is over, then the end marks (0.15 s). Errors: the kernel refuses for
  // good, for example since the payload does not fit the path's MTU.
  Result<UdpSendResult> Run();

 private:
  struct Flow {
    File socket;
    std::uint64_t sequence = 0;
  };

  explicit UdpSender(const UdpSendOptions& options);
  Status OpenFlow();
  [[nodiscard]] unsigned SegmentsPerMessage() const;
  // Sends up to `count` packets of one flow; how many the kernel took.
  Result<unsigned> SendBurst(std::size_t flow, unsigned count, Time now);
  // What a refused burst means; an error if trying again is no use.
  Status JudgeRefusal(int number);
  void SendEndMarks();
  std::byte* Payload(unsigned index);

  UdpSendOptions options_;
  SystemClock clock_;
  std::vector<Flow> flows_;
  std::unique_ptr<std::byte[]> payloads_;  // kMaxBurst payloads, one after the other
  UdpSendResult result_;
};

}  // namespace vireo::lab
