// Packets on their way from a thread that captures to the slow path.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"
#include "dataplane/port/drop_reason.h"

namespace vireo {

// What the bytes of a captured packet are.
enum class CaptureLink : std::uint8_t {
  kEthernet,
  kIp,
  kMessage,  // of WireGuard, without the UDP and IP that the kernel has around it
};

// Numbered as pcapng's epb_flags are (draft-ietf-opsawg-pcapng §4.3.1).
enum class CaptureWay : std::uint8_t { kUnknown = 0, kIn = 1, kOut = 2 };

struct CaptureHeader {
  static constexpr std::uint16_t kNotDropped = UINT16_MAX;

  std::int64_t time_ns = 0;            // Time::time_since_epoch
  std::uint32_t source = 0;            // PortId or, with `of_peer`, the peer's slot
  std::uint32_t bytes = 0;             // that follow
  std::uint32_t size = 0;              // of the packet, before it was cut to the snap length
  std::uint16_t reason = kNotDropped;  // DropReason
  CaptureLink link = CaptureLink::kIp;
  CaptureWay way = CaptureWay::kUnknown;
  bool of_peer = false;
  net::UdpEndpoint remote;  // kMessage: who sent it or is to get it
};

// Theory of operation. A ring of bytes, its memory taken once when a capture begins, so that the
// worker allocates nothing and takes no packet buffers from the traffic. What is appended stays the
// writer's until it is published, so that it can still say that the packet was dropped after all.
// What finds no room is counted.
//
// Threads: one writer (Append, SetReason, Publish), one reader (Read); left_out() any.
class CaptureRing {
 public:
  static constexpr std::size_t kBytes = std::size_t{4} << 20;

  CaptureRing() : memory_(std::make_unique_for_overwrite<std::byte[]>(kBytes)) {}

  // Copies header.bytes of `bytes`; returns where the record is, nullopt if there was no room.
  // REQUIRES: header.bytes <= bytes.size().
  std::optional<std::uint64_t> Append(const CaptureHeader& header, ConstBytes bytes);
  // REQUIRES: Append gave the position since the last Publish.
  void SetReason(std::uint64_t position, DropReason reason);
  void Publish() {
    if (written_ != head_.load(std::memory_order_relaxed)) {
      head_.store(written_, std::memory_order_release);
    }
  }

  // The oldest record; false if there is none.
  [[nodiscard]] bool Read(CaptureHeader& header, std::vector<std::byte>& bytes);
  [[nodiscard]] bool empty() const {
    return tail_.load(std::memory_order_relaxed) == head_.load(std::memory_order_acquire);
  }

  // Packets that found no room.
  [[nodiscard]] std::uint64_t left_out() const { return left_out_.load(std::memory_order_relaxed); }

 private:
  void Put(std::uint64_t position, const void* from, std::size_t size);
  void Get(std::uint64_t position, void* to, std::size_t size) const;

  const std::unique_ptr<std::byte[]> memory_;
  alignas(64) std::uint64_t written_ = 0;           // writer's; counts bytes, as the next two
  std::atomic<std::uint64_t> head_{0};              // writer writes
  std::atomic<std::uint64_t> left_out_{0};          // writer writes
  alignas(64) std::atomic<std::uint64_t> tail_{0};  // reader writes
};

}  // namespace vireo
