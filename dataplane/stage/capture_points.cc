#include "dataplane/stage/capture_points.h"

#include "dataplane/net/inner.h"
#include "dataplane/wg/messages.h"
#include "dataplane/wg/peer_path.h"

namespace vireo {
namespace {

CaptureSource SourceOf(const Worker& worker, const Port& port, CaptureWay way) {
  CaptureSource source{.id = port.id(), .way = way};
  switch (port.info().link) {
    case Link::kUdp:
      source.link = CaptureLink::kMessage;
      break;
    case Link::kIp:
      source.link = CaptureLink::kIp;
      break;
    case Link::kEthernet:
      source.link = CaptureLink::kEthernet;
      break;
  }
  const Snapshot& snapshot = *worker.snapshot;
  if (const NetworkId network = snapshot.ports[port.id()].network; network != 0) {
    source.vni = snapshot.networks[network].vni;
  }
  return source;
}

void Take(Worker& worker, std::span<Packet* const> packets, const CaptureSource& source) {
  for (Packet* packet : packets) worker.capturer.Take(packet, Bytes(packet), source);
}

// The inner packet without padding; empty if there is none (a keepalive).
void TakeInner(Worker& worker, Packet* packet, MutableBytes bytes, std::uint32_t slot,
               CaptureWay way) {
  if (bytes.empty()) return;
  const net::InnerPacket inner = net::ParseInner(bytes);
  worker.capturer.Take(packet, inner ? bytes.first(inner.size) : bytes,
                       {.id = slot, .of_peer = true, .link = CaptureLink::kIp, .way = way});
}

}  // namespace

void CaptureReceived(Worker& worker, std::span<Packet* const> packets, const Port& port) {
  worker.capturer.NextBurst();
  Take(worker, packets, SourceOf(worker, port, CaptureWay::kIn));
}

void CaptureSending(Worker& worker, std::span<Packet* const> packets, const Port& port) {
  Take(worker, packets, SourceOf(worker, port, CaptureWay::kOut));
}

void CaptureOpened(Worker& worker, std::span<Packet* const> packets) {
  for (Packet* packet : packets) {
    TakeInner(worker, packet, Bytes(packet), Meta(packet).peer->slot, CaptureWay::kIn);
  }
}

void CaptureSealing(Worker& worker, std::span<Packet* const> packets, const wg::PeerPath& peer) {
  for (Packet* packet : packets) {
    const std::size_t size = Size(packet) - wg::kTransportHeaderSize - kAeadTagSize;
    TakeInner(worker, packet, Bytes(packet).subspan(wg::kTransportHeaderSize, size), peer.slot,
              CaptureWay::kOut);
  }
}

}  // namespace vireo
