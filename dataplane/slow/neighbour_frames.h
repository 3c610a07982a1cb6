// The Ethernet frames by which neighbours find each other, ready to be sent.
#pragma once

#include <array>
#include <optional>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"
#include "dataplane/net/arp.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/neighbour_discovery.h"

namespace vireo {

// Who sends: the port's MAC, and the VLAN its frames are tagged with (0: untagged).
struct LinkIdentity {
  net::MacAddress mac;
  std::uint16_t vlan = 0;
};

// Not padded to Ethernet's 60 bytes; drivers do that.
class NeighbourFrame {
 public:
  [[nodiscard]] ConstBytes bytes() const { return ConstBytes(bytes_).first(size_); }

  // Asks for `target`: everybody, or just `known` to see whether it is still there.
  static NeighbourFrame Solicit(const LinkIdentity& link, const net::IpAddress& source,
                                const net::IpAddress& target,
                                const std::optional<net::MacAddress>& known);
  // Tells everybody that `owned` is here.
  static NeighbourFrame Announce(const LinkIdentity& link, const net::IpAddress& owned);
  // Answers a request for an address of ours.
  static NeighbourFrame Reply(const LinkIdentity& link, const net::ArpMessage& request);
  // ... whose asker is at `asker`, if it has an address.
  static NeighbourFrame Reply(const LinkIdentity& link,
                              const net::NeighbourSolicitation& solicitation,
                              const net::MacAddress& asker);

 private:
  static constexpr std::size_t kMaxSize =
      sizeof(net::EthernetHeader) + sizeof(net::VlanTag) + net::kNeighbourDiscoverySize;

  NeighbourFrame(const LinkIdentity& link, const net::MacAddress& destination,
                 std::uint16_t ether_type);
  // Room for a message of `kSize` bytes behind the headers.
  template <std::size_t kSize>
  std::span<std::byte, kSize> Append() {
    const auto room = std::span(bytes_).subspan(size_).template first<kSize>();
    size_ += kSize;
    return room;
  }

  std::array<std::byte, kMaxSize> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace vireo
