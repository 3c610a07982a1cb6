// A worker's side of a vhost-user port: frames out of the VM's rings and into them.
//
// Theory of operation: the VM may leave checksums to us, and the cutting of large TCP packets; it
// gets frames of one flow joined if it takes them (net::Segmenter, net::Coalescer). Joined frames
// go into the ring at Flush, but they are taken by Transmit, so there must be room for them then:
// Transmit takes no more frames than the VM has buffers for, counted as if none were joined, and
// stays inside the device until Flush, so that the rings are still there.
//
// Not thread-safe: the worker's, but for the counters.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/net/coalesce.h"
#include "dataplane/port/packet_stash.h"
#include "dataplane/port/port.h"
#include "dataplane/port/queue_counters.h"
#include "dataplane/port/vhost_device.h"

namespace vireo {

class VhostQueue final : public net::PacketSink {
 public:
  // The references must outlive the queue.
  VhostQueue(VhostDevice& device, std::uint16_t worker, std::uint16_t workers, rte_mempool* pool);
  ~VhostQueue() override;

  // As Port's functions of these names.
  std::uint16_t Receive(std::span<Packet*> out, PortId port);
  std::uint16_t Transmit(std::span<Packet*> packets);
  void Flush();

  // Of the coalescer.
  void Write(const net::Offload& offload, std::span<const ConstBytes> parts,
             std::span<void* const> owners) override;

  QueueCounters counters;

 private:
  static constexpr std::size_t kMaxBurst = 64;
  static constexpr std::uint16_t kFetchBurst = 32;  // what librte_vhost gives at most at once
  static constexpr std::size_t kMaxFrame = 18 + 65535;

  // Something has come that nobody has taken yet.
  [[nodiscard]] bool Waits() const { return !segmenter_.done() || taken_ < count_; }
  bool Fetch(int id);
  std::size_t Deliver(std::span<Packet*> out);
  [[nodiscard]] Packet* TakeFetched();
  void StartSegments(Packet* packet);
  [[nodiscard]] Packet* NextSegment();

  [[nodiscard]] std::optional<std::uint16_t> RingToVm() const;
  std::uint16_t Put(std::uint16_t ring, std::span<Packet*> packets);
  void PutJoined();

  VhostDevice& device_;
  const std::uint16_t worker_, workers_;
  rte_mempool* const pool_;
  const std::size_t room_;  // of a packet, bytes
  int entered_ = -1;        // librte_vhost's device, from Transmit to Flush

  std::uint16_t next_pair_;  // to be looked at
  // What librte_vhost gave and nobody has taken yet.
  std::array<Packet*, kFetchBurst> fetched_;
  std::size_t taken_ = 0, count_ = 0;
  PacketStash stash_;
  net::Segmenter segmenter_;
  std::array<std::byte, kMaxFrame> buffer_;  // of the superpacket in segmenter_

  net::Coalescer coalescer_{net::UdpCoalescing::kOff, net::Framing::kEthernet};
  std::uint16_t ring_ = 0;    // that joined frames are for
  std::size_t gathered_ = 0;  // frames that are on their way to it
  std::array<Packet*, kMaxBurst> joined_;
  std::size_t joined_count_ = 0;
};

}  // namespace vireo
