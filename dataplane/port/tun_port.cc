#include "dataplane/port/tun_port.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dataplane/net/coalesce.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/segment.h"
#include "dataplane/port/packet_stash.h"
#include "dataplane/port/queue_counters.h"
#include "dataplane/port/vnet_header.h"

namespace vireo {
namespace {

constexpr std::size_t kMaxBurst = 64;
constexpr std::size_t kMaxLinkHeader = sizeof(net::EthernetHeader) + sizeof(net::VlanTag);

// Bytes in front of the IP packet in a frame. The kernel hands over superpackets in VLANs too.
std::size_t LinkSizeOf(ConstBytes frame) {
  if (frame.size() < sizeof(net::EthernetHeader)) return sizeof(net::EthernetHeader);
  const auto* header = reinterpret_cast<const net::EthernetHeader*>(frame.data());
  return header->type.value() == net::kEtherTypeVlan ? kMaxLinkHeader : sizeof(net::EthernetHeader);
}

// Of our end of a TAP interface: the host's address with another last bit.
net::MacAddress Neighbouring(net::MacAddress mac) {
  mac.bytes.back() ^= 1;
  return mac;
}

}  // namespace

// One descriptor of the interface and what its worker needs around it.
class TunPort::Queue final : public net::PacketSink {
 public:
  Queue(TunPort& port, int fd, rte_mempool* pool)
      : port_(port),
        fd_(fd),
        vnet_size_(port.device_.has_offload() ? sizeof(VnetHeader) : 0),
        ethernet_(port.info().link == Link::kEthernet),
        room_(DataRoom(pool)),
        stash_(pool),
        coalescer_(port.device_.has_udp_segmentation() ? net::UdpCoalescing::kOn
                                                       : net::UdpCoalescing::kOff,
                   ethernet_ ? net::Framing::kEthernet : net::Framing::kIp) {}

  std::uint16_t Receive(std::span<Packet*> out);
  void Transmit(Packet* packet) {
    if (port_.device_.has_offload()) {
      coalescer_.Add(Bytes(packet), packet, *this);
    } else {
      const ConstBytes part = Bytes(packet);
      void* owner = packet;
      Write({}, {&part, 1}, {&owner, 1});
    }
  }
  void Flush() { coalescer_.Flush(*this); }

  void Write(const net::Offload& offload, std::span<const ConstBytes> parts,
             std::span<void* const> owners) override;

  QueueCounters counters;

 private:
  bool ReadNext();
  bool Start(ConstBytes whole);

  TunPort& port_;
  const int fd_;
  const std::size_t vnet_size_;
  const bool ethernet_;
  const std::size_t room_;  // of a packet, bytes
  PacketStash stash_;
  net::Segmenter segmenter_;
  net::Coalescer coalescer_;
  // Of the superpacket in segmenter_.
  std::array<std::byte, sizeof(VnetHeader) + kMaxLinkHeader + 65536> buffer_;
};

// Begins with what was read. False if it is no packet.
bool TunPort::Queue::Start(ConstBytes whole) {
  if (whole.size() <= vnet_size_) return false;
  VnetHeader header;
  std::memcpy(&header, whole.data(), vnet_size_);
  net::Offload offload;
  if (!header.Read(offload)) return false;
  const ConstBytes packet = whole.subspan(vnet_size_);
  return segmenter_.Start(packet, offload, ethernet_ ? LinkSizeOf(packet) : 0);
}

// Reads one packet of any size into segmenter_. False if there is none.
bool TunPort::Queue::ReadNext() {
  // A bad packet is skipped, but a row of them must not hold the worker up.
  for (std::size_t attempt = 0; attempt < kMaxBurst; ++attempt) {
    const ssize_t size = ::read(fd_, buffer_.data(), buffer_.size());
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EBADFD) port_.closed_.store(true, std::memory_order_relaxed);
      return false;
    }
    if (Start(ConstBytes(buffer_).first(static_cast<std::size_t>(size)))) return true;
    counters.rx_missed.Add(1);
  }
  return false;
}

std::uint16_t TunPort::Queue::Receive(std::span<Packet*> out) {
  const std::size_t limit = std::min(out.size(), kMaxBurst);
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  while (count < limit) {
    if (segmenter_.done() && !ReadNext()) break;
    const std::size_t size = segmenter_.next_size();
    if (size > room_) {
      segmenter_.Skip();
      counters.rx_missed.Add(1);
      continue;
    }
    Packet* packet = stash_.Take();
    if (packet == nullptr) {
      counters.rx_missed.Add(1);
      break;
    }
    segmenter_.Next(Data(packet));
    SetSize(packet, static_cast<std::uint16_t>(size));
    Meta(packet).in_port = port_.id();
    bytes += size;
    out[count++] = packet;
  }
  if (count != 0) {
    counters.rx_packets.Add(count);
    counters.rx_bytes.Add(bytes);
  }
  return static_cast<std::uint16_t>(count);
}

void TunPort::Queue::Write(const net::Offload& offload, std::span<const ConstBytes> parts,
                           std::span<void* const> owners) {
  const std::size_t link_size = ethernet_ ? sizeof(net::EthernetHeader) : 0;
  const bool v6 =
      parts[0].size() > link_size && std::to_integer<unsigned>(parts[0][link_size]) >> 4 == 6;
  VnetHeader header = VnetHeader::From(offload, v6);
  std::array<iovec, 1 + net::Coalescer::kMaxSegments> iov;
  std::size_t entries = 0;
  if (vnet_size_ != 0) iov[entries++] = {&header, vnet_size_};
  std::size_t bytes = 0;
  for (const ConstBytes part : parts) {
    iov[entries++] = {const_cast<std::byte*>(part.data()), part.size()};
    bytes += part.size();
  }
  // The headers that went into one were packets' bytes as well.
  bytes += (owners.size() - 1) * offload.header_size;
  ssize_t written;
  do {
    written = ::writev(fd_, iov.data(), static_cast<int>(entries));
  } while (written < 0 && errno == EINTR);
  if (written < 0) {
    if (errno == EBADFD) port_.closed_.store(true, std::memory_order_relaxed);
    counters.tx_errors.Add(owners.size());
  } else {
    counters.tx_packets.Add(owners.size());
    counters.tx_bytes.Add(bytes);
  }
  std::array<Packet*, net::Coalescer::kMaxSegments> packets;
  std::transform(owners.begin(), owners.end(), packets.begin(),
                 [](void* owner) { return static_cast<Packet*>(owner); });
  rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(owners.size()));
}

Result<std::unique_ptr<TunPort>> TunPort::Open(const Options& options) {
  Result<TunDevice> device =
      TunDevice::Open(options.interface, options.mode, options.queues, options.mtu);
  if (!device) return device.error();
  return std::unique_ptr<TunPort>(new TunPort(options, std::move(device).value()));
}

TunPort::TunPort(const Options& options, TunDevice device)
    : Port({options.name, "tun", Link::kIp, options.queues, {}, device.name()}),
      device_(std::move(device)),
      mtu_(options.mtu) {
  if (options.mode == TunMode::kTap) {
    info_.kind = "tap";
    info_.link = Link::kEthernet;
    info_.mac = Neighbouring(device_.ReadMac());
  }
  for (std::uint16_t i = 0; i < options.queues; ++i) {
    queues_.push_back(std::make_unique<Queue>(*this, device_.fd(i), options.pool));
  }
}

// Sends what is held, so that its packets return to the pool.
TunPort::~TunPort() {
  for (const auto& queue : queues_) queue->Flush();
}

std::uint16_t TunPort::Receive(std::uint16_t queue, std::span<Packet*> out) {
  return queues_[queue]->Receive(out);
}

std::uint16_t TunPort::Transmit(std::uint16_t queue, std::span<Packet*> packets) {
  for (Packet* packet : packets) queues_[queue]->Transmit(packet);
  return static_cast<std::uint16_t>(packets.size());
}

void TunPort::Flush(std::uint16_t queue) { queues_[queue]->Flush(); }

Status TunPort::RefreshMtu() {
  const Result<std::uint16_t> mtu = device_.ReadMtu();
  if (!mtu) return mtu.error();
  mtu_.store(mtu.value(), std::memory_order_relaxed);
  return {};
}

bool TunPort::IsUp() const { return device_.IsUp(); }

PortCounters TunPort::counters() const {
  PortCounters sum;
  for (const auto& queue : queues_) queue->counters.AddTo(sum);
  return sum;
}

}  // namespace vireo
