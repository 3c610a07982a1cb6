// What becomes of tenants' frames that do not fit their way. Part of the bridge stage.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/net/headers.h"
#include "dataplane/stage/worker.h"

namespace vireo {

// Frames that one frame was cut into.
inline constexpr std::size_t kMaxPieces = 32;

// A frame that is larger than `limit`, bytes. If it carries an IPv4 packet that may be cut, its
// fragments are put into `pieces` as frames of their own, each with the packet's metadata, and the
// packet is gone; padding that is too much is cut off. All other frames are dropped as too_big, and
// the slow path tells the sender of IP, by ICMP, what fits. Returns how many pieces there are, the
// first to be sent first; 0: the frame was dropped.
std::size_t FitFrame(Worker& worker, Packet* packet, std::size_t limit,
                     std::array<Packet*, kMaxPieces>& pieces);

// Lowers the maximum segment size of a frame that starts a TCP connection, so that frames of the
// connection are no larger than `limit`, bytes.
void FitConnection(Packet* packet, std::size_t limit);

// Whether FitConnection could have something to do, which it has for few frames. Inline: asked of
// every frame.
[[nodiscard]] inline bool MayStartConnection(Packet* packet) {
  constexpr std::size_t kIp = sizeof(net::EthernetHeader);
  constexpr std::size_t kFlags = offsetof(net::TcpHeader, flags);
  const std::byte* data = Data(packet);
  if (Size(packet) < kIp + sizeof(net::Ipv4Header) + sizeof(net::TcpHeader)) return false;
  const bool v4 = static_cast<unsigned>(data[kIp]) >> 4 == 4;
  if (data[kIp + (v4 ? 9 : 6)] != std::byte{net::kProtocolTcp}) return false;
  const std::size_t tcp =
      kIp + (v4 ? (static_cast<unsigned>(data[kIp]) & 15u) * 4u : sizeof(net::Ipv6Header));
  return tcp + kFlags < Size(packet) && (data[tcp + kFlags] & std::byte{2}) != std::byte{0};
}

}  // namespace vireo
