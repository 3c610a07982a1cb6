// What passes between the router and its workers: events, packets they could not finish,
// handshakes, and the packets that the router has them send.

#include <array>
#include <cstring>

#include "dataplane/net/gateway.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/inner.h"
#include "dataplane/slow/icmp_errors.h"
#include "dataplane/slow/router.h"
#include "dataplane/stage/tenant_frame.h"
#include "dataplane/stage/tunnel_header.h"

namespace vireo {
namespace {

PeerRecord& RecordOf(const wg::Peer& peer) { return *static_cast<PeerRecord*>(peer.owner); }

}  // namespace

void Router::TakeEvents() {
  std::array<Event, 64> events;
  while (const unsigned count = link_.events.Pop(events)) {
    for (const Event& event : std::span(events).first(count)) {
      if (event.kind == Event::Kind::kEndpointActive) {
        moves_.OnActive(static_cast<std::uint16_t>(event.session));
        continue;
      }
      auto* peer = static_cast<wg::Peer*>(sessions_.Owner(event.session));
      if (peer == nullptr) continue;  // the session is gone
      switch (event.kind) {
        case Event::Kind::kEndpointSeen:
          RecordOf(*peer).uplink = static_cast<PortId>(event.port);
          engine_->OnEndpointSeen(*peer, event.remote);
          break;
        case Event::Kind::kConfirmed:
          engine_->OnSessionConfirmed(event.session);
          break;
        case Event::Kind::kRekeyWanted:
          engine_->OnRekeyWanted(event.session);
          break;
        case Event::Kind::kEndpointActive:  // above
          break;
      }
    }
  }
}

void Router::TakePackets() {
  std::array<Packet*, kMaxBurst> packets;
  // A queue's worth: all that was waiting when we began, which Process relies on.
  for (unsigned taken = 0; taken < SlowPathLink::kPackets;) {
    const unsigned count = link_.packets.Pop(packets);
    if (count == 0) return;
    for (Packet* packet : std::span(packets).first(count)) TakePacket(packet);
    taken += count;
  }
}

void Router::TakePacket(Packet* packet) {
  const PacketMeta& meta = Meta(packet);
  switch (meta.kind) {
    case PacketKind::kError:
      AnswerError(packet);
      return;
    case PacketKind::kFrame:  // only ever on its way to a worker
      Drop(packet, DropReason::kShutdown);
      return;
    case PacketKind::kTenant:
      tenant_services_.Take(packet);
      return;
    case PacketKind::kTenantError:
      Meta(packet).fits != 0 ? AnswerFrameTooBig(packet) : tenant_services_.TakeError(packet);
      return;
    case PacketKind::kTransport:  // sealed, but the underlay's neighbour is not known
    case PacketKind::kHandshake:
    case PacketKind::kUnresolved:
      WaitForNeighbour(packet);
      return;
    case PacketKind::kRaw:
    case PacketKind::kReassembled:
      GiveToLink(packet);
      return;
    case PacketKind::kOwned:
      AnswerOwned(packet);
      return;
    case PacketKind::kOverlayControl:
      TakeOverlayControl(packet);
      return;
    case PacketKind::kInner:
      Stage(packet);
      return;
  }
}

// Ports may have been removed while their packets waited for us.
void Router::WaitForNeighbour(Packet* packet) {
  EthernetLink* link = links_[Meta(packet).out_port].get();
  link != nullptr ? link->WaitForNeighbour(packet) : Drop(packet, DropReason::kPortGone);
}

void Router::GiveToLink(Packet* packet) {
  EthernetLink* link = links_[Meta(packet).in_port].get();
  link != nullptr ? link->Take(packet) : Drop(packet, DropReason::kPortGone);
}

void Router::TakeOverlayControl(Packet* packet) {
  const std::uint32_t from = Meta(packet).peer->slot;
  if (net::IsPathProbe(Bytes(packet)) ? path_probes_.OnMessage(from, Bytes(packet))
                                      : moves_.OnMessage(from, Bytes(packet))) {
    FreePacket(packet);
  } else {
    Drop(packet, DropReason::kOverlayControlInvalid);
  }
}

void Router::SendOverlayControl(std::uint32_t peer_slot, ConstBytes message) {
  const RouterSpec* router = networks_.FindRouter(peer_slot);
  if (router == nullptr || peers_[peer_slot] == nullptr) return;
  const net::IpAddress from = networks_.own_vtep(router->vtep.family);
  Packet* packet = from.family == router->vtep.family ? NewPacket(message) : nullptr;
  if (packet == nullptr) return;
  PrependTunnelHeader(packet, from, router->vtep, net::kOverlayControlPort,
                      net::kOverlayControlPort, wg::kHandshakeTos);
  Meta(packet).kind = PacketKind::kInner;
  Meta(packet).peer = peers_[peer_slot]->path.get();
  Send(packet);
}

void Router::TakeHandshakes() {
  std::array<Packet*, kMaxBurst> packets;
  // A few at a time: each costs up to a tenth of a millisecond, and events must not wait for a
  // flood of them.
  const unsigned count = link_.handshakes.Pop(packets);
  for (unsigned i = 0; i < count; ++i) {
    engine_->SetHandshakeQueue(link_.handshakes.size() + count - i - 1, SlowPathLink::kHandshakes);
    TakeHandshake(packets[i]);
  }
}

void Router::TakeHandshake(Packet* packet) {
  handshake_port_ = Meta(packet).in_port;
  const wg::HandshakeVerdict verdict =
      engine_->OnHandshakeMessage(Meta(packet).remote, Bytes(packet));
  ++verdicts_[static_cast<std::size_t>(verdict)];
  if (wg::Accepted(verdict)) {
    FreePacket(packet);
  } else {
    Drop(packet, DropReason::kHandshakeRejected);
  }
}

void Router::AnswerOwned(Packet* packet) {
  const PortId in = Meta(packet).in_port;
  // What the router itself made has come by no port.
  if (in < links_.size() && links_[in] != nullptr && port_options_[in].role == PortRole::kAccess) {
    links_[in]->Take(packet);  // came off that port's wire, Ethernet header and all
    return;
  }
  const std::size_t size = net::EchoReplyInPlace(Bytes(packet));
  if (size == 0) {
    Drop(packet, DropReason::kNotForUs);
    return;
  }
  SetSize(packet, static_cast<std::uint16_t>(size));
  Meta(packet).kind = PacketKind::kInner;  // finds its way back like any packet
  Send(packet);
}

// The packet has been dropped and counted; its source is told why, if we have an address to speak
// from and may.
void Router::AnswerError(Packet* packet) {
  const net::InnerPacket inner = net::ParseInner(Bytes(packet));
  const auto source = inner ? OwnAddress(inner.family) : std::nullopt;
  const auto error = IcmpErrorFor(Meta(packet).reason);
  if (source && error && icmp_limiter_.Allow(SourceOf(inner), clock_.Now())) {
    std::array<std::byte, net::kIcmpv6ErrorMaxSize> message;
    const std::uint16_t mtu = Meta(packet).fits != 0 ? Meta(packet).fits : inner_mtu_;
    const std::size_t size = net::BuildIcmpError(Bytes(packet), *error, mtu, *source, message);
    if (Packet* answer = size == 0 ? nullptr : NewPacket(std::span(message).first(size))) {
      Send(answer);
    }
  }
  FreePacket(packet);
}

// The same for a tenant's frame that does not fit its way: its sender is told by ICMP what does.
// The message comes from the frame's destination, as the network may have no gateway and is one
// link to its endpoints; what hosts look at is the packet that it quotes.
void Router::AnswerFrameTooBig(Packet* packet) {
  constexpr std::size_t kHeader = sizeof(net::EthernetHeader);
  const net::EthernetHeader frame = *HeaderAt<net::EthernetHeader>(packet);
  const ConstBytes offending = Bytes(packet).subspan(kHeader);
  const net::InnerPacket inner = net::ParseInner(offending);
  const Networks::Network* network = networks_.FindById(Meta(packet).network);
  net::EthernetHeader back{frame.source, frame.destination, frame.type};
  if (inner && network != nullptr && frame.source == net::kGatewayMac) {
    // It was routed: the sender is in another network of the tenant.
    network = networks_.FindInTenant(network->spec, SourceOf(inner));
    const auto sender =
        network != nullptr ? networks_.FindOwner(*network, SourceOf(inner)) : std::nullopt;
    if (!sender) network = nullptr;
    back.destination = sender.value_or(net::MacAddress{});
    back.source = net::kGatewayMac;
  }
  if (inner && network != nullptr && !frame.destination.IsMulticast() &&
      icmp_limiter_.Allow(SourceOf(inner), clock_.Now())) {
    std::array<std::byte, kHeader + net::kIcmpv6ErrorMaxSize> message;
    std::memcpy(message.data(), &back, kHeader);
    const std::size_t size =
        net::BuildIcmpError(offending, net::IcmpError::kPacketTooBig, Meta(packet).fits,
                            DestinationOf(inner), std::span(message).subspan(kHeader));
    if (Packet* answer =
            size == 0 ? nullptr : NewPacket(std::span(message).first(kHeader + size))) {
      PacketMeta& meta = Meta(answer);
      meta.kind = PacketKind::kFrame;
      meta.network = network->id;
      meta.nexthop = network->spec.vni;
      meta.in_port = kNoPort;
      Send(answer);
    }
  }
  FreePacket(packet);
}

std::optional<net::IpAddress> Router::OwnAddress(net::Family family) const {
  for (const PortOptions& options : port_options_) {
    if (options.role != PortRole::kAccess) continue;
    for (const PortAddress& address : options.addresses) {
      if (address.address.family == family) return address.address;
    }
  }
  return std::nullopt;
}

void Router::Stage(Packet* packet) {
  // The path outlives all packets that point to it; the record may be gone.
  PeerRecord* record = peers_[Meta(packet).peer->slot].get();
  if (record == nullptr || record->path.get() != Meta(packet).peer) {
    Drop(packet, DropReason::kShutdown);
    return;
  }
  if (record->staged == nullptr) record->staged = std::make_unique<std::deque<Packet*>>();
  if (record->staged->size() == wg::kMaxStagedPackets) {
    Drop(record->staged->front(), DropReason::kNoSession);
    record->staged->pop_front();
  }
  record->staged->push_back(packet);
  engine_->OnPacketStaged(*record->peer);
}

bool Router::FlushStaged(wg::Peer& peer) {
  const auto staged = std::move(RecordOf(peer).staged);
  if (staged == nullptr || staged->empty()) return false;
  for (Packet* packet : *staged) Send(packet);
  return true;
}

void Router::DropStaged(wg::Peer& peer) {
  const auto staged = std::move(RecordOf(peer).staged);
  if (staged == nullptr) return;
  for (Packet* packet : *staged) Drop(packet, DropReason::kNoSession);
}

void Router::SendMessage(wg::Peer* peer, const net::UdpEndpoint& to, ConstBytes message,
                         std::uint8_t tos) {
  Packet* packet = NewPacket(message);
  if (packet == nullptr) return;
  PacketMeta& meta = Meta(packet);
  meta.kind = PacketKind::kHandshake;
  meta.remote = to;
  meta.outer_tos = tos;
  meta.peer = peer != nullptr ? &peer->path() : nullptr;
  const UnderlayPath* path =
      peer != nullptr ? peer->path().underlay.load(std::memory_order_relaxed) : nullptr;
  // A stranger gets its cookie by the way its message came.
  meta.out_port = path != nullptr ? path->port : handshake_port_;
  Send(packet);
}

void Router::SendKeepalive(wg::Peer& peer) {
  Packet* packet = NewPacket({});
  if (packet == nullptr) return;
  Meta(packet).kind = PacketKind::kInner;
  Meta(packet).peer = &peer.path();
  Send(packet);
}

void Router::EndpointChanged(wg::Peer& peer) {
  PeerRecord& record = RecordOf(peer);
  PublishUnderlay(record);
}

void Router::Retire(std::unique_ptr<wg::Session> session) {
  quiescence_.Retire(std::move(session));
}

void Router::TimestampReserved(WallTime mark) { options_.save_timestamp_mark(mark); }

Packet* Router::NewPacket(ConstBytes bytes) {
  Packet* packet = AllocatePacket(options_.pool);
  if (packet == nullptr) {
    CountDrop(DropReason::kNoBuffer);
    return nullptr;
  }
  // A datagram that came in fragments may be larger than what the ports' packets hold.
  if (bytes.size() + kTailroom > Tailroom(packet)) {
    Drop(packet, DropReason::kTooBig);
    return nullptr;
  }
  SetSize(packet, static_cast<std::uint16_t>(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), Data(packet));
  Meta(packet).in_port = kNoPort;
  return packet;
}

void Router::Send(Packet* packet) {
  // Packets of one peer stay in order: always the same worker.
  const wg::PeerPath* peer = Meta(packet).peer;
  Worker& worker = *workers_[peer != nullptr ? peer->slot % workers_.size() : 0];
  if (!worker.injected.Push(packet)) {
    Drop(packet, DropReason::kSlowPathFull);
    return;
  }
  worker.doorbell.Ring();
}

void Router::CountDrop(DropReason reason) { ++drops_[static_cast<std::size_t>(reason)]; }

void Router::Drop(Packet* packet, DropReason reason) {
  CountDrop(reason);
  captures_.Dropped(packet, reason);
  FreePacket(packet);
}

void Router::NeighboursChanged() {
  dirty_ = true;
  underlays_dirty_ = true;
}

}  // namespace vireo
