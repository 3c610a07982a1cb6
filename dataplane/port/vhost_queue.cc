#include "dataplane/port/vhost_queue.h"

#include <rte_vhost.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "dataplane/port/packet_room.h"
#include "dataplane/port/vhost_features.h"
#include "dataplane/port/vhost_offload.h"

namespace vireo {

VhostQueue::VhostQueue(VhostDevice& device, std::uint16_t worker, std::uint16_t workers,
                       rte_mempool* pool)
    : device_(device),
      worker_(worker),
      workers_(workers),
      pool_(pool),
      room_(DataRoom(pool)),
      next_pair_(worker),
      stash_(pool) {}

VhostQueue::~VhostQueue() {
  Flush();
  for (; taken_ < count_; ++taken_) rte_pktmbuf_free(fetched_[taken_]);
}

// From the VM.

// Fills fetched_ from the next of our pairs that has something. False if none has.
// REQUIRES: nothing is in it.
bool VhostQueue::Fetch(int id) {
  const std::uint16_t pairs = device_.pairs();
  // A chain of buffers that the pool cannot continue would be lost, so not too many at once.
  const bool large = (device_.features() & (kVirtioHostTso4 | kVirtioHostTso6)) != 0;
  const std::uint16_t burst = large ? kFetchBurst / 2 : kFetchBurst;
  for (std::uint16_t looked = worker_; looked < pairs;
       looked = static_cast<std::uint16_t>(looked + workers_)) {
    if (next_pair_ >= pairs) next_pair_ = worker_;
    const auto ring = static_cast<std::uint16_t>(2 * next_pair_ + 1);
    next_pair_ = static_cast<std::uint16_t>(next_pair_ + workers_);
    taken_ = 0;
    count_ = rte_vhost_dequeue_burst(id, ring, pool_, fetched_.data(), burst);
    if (count_ != 0) return true;
  }
  return false;
}

// Copies a large frame into buffer_ and frees it.
void VhostQueue::StartSegments(Packet* packet) {
  const std::size_t size = packet->pkt_len;
  bool started = false;
  if (size <= buffer_.size()) {
    std::size_t filled = 0;
    for (const Packet* part = packet; part != nullptr; part = part->next) {
      std::memcpy(&buffer_[filled], rte_pktmbuf_mtod(part, const std::byte*), part->data_len);
      filled += part->data_len;
    }
    const ConstBytes frame = ConstBytes(buffer_).first(size);
    const FrameOffload work = OffloadOf(packet, frame);
    started = work && segmenter_.Start(frame, work.offload, work.link_size);
  }
  if (!started) counters.rx_missed.Add(1);
  rte_pktmbuf_free(packet);
}

// nullptr if it was too large for a packet, or now is in segmenter_.
Packet* VhostQueue::TakeFetched() {
  Packet* packet = fetched_[taken_++];
  if (IsLarge(packet) || (IsUnsummed(packet) && packet->nb_segs != 1)) {
    StartSegments(packet);
    return nullptr;
  }
  packet = OneBuffer(packet, pool_);
  if (packet == nullptr) {
    counters.rx_missed.Add(1);
    return nullptr;
  }
  if (IsUnsummed(packet) && !FinishChecksum(packet)) {
    counters.rx_missed.Add(1);
    rte_pktmbuf_free(packet);
    return nullptr;
  }
  packet->ol_flags = 0;
  Meta(packet) = {};
  return packet;
}

// nullptr if it is too large for a packet, or the pool is empty. REQUIRES: !segmenter_.done().
Packet* VhostQueue::NextSegment() {
  const std::size_t size = segmenter_.next_size();
  if (size > room_) {
    segmenter_.Skip();
    counters.rx_missed.Add(1);
    return nullptr;
  }
  Packet* packet = stash_.Take();
  if (packet == nullptr) return nullptr;
  segmenter_.Next(Data(packet));
  SetSize(packet, static_cast<std::uint16_t>(size));
  return packet;
}

// Makes packets of what is here, up to 64 at a time. Returns how many; fewer than `out` holds and
// Waits() if the pool is empty.
std::size_t VhostQueue::Deliver(std::span<Packet*> out) {
  std::size_t count = 0;
  for (std::size_t tried = 0; count < out.size() && Waits() && tried < 2 * kMaxBurst; ++tried) {
    Packet* packet = segmenter_.done() ? TakeFetched() : NextSegment();
    if (packet != nullptr) out[count++] = packet;
  }
  return count;
}

std::uint16_t VhostQueue::Receive(std::span<Packet*> out, PortId port) {
  out = out.first(std::min(out.size(), kMaxBurst));
  std::size_t count = Deliver(out);
  if (count < out.size() && !Waits()) {
    const int id = entered_ >= 0 ? entered_ : device_.Enter(worker_);
    if (id >= 0) {
      while (count < out.size() && !Waits() && Fetch(id)) count += Deliver(out.subspan(count));
      if (entered_ < 0) device_.Leave(worker_);
    }
  }
  if (count == 0) return 0;
  std::uint64_t bytes = 0;
  for (Packet* packet : out.first(count)) {
    Meta(packet).in_port = port;
    bytes += Size(packet);
  }
  counters.rx_packets.Add(count);
  counters.rx_bytes.Add(bytes);
  return static_cast<std::uint16_t>(count);
}

// To the VM.

// Of our pair, or as the workers' numbers come if the VM uses fewer pairs than there are workers.
std::optional<std::uint16_t> VhostQueue::RingToVm() const {
  std::uint64_t taking = device_.taking();
  if (taking == 0) return std::nullopt;
  if (worker_ < VhostDevice::kMaxPairs && (taking >> worker_ & 1) != 0) {
    return static_cast<std::uint16_t>(2 * worker_);
  }
  for (int skip = worker_ % std::popcount(taking); skip > 0; --skip) taking &= taking - 1;
  return static_cast<std::uint16_t>(2 * std::countr_zero(taking));
}

// Puts packets into the ring and frees them. Returns how many the VM had buffers for.
std::uint16_t VhostQueue::Put(std::uint16_t ring, std::span<Packet*> packets) {
  std::size_t sent = 0;
  while (sent < packets.size()) {
    const auto some = static_cast<std::uint16_t>(packets.size() - sent);
    const std::uint16_t put = rte_vhost_enqueue_burst(entered_, ring, &packets[sent], some);
    if (put == 0) break;
    sent += put;
  }
  std::uint64_t frames = 0, bytes = 0;
  for (const Packet* packet : packets.first(sent)) {
    // The headers that went into one were frames' bytes as well.
    const std::uint64_t headers = packet->l2_len + packet->l3_len + packet->l4_len;
    frames += packet->nb_segs;
    bytes += packet->pkt_len + (packet->nb_segs - 1u) * headers;
  }
  if (sent != 0) {
    counters.tx_packets.Add(frames);
    counters.tx_bytes.Add(bytes);
    rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(sent));
  }
  return static_cast<std::uint16_t>(sent);
}

std::uint16_t VhostQueue::Transmit(std::span<Packet*> packets) {
  if (entered_ < 0) entered_ = device_.Enter(worker_);
  if (entered_ < 0) return 0;
  if (gathered_ == 0) {
    const auto ring = RingToVm();
    if (!ring) return 0;
    ring_ = *ring;
  }
  if ((device_.features() & kJoinedFeatures) != kJoinedFeatures) return Put(ring_, packets);
  const std::size_t buffers = rte_vhost_avail_entries(entered_, ring_);
  const std::size_t free = buffers - std::min(buffers, gathered_);
  packets = packets.first(std::min(packets.size(), free));
  gathered_ += packets.size();
  for (Packet* packet : packets) coalescer_.Add(Bytes(packet), packet, *this);
  return static_cast<std::uint16_t>(packets.size());
}

void VhostQueue::Write(const net::Offload& offload, std::span<const ConstBytes> parts,
                       std::span<void* const> owners) {
  if (joined_count_ == joined_.size()) PutJoined();
  joined_[joined_count_++] = Chain(offload, parts, owners);
}

void VhostQueue::PutJoined() {
  const std::span<Packet*> packets = std::span(joined_).first(joined_count_);
  for (const Packet* packet : packets) gathered_ -= packet->nb_segs;
  joined_count_ = 0;
  // The VM may have taken buffers away that it had offered, which virtio forbids it.
  for (Packet* packet : packets.subspan(Put(ring_, packets))) {
    counters.tx_errors.Add(packet->nb_segs);
    rte_pktmbuf_free(packet);
  }
}

void VhostQueue::Flush() {
  if (entered_ < 0) return;
  if (gathered_ != 0) {
    coalescer_.Flush(*this);
    PutJoined();
  }
  device_.Leave(worker_);
  entered_ = -1;
}

}  // namespace vireo
