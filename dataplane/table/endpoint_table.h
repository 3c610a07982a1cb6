// Where each endpoint of the tenant networks is, and which addresses it has: what changes one at a
// time while workers read it (table/word_table.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"
#include "dataplane/table/word_table.h"

namespace vireo {

// Index of a tenant network on this router, from 1 on; 0: none. Not its VNI.
using NetworkId = std::uint16_t;

// Where an endpoint is: on a port of this router, or behind another router. One word.
struct Place {
  enum class Kind : std::uint8_t {
    kNowhere,  // no such endpoint
    kPort,     // `index` is a PortId
    kRouter,   // `index` is the slot of the router's peer
  };
  static constexpr std::uint32_t kMaxIndex = (1u << 24) - 1;
  static constexpr std::uint16_t kMaxMove = (1u << 13) - 1;

  Kind kind = Kind::kNowhere;
  std::uint32_t index = 0;  // at most kMaxIndex
  // The move that the endpoint is in (table/move_table.h), 0: none. At most kMaxMove.
  std::uint16_t move = 0;

  // Whether it is there, in a move or not.
  [[nodiscard]] bool Is(Kind other_kind, std::uint32_t other_index) const {
    return kind == other_kind && index == other_index;
  }
  bool operator==(const Place&) const = default;
};

// Which IP addresses an endpoint may send from.
enum class Sources : std::uint8_t {
  kOwn,   // those that are known to be its own
  kFree,  // any that is nobody else's: no address of it is known
};

// Threads: Find, Owner, MaySendFromFree and Prefetch from workers, the rest from the slow path.
class EndpointTable {
 public:
  using Retire = WordTable<1>::Retire;
  // An entry's number in the slow path's records, see slow/endpoints.h.
  using Record = std::uint32_t;
  static constexpr Record kMaxRecord = (1u << 24) - 1;

  // `seed`: random, so that nobody can choose MACs or addresses that collide.
  EndpointTable(std::uint64_t seed, Retire retire)
      : places_(seed, retire), v4_(seed, retire), v6_(seed, retire) {}

  [[nodiscard]] Place Find(NetworkId network, const net::MacAddress& mac) const {
    return Unpack(places_.Find(KeyOf(network, mac)));
  }
  void Prefetch(NetworkId network, const net::MacAddress& mac) const {
    places_.Prefetch(KeyOf(network, mac));
  }
  [[nodiscard]] bool MaySendFromFree(NetworkId network, const net::MacAddress& mac) const {
    return (places_.Find(KeyOf(network, mac)) & kFreeSources) != 0;
  }
  // The MAC of the endpoint that has the address. `raw`: 4 or 16 bytes in wire order.
  [[nodiscard]] std::optional<net::MacAddress> Owner(NetworkId network, net::Family family,
                                                     const std::byte* raw) const {
    return MacOf(FindOwner(network, family, raw));
  }
  // The same as Owner(network, family, raw) == mac, and faster.
  [[nodiscard]] bool IsOwner(NetworkId network, net::Family family, const std::byte* raw,
                             const net::MacAddress& mac) const {
    return FindOwner(network, family, raw) == (Word(mac) | kHasMac);
  }
  void PrefetchOwner(NetworkId network, net::Family family, const std::byte* raw) const {
    family == net::Family::kIpv4 ? v4_.Prefetch(KeyOfV4(network, raw))
                                 : v6_.Prefetch(KeyOfV6(network, raw));
  }

  // REQUIRES: network != 0, and a place that is not kNowhere.
  void Put(NetworkId network, const net::MacAddress& mac, Place place, Record record = 0,
           Sources sources = Sources::kOwn) {
    assert(network != 0 && place.kind != Place::Kind::kNowhere);
    places_.Put(KeyOf(network, mac), Pack(place) | std::uint64_t{record} << 40 |
                                         (sources == Sources::kFree ? kFreeSources : 0));
  }
  void Remove(NetworkId network, const net::MacAddress& mac) {
    places_.Remove(KeyOf(network, mac));
  }
  void PutAddress(NetworkId network, const net::IpAddress& address, const net::MacAddress& mac);
  void RemoveAddress(NetworkId network, const net::IpAddress& address);
  // What was put with the place; nullopt: no such endpoint.
  [[nodiscard]] std::optional<Record> FindRecord(NetworkId network,
                                                 const net::MacAddress& mac) const {
    const std::uint64_t packed = places_.Find(KeyOf(network, mac));
    if (packed == 0) return std::nullopt;
    return static_cast<Record>(packed >> 40);
  }

  // Endpoints.
  [[nodiscard]] std::size_t size() const { return places_.size(); }
  // Of the arrays in use.
  [[nodiscard]] std::size_t bytes() const { return places_.bytes() + v4_.bytes() + v6_.bytes(); }

 private:
  static std::uint64_t Word(const net::MacAddress& mac) {
    std::uint32_t high;
    std::uint16_t low;
    std::memcpy(&high, mac.bytes.data(), sizeof high);
    std::memcpy(&low, mac.bytes.data() + sizeof high, sizeof low);
    return std::uint64_t{__builtin_bswap32(high)} << 16 | __builtin_bswap16(low);
  }
  static WordTable<1>::Key KeyOf(NetworkId network, const net::MacAddress& mac) {
    return {std::uint64_t{network} << 48 | Word(mac)};
  }
  static WordTable<1>::Key KeyOfV4(NetworkId network, const std::byte* raw) {
    std::uint32_t word;
    std::memcpy(&word, raw, sizeof word);
    return {std::uint64_t{network} << 32 | word};
  }
  static WordTable<3>::Key KeyOfV6(NetworkId network, const std::byte* raw) {
    WordTable<3>::Key key;
    std::memcpy(key.data(), raw, 16);
    key[2] = network;
    return key;
  }
  [[nodiscard]] std::uint64_t FindOwner(NetworkId network, net::Family family,
                                        const std::byte* raw) const {
    return family == net::Family::kIpv4 ? v4_.Find(KeyOfV4(network, raw))
                                        : v6_.Find(KeyOfV6(network, raw));
  }
  static constexpr std::uint64_t kHasMac = std::uint64_t{1} << 48;
  static std::optional<net::MacAddress> MacOf(std::uint64_t word) {
    if (word == 0) return std::nullopt;
    net::MacAddress mac;
    for (std::size_t i = 0; i < 6; ++i)
      mac.bytes[i] = static_cast<std::uint8_t>(word >> (40 - 8 * i));
    return mac;
  }

  // Bits: 0 to 23 index, 24 and 25 kind, 26 to 38 move, 39 free sources, 40 to 63
  // record.
  static constexpr std::uint64_t kFreeSources = std::uint64_t{1} << 39;
  static std::uint64_t Pack(Place place) {
    assert(place.index <= Place::kMaxIndex && place.move <= Place::kMaxMove);
    return static_cast<std::uint64_t>(place.kind) << 24 | place.index |
           std::uint64_t{place.move} << 26;
  }
  static Place Unpack(std::uint64_t packed) {
    return {static_cast<Place::Kind>(packed >> 24 & 3),
            static_cast<std::uint32_t>(packed & Place::kMaxIndex),
            static_cast<std::uint16_t>(packed >> 26 & Place::kMaxMove)};
  }

  WordTable<1> places_;  // network and MAC to place
  WordTable<1> v4_;      // network and address to MAC
  WordTable<3> v6_;
};

}  // namespace vireo
