#include "dataplane/port/udp_receiver.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/port/udp_socket.h"

namespace vireo {
namespace {

// Areas a message may get. With the spill buffer that makes 2, 8, 16, 32, 64 entries; the kernel
// has room for 8 on its stack.
constexpr std::array<std::size_t, 5> kAreaSteps = {1, 7, 15, 31, 63};
// Messages in a row that must hold less before they get fewer areas.
constexpr unsigned kPatience = 64;

std::size_t StepFor(std::size_t datagrams) {
  return *std::find_if(kAreaSteps.begin(), kAreaSteps.end() - 1,
                       [&](std::size_t step) { return step >= datagrams; });
}

template <typename T>
T ControlValue(const cmsghdr* control) {
  T value{};
  if (control->cmsg_len >= CMSG_LEN(sizeof value)) {
    std::memcpy(&value, CMSG_DATA(control), sizeof value);
  }
  return value;
}

}  // namespace

UdpReceiver::UdpReceiver(rte_mempool* pool, QueueCounters& counters)
    : counters_(counters),
      stash_(pool),
      room_(DataRoom(pool)),
      datagram_(room_),
      // Not zeroed: pages cost memory only once a train spills into them.
      spill_(new std::byte[kMaxMessages * kSpillSize]) {
  expected_ = {1, room_};
}

UdpReceiver::~UdpReceiver() {
  for (Packet* packet : areas_) {
    if (packet != nullptr) rte_pktmbuf_free(packet);
  }
}

std::size_t UdpReceiver::Receive(int fd, PortId in_port, std::span<Packet*> out) {
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  drained_ = false;
  while (count < out.size()) {
    if (train_.next == train_.count) {
      if (message_ == messages_ && (drained_ || !ReceiveMessages(fd))) break;
      ReadTrain(message_++);
      continue;
    }
    Packet* packet = TakeDatagram();
    if (packet == nullptr) {
      counters_.rx_missed.Add(1);
      continue;
    }
    PacketMeta& meta = Meta(packet);
    meta.remote = train_.remote;
    meta.outer_tos = train_.tos;
    meta.in_port = in_port;
    bytes += Size(packet);
    out[count++] = packet;
  }
  if (count != 0) {
    counters_.rx_packets.Add(count);
    counters_.rx_bytes.Add(bytes);
  }
  return count;
}

// Takes the next messages from the kernel. False if there are none, or no packets to put them into.
bool UdpReceiver::ReceiveMessages(int fd) {
  if (!PostAreas()) {
    counters_.rx_missed.Add(1);
    return false;
  }
  for (std::size_t m = 0; m < posted_; ++m) {
    msghdr& header = headers_[m].msg_hdr;
    header.msg_namelen = sizeof(SocketAddress);
    header.msg_controllen = sizeof(Control);
  }
  int received;
  do {
    received =
        ::recvmmsg(fd, headers_.data(), static_cast<unsigned>(posted_), MSG_DONTWAIT, nullptr);
  } while (received < 0 && errno == EINTR);
  message_ = 0;
  messages_ = received > 0 ? static_cast<std::size_t>(received) : 0;
  drained_ = messages_ < posted_;
  return messages_ != 0;
}

// Makes sure that all areas have packets. False if the pool is empty.
bool UdpReceiver::PostAreas() {
  if (layout_ != expected_) Arrange(expected_);
  if (posted_ == max_messages()) return true;
  posted_ = 0;
  for (std::size_t message = 0; message < max_messages(); ++message) {
    for (std::size_t i = 0; i < layout_.areas; ++i) {
      Packet*& area = areas_[message * layout_.areas + i];
      if (area == nullptr) area = stash_.Take();
      if (area == nullptr) return posted_ != 0;
      iov_[message * (layout_.areas + 1) + i] = {Data(area), layout_.area_size};
    }
    posted_ = message + 1;
  }
  return true;
}

// Lays out headers and entries; PostAreas fills the areas in.
void UdpReceiver::Arrange(const Layout& layout) {
  layout_ = layout;
  posted_ = 0;
  for (std::size_t m = 0; m < max_messages(); ++m) {
    iovec* entries = iov_.data() + m * (layout_.areas + 1);
    entries[layout_.areas] = {spill(m), kSpillSize};
    headers_[m] = {};
    msghdr& header = headers_[m].msg_hdr;
    header.msg_name = &addresses_[m];
    header.msg_iov = entries;
    header.msg_iovlen = layout_.areas + 1;
    header.msg_control = controls_[m].bytes;
  }
}

void UdpReceiver::ReadTrain(std::size_t message) {
  const mmsghdr& received = headers_[message];
  train_ = {};
  train_.size = received.msg_len;
  train_.remote = addresses_[message].ToEndpoint();
  ReadControl(received.msg_hdr);
  if (train_.datagram == 0) train_.datagram = train_.size;
  // A datagram may be empty; it is still one.
  train_.count = train_.size == 0 ? 1 : (train_.size + train_.datagram - 1) / train_.datagram;
  if (train_.datagram > room_ || (received.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    counters_.rx_missed.Add(train_.count);
    train_.next = train_.count;
  }
  train_.in_place = train_.datagram == layout_.area_size ||
                    (train_.count == 1 && train_.size <= layout_.area_size);
  Learn();
}

void UdpReceiver::ReadControl(const msghdr& header) {
  // CMSG_NXTHDR takes a mutable header and does not touch it.
  auto* mutable_header = const_cast<msghdr*>(&header);
  for (cmsghdr* control = CMSG_FIRSTHDR(mutable_header); control != nullptr;
       control = CMSG_NXTHDR(mutable_header, control)) {
    if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == kUdpGro) {
      train_.datagram = static_cast<std::size_t>(std::max(ControlValue<int>(control), 0));
    } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_TOS) {
      train_.tos = ControlValue<std::uint8_t>(control);
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_TCLASS) {
      train_.tos = static_cast<std::uint8_t>(ControlValue<int>(control));
    } else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL) {
      const auto total = ControlValue<std::uint32_t>(control);
      // A socket that was bound anew counts from zero again.
      counters_.rx_missed.Add(total >= overflow_ ? total - overflow_ : total);
      overflow_ = total;
    }
  }
}

// Lets the coming messages have as many areas, as large, as this one would have needed.
void UdpReceiver::Learn() {
  if (train_.count > 1) datagram_ = std::min(train_.datagram, room_);
  const std::size_t areas = StepFor(train_.count);
  std::size_t each = std::max(areas, expected_.areas);
  if (areas < expected_.areas) {
    short_areas_ = std::max(short_areas_, areas);
    if (++short_trains_ >= kPatience) each = short_areas_;
  }
  if (areas >= expected_.areas || each < expected_.areas) {
    short_trains_ = 0;
    short_areas_ = 1;
  }
  expected_ = {each, each == 1 ? room_ : datagram_};
}

// The next datagram of the train in a packet; nullptr if it is lost because the pool is empty.
Packet* UdpReceiver::TakeDatagram() {
  const std::size_t index = train_.next++;
  const std::size_t from = index * train_.datagram;
  const std::size_t size = std::min(train_.datagram, train_.size - from);
  Packet* packet;
  if (train_.in_place && index < layout_.areas) {
    packet = TakeArea(index);
  } else {
    packet = stash_.Take();
    if (packet == nullptr) return nullptr;
    CopyFromTrain(Data(packet), from, size);
  }
  SetSize(packet, static_cast<std::uint16_t>(size));
  return packet;
}

// Takes the packet of an area of the current message and posts another in its place.
Packet* UdpReceiver::TakeArea(std::size_t index) {
  const std::size_t message = message_ - 1;
  Packet*& area = areas_[message * layout_.areas + index];
  Packet* const taken = area;
  area = stash_.Take();
  if (area == nullptr) {
    posted_ = 0;  // makes PostAreas look for the gap
  } else {
    iov_[message * (layout_.areas + 1) + index].iov_base = Data(area);
  }
  return taken;
}

// Gathers bytes of the current message from the areas and the spill buffer behind them.
void UdpReceiver::CopyFromTrain(std::byte* to, std::size_t from, std::size_t size) const {
  const std::size_t message = message_ - 1;
  const std::size_t in_areas = layout_.areas * layout_.area_size;
  while (size != 0) {
    const std::byte* source;
    std::size_t chunk = size;
    if (from >= in_areas) {
      source = spill(message) + (from - in_areas);
    } else {
      const std::size_t offset = from % layout_.area_size;
      chunk = std::min(size, layout_.area_size - offset);
      source = Data(areas_[message * layout_.areas + from / layout_.area_size]) + offset;
    }
    std::memcpy(to, source, chunk);
    to += chunk;
    from += chunk;
    size -= chunk;
  }
}

}  // namespace vireo
