// Reassembly of fragmented IPv4 (RFC 791 §3.2) and IPv6 (RFC 8200 §4.5) packets.
//
// Theory of operation. Fragments of a packet are kept apart, each with its own bytes, until all are
// there; so what is held is what was received, whatever offsets a sender makes up. A packet whose
// fragments overlap or contradict each other is poisoned: its bytes are freed, and its fragments
// are refused until its time is over, those that are still on their way included (RFC 5722 §4).
// Every packet has the same time, so the oldest times out first, and is also the one to give way
// when there are too many: of all, or of one source, so that a source that loses a fragment now and
// then (or floods) takes its share and not everybody's.
//
// Invariants. The fragments of a packet are sorted by offset and disjoint. bytes() is never above
// Limits::bytes, and packets() never above Limits::packets.
//
// Thread safety: one thread.
#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/clock.h"
#include "dataplane/net/address.h"

namespace vireo::net {

class Reassembler {
 public:
  // What keeping a fragment costs beside its bytes: makes tiny fragments count.
  static constexpr std::size_t kFragmentOverhead = 64;

  struct Limits {
    std::size_t packets = 256;            // unfinished at once; every Add may look at each
    std::size_t packets_per_source = 64;  // of one source address
    std::size_t fragments_per_packet = 64;
    // Of fragments held, with kFragmentOverhead for each. At least what one packet may need:
    // 65535 + fragments_per_packet * kFragmentOverhead.
    std::size_t bytes = 1 << 20;
    Duration timeout = std::chrono::seconds(1);  // from a packet's first fragment to arrive
  };

  enum class Verdict : std::uint8_t {
    kWaiting,  // kept; others are missing
    kWhole,    // `packet` is there
    kRefused,  // no fragment, or one that repeats, overlaps or contradicts others
  };

  // Every fragment that was added ends in exactly one of `joined`, `invalid` and `timed_out`. The
  // counts are of all fragments that ended so in this call, kept ones included.
  struct Outcome {
    Verdict verdict = Verdict::kWaiting;
    // The whole IP packet, writable, in the Reassembler's memory until the next Add. It has the
    // first fragment's header less the fragment fields, with lengths and IPv4 checksum made right.
    MutableBytes packet;
    std::uint32_t joined = 0;     // that `packet` was made of
    std::uint32_t invalid = 0;    // drop reason kFragmentInvalid
    std::uint32_t timed_out = 0;  // drop reason kFragmentTimeout: others did not come in time, or
                                  // newer packets needed the room
  };

  Reassembler() : Reassembler(Limits{}) {}
  // REQUIRES: the limits are not zero, and `bytes` is enough for one packet.
  explicit Reassembler(const Limits& limits);

  // Takes one fragment: an IP packet, perhaps with padding behind it. Checks an IPv4 header's
  // checksum. In IPv6 the fragment header must follow the IPv6 header at once; an "atomic" fragment
  // (the first and the last) is whole by itself (RFC 6946). ECN marks are joined: CE if one
  // fragment has it, refused if another cannot have it (RFC 3168 §5.3).
  // REQUIRES: `now` does not go back.
  Outcome Add(ConstBytes fragment, Time now);

  // Drops packets whose time is over. Returns how many fragments, drop reason kFragmentTimeout.
  std::uint32_t Expire(Time now);
  // When Expire has something to do next.
  [[nodiscard]] std::optional<Time> NextDeadline() const;

  [[nodiscard]] std::size_t packets() const { return unfinished_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  // What makes fragments belong together.
  struct Key {
    IpAddress source, destination;
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;  // IPv4 only
    friend bool operator==(const Key&, const Key&) = default;
  };
  // A fragment as its headers describe it; spans into the packet that was added.
  struct Fragment {
    Key key;
    ConstBytes header;  // the IP header, without the IPv6 fragment header
    ConstBytes payload;
    std::uint32_t offset = 0;  // of the payload in the whole packet's, bytes
    bool more = false;
    std::uint8_t tos = 0;
    std::uint8_t protocol = 0;  // of the payload
    [[nodiscard]] std::uint32_t end() const {
      return offset + static_cast<std::uint32_t>(payload.size());
    }
  };
  struct Piece {
    std::uint32_t offset = 0;
    std::vector<std::byte> bytes;
    [[nodiscard]] std::uint32_t end() const {
      return offset + static_cast<std::uint32_t>(bytes.size());
    }
  };
  struct Unfinished {
    Key key;
    Time deadline;
    std::vector<Piece> pieces;
    std::vector<std::byte> header;       // of the first fragment
    std::uint8_t protocol = 0;           // of the first fragment
    std::uint8_t ecn_seen = 0;           // a bit for each value
    std::uint32_t received = 0;          // payload bytes in `pieces`
    std::optional<std::uint32_t> total;  // payload bytes of the whole, known from the last fragment
    bool poisoned = false;
  };
  using Iterator = std::list<Unfinished>::iterator;

  static std::optional<Fragment> Parse(ConstBytes packet);
  static bool ParseIpv4(ConstBytes packet, Fragment& fragment);
  static bool ParseIpv6(ConstBytes packet, Fragment& fragment);
  static bool IsRepeated(const Unfinished& unfinished, const Fragment& fragment);
  static bool Fits(const Unfinished& unfinished, const Fragment& fragment);
  static bool IsWhole(const Unfinished& unfinished);
  static bool MayJoin(const Unfinished& unfinished);

  Iterator Find(const Key& key);
  Iterator Begin(const Key& key, Time now, Outcome& outcome);
  void Keep(Iterator unfinished, const Fragment& fragment, Outcome& outcome);
  void Poison(Unfinished& unfinished, Outcome& outcome);
  MutableBytes Join(const Unfinished& unfinished);
  // Releases what it holds; returns how many fragments these were.
  std::uint32_t Release(Unfinished& unfinished);
  std::uint32_t Drop(Iterator unfinished);

  const Limits limits_;
  std::list<Unfinished> unfinished_;  // oldest first
  std::size_t bytes_ = 0;
  std::vector<std::byte> whole_;
};

}  // namespace vireo::net
