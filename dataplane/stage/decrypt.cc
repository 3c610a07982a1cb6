// Opens a burst of transport messages.
//
// Theory of operation. Passes over the burst, each bringing in what the next one touches, so that
// the cache misses of many peers overlap and the cipher sees the whole burst: find the session of
// each message, check it and prepare a job, open all, then account. The last pass works on runs of
// packets of one session: replay window, counters and timers are touched once a run.
// Order of the checks as in Linux: counter limit and age before decryption, replay after it, and
// only then roaming; nothing moves because of a packet that was not authenticated.

#include "dataplane/stage/capture_points.h"
#include "dataplane/stage/stages.h"
#include "dataplane/table/underlay_path.h"
#include "dataplane/wg/messages.h"

namespace vireo {
namespace {

using wg::Session;
using wg::TransportHeader;

using Sessions = std::array<Session*, kMaxBurst>;

std::uint32_t ReceiverIndex(Packet* packet) {
  return HeaderAt<TransportHeader>(packet)->receiver_index.value();
}

void FindSessions(Worker& worker, const Burst& burst, Sessions& sessions) {
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    worker.sessions.Prefetch(ReceiverIndex(burst.packets[i]));
  }
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    sessions[i] = worker.sessions.InSlot(ReceiverIndex(burst.packets[i]));
    if (sessions[i] != nullptr) sessions[i]->PrefetchOpen();
  }
}

// Leaves in the burst the messages that name a live session, and a job for each.
void PrepareJobs(Worker& worker, Burst& burst, Sessions& sessions) {
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    Session* session = sessions[i];
    if (session == nullptr || session->local_index != ReceiverIndex(packet)) [[unlikely]] {
      worker.Drop(packet, DropReason::kSessionUnknown);
      continue;
    }
    const std::uint64_t counter = HeaderAt<TransportHeader>(packet)->counter.value();
    if (counter >= wg::kRejectAfterMessages || session->Expired(worker.now)) [[unlikely]] {
      worker.Drop(packet, DropReason::kSessionExpired);
      continue;
    }
    session->replay.Prefetch(counter);
    __builtin_prefetch(session->peer, 1);
    worker.jobs[kept] = {
        .key = &session->receive_key,
        .counter = counter,
        .data = Data(packet) + wg::kTransportHeaderSize,
        .length = static_cast<std::uint32_t>(Size(packet) - wg::kTransportMinSize),
        .ok = false,
    };
    sessions[kept] = session;
    burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

// Leaves in the burst the packets whose tags were right.
void DropForged(Worker& worker, Burst& burst, Sessions& sessions) {
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    if (!worker.jobs[i].ok) [[unlikely]] {
      worker.Drop(burst.packets[i], DropReason::kAuthenticationFailed);
      continue;
    }
    wg::PeerPath& peer = *sessions[i]->peer;
    __builtin_prefetch(peer.underlay.load(std::memory_order_relaxed));
    __builtin_prefetch(&peer.counters[worker.index], 1);
    if (kept != i) {
      burst.packets[kept] = burst.packets[i];
      sessions[kept] = sessions[i];
      worker.jobs[kept] = worker.jobs[i];
    }
    ++kept;
  }
  burst.size = kept;
}

void NoteRoaming(Worker& worker, const Session& session, const PacketMeta& meta) {
  const UnderlayPath* path = session.peer->underlay.load(std::memory_order_acquire);
  if (path != nullptr && path->remote == meta.remote) [[likely]]
    return;
  // Posted again with every run until the slow path has moved the endpoint, so a full queue only
  // delays it.
  (void)worker.Post({Event::Kind::kEndpointSeen, session.local_index, meta.in_port, meta.remote});
}

void NoteSession(Worker& worker, Session& session) {
  if (!session.confirmed.load(std::memory_order_relaxed)) [[unlikely]] {
    worker.RaiseOnce(session.confirmed, {Event::Kind::kConfirmed, session.local_index, 0, {}});
  }
  if (session.initiator && worker.now - session.created >= wg::kRekeyOnReceiveAfterTime &&
      !session.wants_rekey.load(std::memory_order_relaxed)) [[unlikely]] {
    worker.RaiseOnce(session.wants_rekey, {Event::Kind::kRekeyWanted, session.local_index, 0, {}});
  }
}

// Accounts for packets [first, end) of one session, all authentic. Appends those that carry data
// to the burst at `kept`.
std::uint16_t AcceptRun(Worker& worker, Burst& burst, Session& session, std::uint16_t first,
                        std::uint16_t end, std::uint16_t kept) {
  const std::uint16_t kept_before = kept;
  std::array<std::uint64_t, kMaxBurst> counters;
  for (std::uint16_t i = first; i < end; ++i) counters[i - first] = worker.jobs[i].counter;
  const std::uint64_t accepted = session.replay.AcceptBurst(
      std::span(counters).first(static_cast<std::size_t>(end - first)), worker.sharing);

  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  bool data = false;
  for (std::uint16_t i = first; i < end; ++i) {
    Packet* packet = burst.packets[i];
    if ((accepted >> (i - first) & 1) == 0) [[unlikely]] {
      worker.Drop(packet, DropReason::kReplayed);
      continue;
    }
    ++packets;
    bytes += Size(packet);
    PacketMeta& meta = Meta(packet);
    meta.peer = session.peer;
    meta.kind = PacketKind::kInner;
    NoteRoaming(worker, session, meta);
    StripFront(packet, wg::kTransportHeaderSize);
    SetSize(packet, static_cast<std::uint16_t>(worker.jobs[i].length));
    worker.Trace(packet, TraceStep::kDecrypted, session.local_index, worker.jobs[i].counter);
    if (Size(packet) == 0) {
      worker.counters.keepalives.Add(1);
      worker.Trace(packet, TraceStep::kConsumed);
      worker.FinishTrace(packet);
      FreePacket(packet);
      continue;
    }
    data = true;
    burst.packets[kept++] = packet;
  }
  if (packets == 0) return kept;
  if (worker.capturer.active()) [[unlikely]]
    CaptureOpened(worker, std::span(burst.packets).subspan(kept_before, kept - kept_before));
  wg::PeerPath& peer = *session.peer;
  peer.activity.AnythingReceived(worker.now_ns);
  if (data) peer.activity.DataReceived(worker.now_ns);
  peer.counters[worker.index].AddReceived(packets, bytes);
  worker.counters.opened.Add(packets);
  NoteSession(worker, session);
  return kept;
}

}  // namespace

void DecryptBurst(Worker& worker, Burst& burst) {
  Sessions sessions;
  FindSessions(worker, burst, sessions);
  PrepareJobs(worker, burst, sessions);
  if (burst.size == 0) return;
  worker.aead->OpenBurst(std::span(worker.jobs).first(burst.size));
  DropForged(worker, burst, sessions);

  std::uint16_t kept = 0;
  for (std::uint16_t first = 0; first < burst.size;) {
    std::uint16_t end = first + 1;
    while (end < burst.size && sessions[end] == sessions[first]) ++end;
    kept = AcceptRun(worker, burst, *sessions[first], first, end, kept);
    first = end;
  }
  burst.size = kept;
}

}  // namespace vireo
