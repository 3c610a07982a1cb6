// The neighbours of one Ethernet port that owns its frames: who is at which MAC, kept fresh, and
// the answers to those who ask for us. ARP for IPv4 (RFC 826, RFC 5227), Neighbour Discovery for
// IPv6 (RFC 4861 §7).
//
// Theory of operation. Each neighbour is in one of the states of RFC 4861 §7.3.2, with two
// differences, both because workers send with ready-made headers and never ask here:
//  - A neighbour that is in use (watched, or sent to in the last 30 s) is probed before it goes
//    stale, while its MAC stays in use, so that traffic is never held up to find out what is known.
//  - When three probes to the MAC are not answered, everybody is asked three times before the MAC
//    is given up: a gateway that changed its hardware is found again without an outage.
// An entry is made only because we want to send, never because somebody else spoke; so a scan of
// the subnet makes none. That spoofed sources make us want to send to any number of addresses is
// met by a bound on neighbours that are being looked for, and by giving up the longest unused ones.
// Watched neighbours, which configuration and authenticated peers ask for, are beyond both bounds.
//
// Invariants. Every entry with a deadline is in `deadlines_` with just that deadline. An entry has
// waiting packets only while it has no MAC. Only a watched entry is in kFailed.
//
// Thread safety: one thread. Output is called from within; it must not call back.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/clock.h"
#include "dataplane/net/address.h"
#include "dataplane/slow/link_routes.h"
#include "dataplane/slow/neighbour_frames.h"

namespace vireo {

class Neighbours {
 public:
  static constexpr Duration kReachableTime = std::chrono::seconds(30);
  static constexpr Duration kRefreshTime = std::chrono::seconds(25);  // ... if in use
  static constexpr Duration kRetransmitTime = std::chrono::seconds(1);
  static constexpr Duration kDelayTime = std::chrono::seconds(5);
  static constexpr Duration kRetryTime = std::chrono::seconds(5);  // watched and unreachable
  static constexpr int kSolicitations = 3;
  static constexpr std::size_t kWaitingPackets = 16;  // per neighbour
  static constexpr int kAnnouncements = 2;
  static constexpr Duration kAnnounceInterval = std::chrono::seconds(2);
  static constexpr Duration kDefendInterval = std::chrono::seconds(10);  // RFC 5227 §2.4(c)

  // A packet whose frame lacks only the neighbour's MAC; means nothing here.
  using PacketHandle = void*;

  class Output {
   public:
    virtual ~Output() = default;
    // `frame` is the callee's until it returns. At most 90 bytes, tagged if the link is.
    virtual void SendFrame(ConstBytes frame) = 0;
    // A neighbour's MAC became known, or changed.
    virtual void Resolved(const net::IpAddress& neighbour, const net::MacAddress& mac) = 0;
    // It does not answer (any more); its MAC is forgotten. Told again after every further try.
    virtual void Unreachable(const net::IpAddress& neighbour) = 0;
    // Somebody else uses an owned address. Told at most every kDefendInterval.
    virtual void Conflict(const net::IpAddress& owned, const net::MacAddress& other) = 0;
    // A packet given to Send: these take it over again.
    virtual void SendPacket(PacketHandle packet, const net::MacAddress& mac) = 0;
    virtual void DropPacket(PacketHandle packet) = 0;  // kNeighbourUnresolved
  };

  struct Limits {
    std::size_t entries = 1024;   // unwatched
    std::size_t unresolved = 64;  // of these, without a MAC
  };

  // REQUIRES: `routes` and `output` outlive this.
  Neighbours(const LinkIdentity& link, const LinkRoutes* routes, Output* output)
      : Neighbours(link, routes, output, Limits{}) {}
  Neighbours(const LinkIdentity& link, const LinkRoutes* routes, Output* output,
             const Limits& limits);
  ~Neighbours();  // drops waiting packets
  Neighbours(const Neighbours&) = delete;
  Neighbours& operator=(const Neighbours&) = delete;

  // Announces the owned addresses; to be called when the link comes up.
  void Start(Time now);

  // Takes what follows the Ethernet header and VLAN tag of a frame from `sender`: an ARP message,
  // or an IPv6 packet with ICMPv6. Answers if it asks for an owned address, and updates neighbours
  // that are known. False if the message is not valid, or of another kind.
  bool ReceiveArp(ConstBytes message, Time now);
  bool ReceiveIcmpv6(ConstBytes packet, const net::MacAddress& sender, Time now);

  // Takes `packet` over: it is sent now, or when `neighbour` is found, or dropped.
  // REQUIRES (also below): `neighbour` is a NextHop's.
  void Send(const net::IpAddress& neighbour, PacketHandle packet, Time now);

  // Keeps a neighbour's MAC known and fresh until as many calls of Unwatch: looks for it now, and
  // again every kRetryTime. Returns the MAC if it is known.
  std::optional<net::MacAddress> Watch(const net::IpAddress& neighbour, Time now);
  void Unwatch(const net::IpAddress& neighbour, Time now);

  // The MAC, if it is known. Is no use.
  [[nodiscard]] std::optional<net::MacAddress> Find(const net::IpAddress& neighbour) const;

  // Does what is due.
  void Poll(Time now);
  [[nodiscard]] std::optional<Time> NextDeadline() const;

  [[nodiscard]] std::size_t entries() const { return entries_.size(); }

 private:
  enum class State : std::uint8_t {
    kIncomplete,  // asking everybody; no MAC
    kReachable,   // answered within kReachableTime
    kStale,       // MAC known, nobody needs to know whether it is still right
    kDelay,       // stale and in use again: probed soon
    kProbe,       // asking the MAC, then everybody
    kFailed,      // watched only: asked everybody in vain; no MAC
  };

  struct Entry {
    net::IpAddress address;
    net::MacAddress mac;
    State state = State::kIncomplete;
    std::optional<Time> deadline;
    Time confirmed{};  // last proof that it hears us
    std::optional<Time> used;
    int solicitations = 0;  // sent in this state
    unsigned watches = 0;
    std::deque<PacketHandle> waiting;

    [[nodiscard]] bool has_mac() const {
      return state != State::kIncomplete && state != State::kFailed;
    }
  };

  // What a message says about a neighbour.
  struct Claim {
    net::IpAddress neighbour;
    std::optional<net::MacAddress> mac;
    bool solicited = false;  // proof that it hears us
    bool override = true;    // replaces another MAC
  };

  // When an owned address was last claimed by another, and announced in return.
  struct Defence {
    net::IpAddress owned;
    Time next;
  };

  Entry* FindEntry(const net::IpAddress& neighbour);
  Entry& Begin(const net::IpAddress& neighbour, unsigned watches, Time now);
  bool MakeRoom();
  void Erase(Entry& entry);
  // Adds the entry to the counts (`sign` 1), or takes it out (-1): around every change of what they
  // count.
  void Count(const Entry& entry, int sign);
  void Use(Entry& entry, Time now);
  [[nodiscard]] static bool IsInUse(const Entry& entry, Time now);

  void SetDeadline(Entry& entry, std::optional<Time> deadline);
  void Enter(Entry& entry, State state, Time now);
  void OnDeadline(Entry& entry, Time now);
  void Solicit(Entry& entry, Time now);
  void Fail(Entry& entry, Time now);
  void Learn(const Claim& claim, Time now);
  void SendWaiting(Entry& entry);
  void DropWaiting(Entry& entry);

  void ReceiveSolicitation(const net::NeighbourSolicitation& solicitation,
                           const net::MacAddress& sender, Time now);
  void ReceiveAdvertisement(const net::NeighbourAdvertisement& advertisement,
                            const net::MacAddress& sender, Time now);
  void Announce(Time now);
  void Defend(const net::IpAddress& owned, const net::MacAddress& other, Time now);

  const LinkIdentity link_;
  const LinkRoutes* const routes_;
  Output* const output_;
  const Limits limits_;

  std::map<net::IpAddress, Entry> entries_;
  std::set<std::pair<Time, net::IpAddress>> deadlines_;
  std::size_t unwatched_ = 0;   // entries without watches
  std::size_t unresolved_ = 0;  // of these, without a MAC
  int announcements_left_ = 0;
  Time next_announcement_{};
  std::vector<Defence> defences_;
};

}  // namespace vireo
