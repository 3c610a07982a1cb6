#include "dataplane/stage/fit.h"

#include <algorithm>
#include <cstring>

#include "dataplane/net/inner.h"
#include "dataplane/net/ipv4_fragment.h"
#include "dataplane/net/mss_clamp.h"

namespace vireo {
namespace {

using net::EthernetHeader;
constexpr std::size_t kMaxIpPacket = UINT16_MAX;

// The IP packet in the frame, if it says that there is one.
net::InnerPacket IpOf(Packet* packet) {
  const auto type = HeaderAt<EthernetHeader>(packet)->type.value();
  if (type != net::kEtherTypeIpv4 && type != net::kEtherTypeIpv6) return {};
  const net::InnerPacket ip = net::ParseInner(Bytes(packet).subspan(sizeof(EthernetHeader)));
  return ip.is_v4() == (type == net::kEtherTypeIpv4) ? ip : net::InnerPacket{};
}

std::size_t Cut(Worker& worker, Packet* packet, net::Ipv4Fragmenter& fragments, std::size_t limit,
                std::array<Packet*, kMaxPieces>& pieces) {
  std::size_t count = 0;
  for (; !fragments.done(); ++count) {
    Packet* piece = AllocatePacket(packet->pool);
    if (piece == nullptr) {
      for (std::size_t i = 0; i < count; ++i) FreePacket(pieces[i]);
      worker.Drop(packet, DropReason::kNoBuffer);
      return 0;
    }
    Meta(piece) = Meta(packet);
    Meta(piece).trace = 0;  // the trace follows the whole, to where it was cut
    Capturer::Forget(piece);
    std::memcpy(Data(piece), Data(packet), sizeof(EthernetHeader));
    const std::size_t size = fragments.Next(Data(piece) + sizeof(EthernetHeader));
    SetSize(piece, static_cast<std::uint16_t>(sizeof(EthernetHeader) + size));
    pieces[count] = piece;
  }
  worker.Trace(packet, TraceStep::kFitted, static_cast<std::uint32_t>(count), limit);
  worker.FinishTrace(packet);
  FreePacket(packet);
  return count;
}

}  // namespace

std::size_t FitFrame(Worker& worker, Packet* packet, std::size_t limit,
                     std::array<Packet*, kMaxPieces>& pieces) {
  const net::InnerPacket ip = IpOf(packet);
  if (!ip || limit <= sizeof(EthernetHeader)) {
    worker.Drop(packet, DropReason::kTooBig);
    return 0;
  }
  const std::size_t fits = std::min(limit - sizeof(EthernetHeader), kMaxIpPacket);
  if (ip.size <= fits) {
    SetSize(packet, static_cast<std::uint16_t>(sizeof(EthernetHeader) + ip.size));
    pieces[0] = packet;
    return 1;
  }
  net::Ipv4Fragmenter fragments;
  // A piece is as large as what came, or smaller, but its buffer has full headroom again.
  if (ip.is_v4() && fragments.Start(ip, static_cast<std::uint16_t>(fits)) &&
      fragments.count() <= kMaxPieces) {
    return Cut(worker, packet, fragments, limit, pieces);
  }
  Meta(packet).fits = static_cast<std::uint16_t>(fits);
  worker.DropWithError(packet, DropReason::kTooBig);
  return 0;
}

void FitConnection(Packet* packet, std::size_t limit) {
  const net::InnerPacket ip = IpOf(packet);
  if (!ip || limit <= sizeof(EthernetHeader)) return;
  const std::size_t fits = std::min(limit - sizeof(EthernetHeader), kMaxIpPacket);
  net::ClampMss(Data(packet) + sizeof(EthernetHeader), ip, static_cast<std::uint16_t>(fits));
}

}  // namespace vireo
