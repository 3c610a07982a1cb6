// Counters of one queue of a port: one worker writes, anyone reads.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/port/port.h"

namespace vireo {

// A count with a single writer: a plain add for the writer, never torn for a reader.
class SingleWriterCount {
 public:
  // REQUIRES: only one thread adds.
  void Add(std::uint64_t by) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Written by the queue's worker; padded, so that two workers never share a line.
struct alignas(64) QueueCounters {
  SingleWriterCount rx_packets, rx_bytes, tx_packets, tx_bytes, rx_missed, tx_errors;

  void AddTo(PortCounters& sum) const {
    sum.rx_packets += rx_packets.value();
    sum.rx_bytes += rx_bytes.value();
    sum.tx_packets += tx_packets.value();
    sum.tx_bytes += tx_bytes.value();
    sum.rx_missed += rx_missed.value();
    sum.tx_errors += tx_errors.value();
  }
};

}  // namespace vireo
