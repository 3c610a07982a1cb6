#include "dataplane/port/xsk_queue.h"

#include <linux/if_xdp.h>
#include <rte_memcpy.h>
#include <rte_prefetch.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "dataplane/port/xsk_fill.h"

namespace vireo {
namespace {

// Linux 6.17; Debian 12's headers do not have it.
constexpr int kXdpMaxTxSkbBudget = 9;

constexpr std::chrono::seconds kBusyPatience{2};

constexpr std::uint32_t kBatch = 64;
// Completions are looked at from this many packets on.
constexpr std::uint32_t kReapAt = 32;
constexpr std::uint16_t kMinFrame = 14;  // an Ethernet header

Error OpenError(const XskQueue::Options& options, int number) {
  const std::string what =
      "open AF_XDP socket on queue " + std::to_string(options.queue) + " of " + options.interface;
  switch (number) {
    case EBUSY:
      return {ErrorCode::kAlreadyExists,
              what + ": another program has one there; stop it or use another interface"};
    case EINVAL:
      return {ErrorCode::kInvalidArgument,
              what + ": refused; check that the interface has that many queues (`ethtool -l " +
                  options.interface + "`)"};
    case EPERM:
    case EACCES:
      return {ErrorCode::kPermissionDenied,
              what + ": not permitted; run as root or with CAP_NET_RAW"};
    case EAFNOSUPPORT:
      return {ErrorCode::kUnsupported, what + ": this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)"};
    case ENOBUFS:
    case ENOMEM:
      return {ErrorCode::kExhausted, what +
                                         ": out of memory that may be locked; give CAP_IPC_LOCK "
                                         "or raise LimitMEMLOCK"};
    default:
      return SystemError(what, number);
  }
}

}  // namespace

XskQueue::XskQueue(const PacketMemory& memory, std::uint32_t ring_size)
    : memory_(memory), fill_missing_(ring_size), held_(memory) {}

XskQueue::~XskQueue() {
  xsk_socket__delete(socket_);
  if (umem_ != nullptr) xsk_umem__delete(umem_);
  held_.FreeAll(memory_);
}

Result<std::unique_ptr<XskQueue>> XskQueue::Open(const PacketMemory& memory,
                                                 const Options& options) {
  // A socket that was closed holds its queue until a work queue of the kernel has run.
  const auto give_up = std::chrono::steady_clock::now() + kBusyPatience;
  std::unique_ptr<XskQueue> queue;
  for (;;) {
    queue.reset(new XskQueue(memory, options.ring_size));
    const Status bound = queue->Bind(options);
    if (bound.ok()) break;
    if (bound.error().code != ErrorCode::kAlreadyExists ||
        std::chrono::steady_clock::now() > give_up) {
      return bound.error();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  queue->Tune(options.ring_size);
  queue->Fill();
  if (queue->fill_missing_ != 0) {
    return Error{ErrorCode::kExhausted,
                 "queue " + std::to_string(options.queue) + " of " + options.interface + " needs " +
                     std::to_string(options.ring_size) +
                     " packets to receive into; make the packet pool larger"};
  }
  return queue;
}

Status XskQueue::Bind(const Options& options) {
  xsk_umem_config umem{};
  umem.fill_size = options.ring_size;
  umem.comp_size = options.ring_size;
  umem.frame_size = memory_.chunk_size();
  umem.frame_headroom = memory_.chunk_headroom();
  umem.flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG;
  int error =
      -xsk_umem__create(&umem_, memory_.base(), memory_.size(), &fill_, &completion_, &umem);
  if (error != 0) return OpenError(options, error);

  xsk_socket_config config{};
  config.rx_size = options.ring_size;
  config.tx_size = options.ring_size;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  // The kernel falls back from zero-copy to copy by itself.
  config.bind_flags = XDP_USE_NEED_WAKEUP;
  if (memory_.chunks_cross_pages()) config.bind_flags |= XDP_COPY;
  error = -xsk_socket__create(&socket_, options.interface.c_str(), options.queue, umem_, &rx_, &tx_,
                              &config);
  if (error != 0) return OpenError(options, error);
  fd_ = xsk_socket__fd(socket_);

  xdp_options kernel{};
  socklen_t size = sizeof kernel;
  zero_copy_ = getsockopt(fd_, SOL_XDP, XDP_OPTIONS, &kernel, &size) == 0 &&
               (kernel.flags & XDP_OPTIONS_ZEROCOPY) != 0;
  return {};
}

// Neither is needed for correctness, and kernels and containers may refuse both.
void XskQueue::Tune(std::uint32_t ring_size) {
  setsockopt(fd_, SOL_XDP, kXdpMaxTxSkbBudget, &ring_size, sizeof ring_size);
  // In copy mode each packet sent is an skb charged to the socket until the driver is done with
  // it: room for a full ring of them, so that only the ring limits.
  const int send_buffer = static_cast<int>(ring_size * 4096);
  if (setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer, sizeof send_buffer) != 0) {
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  }
}

void XskQueue::Fill() {
  std::array<Packet*, kBatch> packets;
  std::array<std::uint64_t, kBatch> chunks;
  while (fill_missing_ != 0) {
    const std::uint32_t count = std::min(fill_missing_, kBatch);
    const auto objects = reinterpret_cast<void**>(packets.data());
    // Raw: what a received packet needs is set when it is received.
    if (rte_mempool_get_bulk(memory_.pool(), objects, count) != 0) return;
    for (std::uint32_t i = 0; i < count; ++i) chunks[i] = memory_.ChunkOf(packets[i]);
    if (!FillRing(fill_, std::span(chunks).first(count))) {
      rte_mempool_put_bulk(memory_.pool(), objects, count);
      return;  // the next Receive tries again
    }
    for (std::uint32_t i = 0; i < count; ++i) held_.Give(chunks[i]);
    fill_missing_ -= count;
  }
}

Packet* XskQueue::TakeFrame(const xdp_desc& descriptor, PortId port) {
  const std::uint64_t chunk = xsk_umem__extract_addr(descriptor.addr);
  Packet* packet = memory_.PacketOf(chunk);
  held_.Take(chunk);
  packet->data_off = memory_.DataOff(xsk_umem__extract_offset(descriptor.addr));
  packet->ol_flags = 0;
  SetSize(packet, static_cast<std::uint16_t>(descriptor.len));
  Meta(packet) = {};
  Meta(packet).in_port = port;
  return packet;
}

std::uint16_t XskQueue::Receive(PortId port, std::span<Packet*> out) {
  std::uint32_t index = 0;
  const std::uint32_t count =
      xsk_ring_cons__peek(&rx_, static_cast<std::uint32_t>(out.size()), &index);
  if (count == 0) {
    if (kick_wanted_) Kick();
    if (fill_missing_ != 0) Fill();
    if (xsk_ring_prod__needs_wakeup(&fill_))
      recvfrom(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
    return 0;
  }
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const xdp_desc& descriptor = *xsk_ring_cons__rx_desc(&rx_, index + i);
    rte_prefetch0(memory_.PacketOf(xsk_umem__extract_addr(descriptor.addr)));
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    out[i] = TakeFrame(*xsk_ring_cons__rx_desc(&rx_, index + i), port);
    rte_prefetch0(Data(out[i]));
    bytes += Size(out[i]);
  }
  xsk_ring_cons__release(&rx_, count);
  rx_packets_.Add(count);
  rx_bytes_.Add(bytes);
  fill_missing_ += count;
  Fill();
  return static_cast<std::uint16_t>(count);
}

// Fills in how the kernel is to send `packet`. False if it cannot be sent; it is freed then.
bool XskQueue::Describe(Packet* packet, xdp_desc& descriptor) {
  if (Size(packet) < kMinFrame || Size(packet) > memory_.chunk_size()) {
    rte_pktmbuf_free(packet);
    return false;
  }
  if (packet->pool != memory_.pool()) packet = CopyOfForeign(packet);
  if (packet == nullptr) return false;
  const std::uint64_t chunk = memory_.ChunkOf(packet);
  held_.Give(chunk);
  descriptor.addr = chunk | memory_.DataOffset(packet) << XSK_UNALIGNED_BUF_OFFSET_SHIFT;
  descriptor.len = Size(packet);
  descriptor.options = 0;
  return true;
}

// Packets of another pool are not in the UMEM. Returns nullptr if there is no packet to copy to.
Packet* XskQueue::CopyOfForeign(Packet* packet) {
  Packet* copy = nullptr;
  if (Size(packet) <= memory_.frame_size() &&
      rte_mempool_get(memory_.pool(), reinterpret_cast<void**>(&copy)) == 0) {
    ResetPacket(copy);
    SetSize(copy, Size(packet));
    rte_memcpy(Data(copy), Data(packet), Size(packet));
  }
  rte_pktmbuf_free(packet);
  return copy;
}

std::uint16_t XskQueue::Transmit(std::span<Packet*> packets) {
  const auto wanted = static_cast<std::uint32_t>(packets.size());
  MakeRoom(wanted);
  const std::uint32_t count = std::min(wanted, xsk_prod_nb_free(&tx_, wanted));
  std::uint32_t index = 0;
  if (count == 0 || xsk_ring_prod__reserve(&tx_, count, &index) == 0) return 0;
  std::uint32_t described = 0;
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    xdp_desc& descriptor = *xsk_ring_prod__tx_desc(&tx_, index + described);
    if (!Describe(packets[i], descriptor)) continue;
    bytes += descriptor.len;
    ++described;
  }
  tx_.cached_prod -= count - described;
  xsk_ring_prod__submit(&tx_, described);
  in_transmit_ += described;
  kick_wanted_ |= described != 0;
  tx_packets_.Add(described);
  tx_bytes_.Add(bytes);
  tx_errors_.Add(count - described);
  return static_cast<std::uint16_t>(count);
}

// Lets go of what is sent and, if the ring is too full for `wanted` packets, has some sent.
void XskQueue::MakeRoom(std::uint32_t wanted) {
  if (in_transmit_ >= kReapAt) Reap();
  if (xsk_prod_nb_free(&tx_, wanted) >= wanted) return;
  Kick();
  Reap();
}

void XskQueue::Flush() {
  if (kick_wanted_) Kick();
}

void XskQueue::BeforeSleep() {
  if (kick_wanted_) Kick();
  if (xsk_ring_prod__needs_wakeup(&fill_))
    recvfrom(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
}

// Has the kernel send what is in the transmit ring. What it does not send now, for want of memory
// or because the device is full, is tried again by the next call, at the latest the next Receive.
void XskQueue::Kick() {
  if (!xsk_ring_prod__needs_wakeup(&tx_)) {
    kick_wanted_ = false;
    return;
  }
  std::uint32_t sent = __atomic_load_n(tx_.consumer, __ATOMIC_RELAXED);
  for (;;) {
    if (sendto(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0) {
      kick_wanted_ = false;
      return;
    }
    // EAGAIN: at the call's limit, or out of memory. EBUSY: the device dropped the packet.
    const std::uint32_t now = __atomic_load_n(tx_.consumer, __ATOMIC_RELAXED);
    if (now == sent || (errno != EAGAIN && errno != EBUSY)) return;
    sent = now;
  }
}

void XskQueue::Reap() {
  std::array<void*, kBatch> packets;
  for (;;) {
    std::uint32_t index = 0;
    const std::uint32_t count = xsk_ring_cons__peek(&completion_, kBatch, &index);
    if (count == 0) return;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint64_t chunk =
          xsk_umem__extract_addr(*xsk_ring_cons__comp_addr(&completion_, index + i));
      held_.Take(chunk);
      packets[i] = memory_.PacketOf(chunk);
    }
    xsk_ring_cons__release(&completion_, count);
    rte_mempool_put_bulk(memory_.pool(), packets.data(), count);
    in_transmit_ -= count;
  }
}

void XskQueue::AddCounters(PortCounters& sum) const {
  sum.rx_packets += rx_packets_.Read();
  sum.rx_bytes += rx_bytes_.Read();
  sum.tx_packets += tx_packets_.Read();
  sum.tx_bytes += tx_bytes_.Read();
  sum.tx_errors += tx_errors_.Read();
  xdp_statistics kernel{};
  socklen_t size = sizeof kernel;
  if (getsockopt(fd_, SOL_XDP, XDP_STATISTICS, &kernel, &size) == 0) {
    // No packet in the fill ring, or no room in the receive ring.
    sum.rx_missed += kernel.rx_dropped + kernel.rx_ring_full;
    sum.tx_errors += kernel.tx_invalid_descs;
  }
}

}  // namespace vireo
