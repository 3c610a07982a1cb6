#include "dataplane/stage/stages.h"
#include "dataplane/wg/messages.h"

namespace vireo {
namespace {

constexpr auto kTransport = static_cast<std::uint32_t>(wg::MessageType::kTransport);

// True if type and size are those of a handshake message; sizes are exact.
bool IsHandshake(std::uint32_t type, std::size_t size) {
  switch (static_cast<wg::MessageType>(type)) {
    case wg::MessageType::kInitiation:
      return size == wg::kInitiationSize;
    case wg::MessageType::kResponse:
      return size == wg::kResponseSize;
    case wg::MessageType::kCookieReply:
      return size == wg::kCookieReplySize;
    default:
      return false;
  }
}

}  // namespace

void ClassifyBurst(Worker& worker, Burst& burst) {
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    // Compared as one little-endian word, so that a set reserved byte is a different type.
    const std::uint32_t type = Size(packet) >= 4 ? HeaderAt<Le32>(packet)->value() : 0;
    if (type == kTransport && Size(packet) >= wg::kTransportMinSize) [[likely]] {
      Meta(packet).kind = PacketKind::kTransport;
      worker.Trace(packet, TraceStep::kClassified, type);
      burst.packets[kept++] = packet;
    } else if (IsHandshake(type, Size(packet))) {
      Meta(packet).kind = PacketKind::kHandshake;
      worker.Trace(packet, TraceStep::kClassified, type);
      worker.PuntHandshake(packet);
    } else {
      worker.Drop(packet, DropReason::kMessageInvalid);
    }
  }
  burst.size = kept;
}

}  // namespace vireo
