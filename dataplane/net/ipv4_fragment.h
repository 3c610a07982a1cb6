// Cuts IPv4 packets that are larger than a link takes (RFC 791 §3.2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/net/inner.h"

namespace vireo::net {

// One packet's fragments, first to last. The packet may be a fragment itself.
class Ipv4Fragmenter {
 public:
  // `mtu`: the largest fragment, bytes. `packet` must stay as it is until done.
  // False: the packet cannot be cut, as it has DF set, a wrong header checksum or options that
  // end outside the header, or as no eight bytes of payload fit behind its header.
  // REQUIRES: ParseInner gave `packet`, of IPv4.
  [[nodiscard]] bool Start(const InnerPacket& packet, std::uint16_t mtu);
  [[nodiscard]] bool done() const { return at_ == size_; }
  // How many there will be. REQUIRES: Start returned true, Next was not called.
  [[nodiscard]] std::size_t count() const;
  // Writes the next fragment, at most `mtu` bytes, to `out`; returns its size.
  // REQUIRES: !done(), `mtu` bytes at `out` that are not the packet's.
  std::size_t Next(std::byte* out);

 private:
  [[nodiscard]] bool CopyOptions();

  const std::byte* start_ = nullptr;
  std::size_t first_header_ = 0;  // bytes: of the packet
  std::size_t later_header_ = 0;  // of all fragments but the first, which have fewer options
  std::byte later_[60];
  std::size_t mtu_ = 0;
  std::size_t at_ = 0;  // of the packet's bytes, the next one to send
  std::size_t size_ = 0;
};

}  // namespace vireo::net
