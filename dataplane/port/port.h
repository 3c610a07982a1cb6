// A port: a way for packets in and out of the dataplane.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/port/packet.h"

namespace vireo {

using PortId = std::uint16_t;
// In_port of what the router itself made.
inline constexpr PortId kNoPort = UINT16_MAX;

// What a packet is on this port's wire.
enum class Link : std::uint8_t {
  kUdp,       // WireGuard messages; the port does UDP, IP and neighbours (the kernel's sockets)
  kIp,        // bare IP packets of the overlay (TUN)
  kEthernet,  // Ethernet frames; the dataplane does everything above
};

struct PortInfo {
  std::string name;  // as the configuration calls it
  std::string kind;  // "socket", "tun", "tap", "ethdev", "af_xdp", "vhost-user", "memory"
  Link link;
  std::uint16_t queues;  // one a worker
  net::MacAddress mac;   // kEthernet only
  std::string device;    // interface of the kernel or DPDK device behind it; empty if none
};

struct PortCounters {
  std::uint64_t rx_packets = 0, rx_bytes = 0;
  std::uint64_t tx_packets = 0, tx_bytes = 0;
  std::uint64_t rx_missed = 0;  // lost before we saw them: ring or socket buffer full
  std::uint64_t tx_errors = 0;
};

// Threads: Receive, Transmit and Flush of one queue belong to one worker; the rest to the slow
// path, at any time. Ports never block; counters() may be read while workers run.
class Port {
 public:
  virtual ~Port() = default;
  [[nodiscard]] const PortInfo& info() const { return info_; }
  // The largest packet (kIp: IP packet; kEthernet: payload of a frame; kUdp: UDP payload) that may
  // be sent now, bytes. May change at run time (`ip link set mtu`). Cheap; any thread.
  [[nodiscard]] virtual std::uint16_t mtu() const = 0;

  // Fills up to out.size() packets (at most 64), owned by the caller, each with kHeadroom in front
  // and kTailroom behind, Meta() reset and in_port set. kUdp fills remote and outer_tos, kEthernet
  // leaves data() at the Ethernet header. Returns how many.
  virtual std::uint16_t Receive(std::uint16_t queue, std::span<Packet*> out) = 0;

  // Takes packets over: those sent are freed by the port, now or later. Returns how many were
  // taken, from the front; the rest stay the caller's. kUdp sends each to Meta().remote with
  // Meta().outer_tos as TOS, and those with Meta().dont_fragment whole or not at all.
  // A port may gather packets until Flush (segmentation offload, coalescing).
  virtual std::uint16_t Transmit(std::uint16_t queue, std::span<Packet*> packets) = 0;
  // Sends what Transmit gathered. Called once at the end of every loop that transmitted.
  virtual void Flush(std::uint16_t) {}

  // A descriptor that polls readable when Receive may have something; -1 if there is none and the
  // worker has to poll. Level-triggered.
  [[nodiscard]] virtual int PollFd(std::uint16_t queue) const = 0;
  // Called when the worker is about to sleep on PollFd (true) or has woken (false); a port with a
  // ring tells its driver whether to wake it.
  virtual void WantWakeup(std::uint16_t, bool) {}

  [[nodiscard]] virtual PortCounters counters() const = 0;
  // Whether packets can pass now: the device is set up and its other end there. Asks the kernel or
  // the driver; slow path.
  [[nodiscard]] virtual bool IsUp() const { return true; }

  // The other end has stopped taking packets, as a VM that is stopped or leaves. Cheap; any thread.
  [[nodiscard]] virtual bool quiet() const { return false; }
  // `changed` is called when quiet() may have changed, by any thread, until the port's end; it must
  // not block. A port without such news never calls it.
  virtual void OnQuietChange(std::function<void()> changed) { (void)changed; }

  // Set once by the router when the port is added.
  void set_id(PortId id) { id_ = id; }
  [[nodiscard]] PortId id() const { return id_; }

 protected:
  explicit Port(PortInfo info) : info_(std::move(info)) {}
  PortInfo info_;

 private:
  PortId id_ = 0;
};

}  // namespace vireo
