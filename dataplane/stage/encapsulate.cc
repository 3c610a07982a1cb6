// Makes transport messages of the packets that go to a peer, up to the encryption itself.
//
// Theory of operation. Runs of packets to one peer reserve their counters at once, which is all
// that workers share on this side. Packets that cannot be sealed now are not lost: without a
// usable session they go to the slow path, which stages them and starts a handshake.

#include <algorithm>

#include "dataplane/net/inner.h"
#include "dataplane/stage/capture_points.h"
#include "dataplane/stage/stages.h"
#include "dataplane/table/underlay_path.h"
#include "dataplane/wg/messages.h"

namespace vireo {
namespace {

using wg::Session;
using wg::TransportHeader;

// The bytes of zeros that go behind an inner packet of `size`: up to a multiple of 16, but not past
// the MTU (WireGuard paper §5.4.6).
std::uint16_t PaddingFor(std::uint16_t size, std::uint16_t mtu) {
  const unsigned padded = (size + wg::kPaddingMultiple - 1u) & ~(wg::kPaddingMultiple - 1u);
  const unsigned limit = size > mtu ? size : mtu;
  return static_cast<std::uint16_t>((padded < limit ? padded : limit) - size);
}

// The session to send `packets` on, or nullptr if there is none that may be used.
Session* UsableSession(Worker& worker, wg::PeerPath& peer) {
  Session* session = peer.current.load(std::memory_order_acquire);
  if (session == nullptr || session->Expired(worker.now)) [[unlikely]]
    return nullptr;
  const std::uint64_t counter = session->send_counter.load(std::memory_order_relaxed);
  // All workers together may overshoot the limit by a burst each: far from wrapping around.
  if (counter + kMaxBurst >= wg::kRejectAfterMessages) [[unlikely]]
    return nullptr;
  const bool old = session->initiator && worker.now - session->created >= wg::kRekeyAfterTime;
  if ((old || counter >= session->rekey_after_messages) &&
      !session->wants_rekey.load(std::memory_order_relaxed)) [[unlikely]] {
    worker.RaiseOnce(session->wants_rekey,
                     {Event::Kind::kRekeyWanted, session->local_index, 0, {}});
  }
  return session;
}

// Puts padding behind and the header in front, and prepares the job.
void Encapsulate(Worker& worker, Packet* packet, const Session& session, const UnderlayPath& path,
                 std::uint64_t counter, AeadJob& job) {
  PacketMeta& meta = Meta(packet);
  const std::uint16_t size = Size(packet);
  if (size != 0) {
    meta.outer_tos = net::EncapsulateEcn(net::TosOf(Data(packet)), meta.tunnel_tos);
    const std::uint16_t padding = PaddingFor(size, path.inner_mtu);
    std::memset(Data(packet) + size, 0, wg::kPaddingMultiple);  // constant size: two stores
    SetSize(packet, static_cast<std::uint16_t>(size + padding));
  } else {
    meta.outer_tos = 0;
  }
  job = {
      .key = &session.send_key,
      .counter = counter,
      .data = Data(packet),
      .length = Size(packet),
      .ok = false,
  };
  auto* header = reinterpret_cast<TransportHeader*>(Prepend(packet, wg::kTransportHeaderSize));
  header->type = static_cast<std::uint32_t>(wg::MessageType::kTransport);
  header->receiver_index = session.remote_index;
  header->counter = counter;
  SetSize(packet, static_cast<std::uint16_t>(Size(packet) + kAeadTagSize));
  meta.kind = PacketKind::kTransport;
  meta.remote = path.remote;
  meta.out_port = path.port;
  worker.Trace(packet, TraceStep::kEncapsulated, session.local_index, counter);
}

// The packet, or a copy of it with room for padding, tag and all headers; nullptr if there is no
// buffer for the copy. Ports leave the room at receive, so copies are rare.
Packet* WithRoom(Worker& worker, Packet* packet) {
  if (Headroom(packet) >= kSealHeadroom && Tailroom(packet) >= kTailroom) [[likely]]
    return packet;
  Packet* copy = CopyPacket(packet);
  if (copy == nullptr) {
    worker.Drop(packet, DropReason::kNoHeadroom);
    return nullptr;
  }
  FreePacket(packet);
  return copy;
}

// Packets [first, end) all go to `peer`. Appends those that go on at `kept`, with their jobs at
// `job`; returns how many jobs were added.
std::uint16_t EncapsulateRun(Worker& worker, Burst& burst, wg::PeerPath& peer, std::uint16_t first,
                             std::uint16_t end, std::uint16_t kept, std::uint16_t job) {
  const UnderlayPath* path = peer.underlay.load(std::memory_order_acquire);
  Session* session = UsableSession(worker, peer);
  if (path == nullptr || session == nullptr) [[unlikely]] {
    for (std::uint16_t i = first; i < end; ++i) {
      if (path == nullptr) {
        worker.DropWithError(burst.packets[i], DropReason::kNoEndpoint);
      } else {
        worker.Punt(burst.packets[i]);
      }
    }
    return 0;
  }
  // In drop-in mode the host's kernel has seen to it.
  const std::uint16_t mtu = worker.snapshot->host_nexthop == RouteTable::kNone
                                ? std::max(path->inner_mtu, path->fragmented)
                                : UINT16_MAX;
  const auto count = static_cast<std::uint16_t>(end - first);
  const std::uint64_t counter = session->Reserve(count, worker.sharing);
  std::uint64_t bytes = 0;
  bool data = false;
  std::uint16_t added = 0;
  for (std::uint16_t i = 0; i < count; ++i) {
    PacketMeta& meta = Meta(burst.packets[first + i]);
    if (Size(burst.packets[first + i]) > mtu && !meta.dont_fragment) [[unlikely]] {
      meta.fits = mtu;
      worker.DropWithError(burst.packets[first + i], DropReason::kTooBig);
      continue;
    }
    Packet* packet = WithRoom(worker, burst.packets[first + i]);
    if (packet == nullptr) [[unlikely]]
      continue;
    data |= Size(packet) != 0;
    Encapsulate(worker, packet, *session, *path, counter + i, worker.jobs[job + added]);
    bytes += Size(packet);
    burst.packets[kept + added++] = packet;
  }
  if (worker.capturer.active()) [[unlikely]]
    CaptureSealing(worker, std::span(burst.packets).subspan(kept, added), peer);
  peer.activity.AnythingSent(worker.now_ns);
  if (data) peer.activity.DataSent(worker.now_ns);
  peer.counters[worker.index].AddSent(added, bytes);
  return added;
}

// The peer whose tunnel the packet is to enter; nullptr if it goes to an access port or was sealed
// before and waited for a neighbour.
wg::PeerPath* Receiver(Packet* packet) {
  const PacketMeta& meta = Meta(packet);
  return meta.kind == PacketKind::kInner ? meta.peer : nullptr;
}

// So that the cache misses of many peers overlap.
void Prefetch(Worker& worker, const Burst& burst) {
  const wg::PeerPath* before = nullptr;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    const wg::PeerPath* peer = Receiver(burst.packets[i]);
    if (peer == before || peer == nullptr) continue;
    before = peer;
    if (const Session* session = peer->current.load(std::memory_order_relaxed)) {
      session->PrefetchSeal();
    }
    __builtin_prefetch(&peer->counters[worker.index], 1);
    if (const UnderlayPath* path = peer->underlay.load(std::memory_order_relaxed)) {
      __builtin_prefetch(path);
      __builtin_prefetch(&path->header.back());
    }
  }
}

}  // namespace

void EncapsulateBurst(Worker& worker, Burst& burst) {
  Prefetch(worker, burst);
  worker.prepared_jobs = 0;
  std::uint16_t kept = 0;
  for (std::uint16_t first = 0; first < burst.size;) {
    wg::PeerPath* peer = Receiver(burst.packets[first]);
    std::uint16_t end = first + 1;
    if (peer == nullptr) {
      burst.packets[kept++] = burst.packets[first];
      first = end;
      continue;
    }
    while (end < burst.size && Receiver(burst.packets[end]) == peer) ++end;
    const std::uint16_t added =
        EncapsulateRun(worker, burst, *peer, first, end, kept, worker.prepared_jobs);
    worker.prepared_jobs = static_cast<std::uint16_t>(worker.prepared_jobs + added);
    kept = static_cast<std::uint16_t>(kept + added);
    first = end;
  }
  burst.size = kept;
}

}  // namespace vireo
