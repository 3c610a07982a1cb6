// Finds the path MTU to every other router of the overlay, by probes through the tunnels
// (docs/path-mtu.md). What is found and how is path_mtu.h's; this sends and counts.
//
// Thread: slow path only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/random.h"
#include "dataplane/net/address.h"
#include "dataplane/net/path_probe.h"
#include "dataplane/port/port.h"
#include "dataplane/slow/networks.h"
#include "dataplane/slow/path_mtu.h"

namespace vireo {

class PathProbes {
 public:
  // How a router is reached at the moment.
  struct Way {
    net::UdpEndpoint remote;
    PortId port = 0;
    std::uint16_t configured = 0;     // inner packet that is used until more is known, bytes
    std::uint16_t largest = 0;        // inner packet that port and buffers can take, bytes
    std::uint16_t outer = 0;          // what goes around an inner packet, bytes
    std::uint64_t payload_bytes = 0;  // sent to it so far, padding included, headers not
  };

  struct Host {
    // nullopt: there is no session, or no way. A probe is not worth a handshake.
    std::function<std::optional<Way>(std::uint32_t slot)> way;
    // Sends a message of which `padding` zeros follow, to the router's VTEP through its tunnel;
    // `whole`: the underlay may not fragment it.
    std::function<void(std::uint32_t slot, ConstBytes message, std::uint16_t padding, bool whole)>
        send;
    // mtu() of the router is another one.
    std::function<void(std::uint32_t slot)> changed;
  };

  // Without `enabled` it answers probes and sends none. The references must outlive the object.
  PathProbes(const Clock& clock, RandomSource& random, const Networks& networks, bool enabled,
             Host host)
      : clock_(clock),
        random_(random),
        networks_(networks),
        enabled_(enabled),
        host_(std::move(host)) {}

  // The routers of the overlay are others than before.
  void FollowRouters();
  // False: the message cannot be read, or does not have the size that it claims.
  [[nodiscard]] bool OnMessage(std::uint32_t from_slot, ConstBytes message);
  void Poll(Time now);
  [[nodiscard]] Time NextDeadline() const { return next_; }

  // The largest inner packet for the router; nullopt: as configured.
  [[nodiscard]] std::optional<std::uint16_t> MtuOf(std::uint32_t slot) const;
  // For a person: "configured", or how far the search is.
  [[nodiscard]] std::string_view StateOf(std::uint32_t slot) const;

 private:
  struct Entry {
    std::optional<PathMtu> mtu;  // nullopt: it had no way yet
    net::UdpEndpoint remote;
    PortId port = 0;
    std::uint32_t trial = 0;  // that the token is of
    std::uint64_t token = 0;
    std::uint64_t payload_bytes = 0;  // as of the last look
    std::uint64_t own_bytes = 0;      // of them ours, sent since
    Time next{};
  };

  // True: it made an attempt.
  bool PollOne(std::uint32_t slot, Entry& entry, Time now);
  void Follow(Entry& entry, const Way& way, Time now);
  // Whether anything but our own messages has been sent since the last call.
  static bool TakeActivity(Entry& entry, const Way& way);
  void Send(std::uint32_t slot, Entry& entry, std::uint16_t size);
  void Tell(std::uint32_t slot, const Entry& entry, std::uint16_t before);
  // IP and UDP around a message to the router, bytes; 0: there is no such router.
  [[nodiscard]] std::uint16_t HeadersTo(std::uint32_t slot) const;

  // Attempts in one Poll, and how soon the next ones may follow: so that many routers at once do
  // not make a burst.
  static constexpr unsigned kAttempts = 4;
  static constexpr Duration kPause = std::chrono::milliseconds(10);

  const Clock& clock_;
  RandomSource& random_;
  const Networks& networks_;
  const bool enabled_;
  const Host host_;
  std::map<std::uint32_t, Entry> entries_;  // by peer slot
  Time next_ = Time::max();                 // not after any entry's
};

}  // namespace vireo
