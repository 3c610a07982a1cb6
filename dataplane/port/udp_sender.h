// Sending packets by UDP sockets, runs of equal packets in one piece (UDP_SEGMENT).
//
// Theory of operation: a run is packets in a row for one remote with one TOS and one size, of which
// the last may be shorter. It becomes one message, whose entries are the packets' own bytes, and
// the kernel or the NIC cuts it again as late as possible. All messages of a burst go down in one
// sendmmsg. Where the kernel cannot cut (a device without checksum offload, IPsec, a path MTU below
// the packet's size) it says so, the run is sent packet by packet, and so are the runs to this
// remote for a while, until segmentation is tried again.
//
// A packet that may not be fragmented (a probe of the path MTU, rare) goes alone, between two
// changes of the socket's option: nobody else sends by the socket. The kernel then passes it whole
// whatever it has heard of the path, and refuses what is larger than the interface.
//
// Not thread-safe: part of one queue of a port.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/port/port.h"
#include "dataplane/port/queue_counters.h"
#include "dataplane/port/socket_address.h"

namespace vireo {

class UdpSender {
 public:
  static constexpr std::size_t kMaxBurst = 64;
  // Limits of Linux: UDP_MAX_SEGMENTS (128 since 6.9), and a datagram in IPv4.
  static constexpr std::size_t kMaxSegments = 64;
  static constexpr std::size_t kMaxRunBytes = 65507;
  // Runs that go packet by packet to a remote where segmentation failed, before it is tried again.
  static constexpr std::uint32_t kPlainRuns = 10000;

  // Which sockets to use; -1 for a family that the host lacks.
  struct Sockets {
    int v4 = -1;
    int v6 = -1;
  };

  // Borrows `counters`, which gets what was sent and what failed.
  UdpSender(QueueCounters& counters, bool can_segment)
      : counters_(counters), can_segment_(can_segment) {}

  // Sends packets to their Meta().remote with Meta().outer_tos. Returns how many were taken, from
  // the front, sent or failed, and freed; less than given only if a socket's buffer is full.
  std::uint16_t Send(Sockets sockets, std::span<Packet*> packets);

 private:
  struct Run {
    std::uint16_t first = 0;  // of the burst's packets
    std::uint16_t count = 0;
    int fd = -1;
    bool whole = false;  // Meta().dont_fragment; then it is alone
  };
  struct PlainRemote {
    net::UdpEndpoint remote;
    std::uint32_t runs_left = 0;
  };
  struct alignas(cmsghdr) Control {
    std::byte bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t))];
  };
  enum class Outcome : std::uint8_t { kDone, kFull };

  std::size_t SendBurst(Sockets sockets, std::span<Packet*> packets);
  void PlanRun(Sockets sockets, std::span<Packet*> packets, std::size_t first);
  void AddRun(const Run& run, std::span<Packet*> packets, bool v6);
  Outcome SendRuns(std::span<Packet*> packets, std::size_t& taken);
  Outcome SendOneByOne(std::size_t index, std::span<Packet*> packets, std::size_t& taken);
  // One call's worth; as sendmmsg.
  int SendMessages(const Run& run, mmsghdr* messages, std::size_t count);
  void Sent(std::span<Packet* const> packets);
  [[nodiscard]] bool MaySegment(const net::UdpEndpoint& remote);
  void SegmentationFailed(const net::UdpEndpoint& remote);

  QueueCounters& counters_;
  const bool can_segment_;
  std::array<PlainRemote, 16> plain_remotes_;
  std::size_t plain_count_ = 0;  // of them with runs left
  std::size_t next_plain_ = 0;

  std::size_t runs_ = 0;
  std::array<Run, kMaxBurst> plan_;
  std::array<mmsghdr, kMaxBurst> headers_;
  std::array<iovec, kMaxBurst> iov_;
  std::array<SocketAddress, kMaxBurst> addresses_;
  std::array<Control, kMaxBurst> controls_;
};

}  // namespace vireo
