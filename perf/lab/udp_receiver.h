// Receives a UdpSender's packets and accounts them: lost, duplicated, reordered, delay, gaps.
//
// Theory of operation: recvmmsg with UDP_GRO takes many packets a system call. Being woken for
// each small batch costs more than the packets do, so after a batch that emptied the socket the
// receiver sleeps for `coalesce` and lets its (large) buffer fill; the delay then includes that
// sleep, and `coalesce` zero is for measuring delay. Arrival times are read once a system call.
// Thread safety: Open and Run may be called by different threads, not at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "perf/lab/cpu_time.h"
#include "perf/lab/delay_histogram.h"
#include "perf/lab/file.h"
#include "perf/lab/sequence_tracker.h"

namespace vireo::lab {

struct UdpReceiveOptions {
  net::UdpEndpoint at;    // address (unspecified: any of its family) and port
  Duration limit{};       // stops then, even if the sender does not
  Duration coalesce{};    // sleep between batches
  std::uint32_t run = 0;  // counts only this run; 0: the first that arrives
};

struct FlowReport {
  SequenceTracker sequences;
  std::optional<std::uint64_t> sent;  // as the flow's end mark said
  Time first{};
  Time last{};
  Duration longest_gap{};  // between two arrivals

  [[nodiscard]] std::uint64_t Lost() const {
    return sequences.Lost(sent.value_or(sequences.counts().next));
  }
};

struct UdpReceiveResult {
  std::vector<FlowReport> flows;
  DelayHistogram delay;         // one way, sender's clock read to receiver's
  std::uint64_t bytes = 0;      // payload
  std::uint64_t foreign = 0;    // packets of another run, or none of ours
  std::uint64_t overflows = 0;  // dropped since this socket's buffer was full
  std::uint64_t messages = 0;   // the kernel's messages, each of one or more packets
  Duration elapsed{};           // from the first packet to the last
  CpuTime cpu;
  bool ended = false;  // every flow's end mark came

  [[nodiscard]] std::uint64_t received() const;  // different packets
  [[nodiscard]] std::uint64_t lost() const;
  [[nodiscard]] std::uint64_t duplicates() const;
  [[nodiscard]] std::uint64_t reordered() const;
};

class UdpReceiver {
 public:
  // Binds in the calling thread's network namespace.
  static Result<UdpReceiver> Open(const UdpReceiveOptions& options);

  // Receives until every flow ended and the socket was quiet for 20 ms, or the limit is over.
  Result<UdpReceiveResult> Run();

  UdpReceiver(UdpReceiver&&) noexcept;
  ~UdpReceiver();

 private:
  static constexpr unsigned kBatch = 32;

  UdpReceiver(const UdpReceiveOptions& options, File socket);
  // Waits for a batch; how many messages came (0: none in time).
  Result<unsigned> Receive();
  void Take(ConstBytes message, std::size_t segment, Time now);
  void TakePacket(ConstBytes packet, Time now);
  void NoteEnd(FlowReport& flow, std::uint64_t sent);
  [[nodiscard]] std::uint64_t Overflows() const;

  UdpReceiveOptions options_;
  File socket_;
  SystemClock clock_;
  std::unique_ptr<std::byte[]> buffers_;
  struct Slots;
  std::unique_ptr<Slots> slots_;  // recvmmsg's arrays
  UdpReceiveResult result_;
  Time first_{};
  Time last_{};
  std::size_t flows_ended_ = 0;
};

}  // namespace vireo::lab
