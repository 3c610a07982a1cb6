// Receiving from a UDP socket straight into packets, also when the kernel joined datagrams (GRO).
//
// Theory of operation: with UDP_GRO one message may be dozens of datagrams of one size, back to
// back. The kernel is given a list of packets' data areas to scatter each message over, every area
// as large as the datagrams are expected to be (as large as the last ones were), so that datagrams
// land in packets of their own without a copy. Only when the expectation was wrong are they copied
// apart. Behind the areas lies a spill buffer, so that nothing is ever truncated. How many areas a
// message gets follows what messages held lately, between single datagrams (many messages a call)
// and long trains.
//
// Not thread-safe: part of one queue of a port.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/port/packet_stash.h"
#include "dataplane/port/port.h"
#include "dataplane/port/queue_counters.h"
#include "dataplane/port/socket_address.h"

namespace vireo {

class UdpReceiver {
 public:
  // Borrows both; `counters` gets what was received and what was lost.
  UdpReceiver(rte_mempool* pool, QueueCounters& counters);
  UdpReceiver(const UdpReceiver&) = delete;
  UdpReceiver& operator=(const UdpReceiver&) = delete;
  ~UdpReceiver();

  // Fills `out` from the front with datagrams of `fd`; returns how many, less than out.size() only
  // if the socket (or the pool) is empty. Datagrams already taken from the kernel come first. Those
  // larger than a packet are lost, counted as rx_missed.
  std::size_t Receive(int fd, PortId in_port, std::span<Packet*> out);

 private:
  static constexpr std::size_t kMaxMessages = 32;  // a call
  static constexpr std::size_t kMaxAreas = 128;    // a call, over all messages
  static constexpr std::size_t kSpillSize = 65536;

  // A message as the kernel filled it.
  struct Train {
    net::UdpEndpoint remote;
    std::uint8_t tos = 0;
    bool in_place = false;     // datagrams lie in areas of their own, as far as those reach
    std::size_t size = 0;      // bytes altogether
    std::size_t datagram = 0;  // bytes of each but the last
    std::size_t count = 0;     // datagrams
    std::size_t next = 0;      // to be taken
  };

  // How messages are expected to come.
  struct Layout {
    std::size_t areas = 1;      // a message gets, besides the spill buffer
    std::size_t area_size = 0;  // bytes

    bool operator==(const Layout&) const = default;
  };

  bool ReceiveMessages(int fd);
  bool PostAreas();
  void Arrange(const Layout& layout);
  void ReadTrain(std::size_t message);
  void ReadControl(const msghdr& header);
  void Learn();
  Packet* TakeDatagram();
  Packet* TakeArea(std::size_t index);
  void CopyFromTrain(std::byte* to, std::size_t from, std::size_t size) const;
  [[nodiscard]] std::size_t max_messages() const {
    return std::min(kMaxMessages, kMaxAreas / layout_.areas);
  }
  [[nodiscard]] std::byte* spill(std::size_t message) const {
    return spill_.get() + message * kSpillSize;
  }

  QueueCounters& counters_;
  PacketStash stash_;
  const std::size_t room_;  // of a packet, bytes

  Layout layout_;                // of the last call
  Layout expected_;              // for the next
  std::size_t datagram_;         // size in the last train of several
  unsigned short_trains_ = 0;    // in a row that would have done with fewer areas
  std::size_t short_areas_ = 1;  // that the longest of them needed
  std::uint32_t overflow_ = 0;   // the kernel's count of lost datagrams, as last seen

  // The messages of the last call: [message_, messages_) are still to be taken apart.
  std::size_t message_ = 0, messages_ = 0;
  std::size_t posted_ = 0;  // messages that may be received into now
  bool drained_ = false;    // the last call took all there was
  Train train_;

  std::array<Packet*, kMaxAreas> areas_{};  // of message m: [m * layout_.areas, + layout_.areas)
  std::array<iovec, kMaxAreas + kMaxMessages> iov_;
  std::array<mmsghdr, kMaxMessages> headers_;
  std::array<SocketAddress, kMaxMessages> addresses_;
  struct alignas(cmsghdr) Control {
    std::byte bytes[CMSG_SPACE(sizeof(int)) * 4];
  };
  std::array<Control, kMaxMessages> controls_;
  std::unique_ptr<std::byte[]> spill_;
};

}  // namespace vireo
