// Giving chunks of memory to an AF_XDP socket to receive into.
#pragma once

#include <xdp/xsk.h>

#include <cstdint>
#include <span>

namespace vireo {

// Puts the chunks, offsets in the UMEM, into the fill ring: all of them, or none and false where
// the ring has no room. That may be so also where as many frames were received before: the kernel
// shows a frame before it lets go of the frame's slot here.
[[nodiscard]] inline bool FillRing(xsk_ring_prod& ring, std::span<const std::uint64_t> chunks) {
  std::uint32_t index = 0;
  const auto count = static_cast<std::uint32_t>(chunks.size());
  if (xsk_ring_prod__reserve(&ring, count, &index) == 0) return false;
  for (const std::uint64_t chunk : chunks) *xsk_ring_prod__fill_addr(&ring, index++) = chunk;
  xsk_ring_prod__submit(&ring, count);
  return true;
}

}  // namespace vireo
