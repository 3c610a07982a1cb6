#include "tests/sim/engine/network.h"

#include <algorithm>
#include <cstring>

#include "tests/support/counter_aead.h"

namespace vireo::wg::sim {

void Network::Send(Datagram datagram) {
  const bool passes = filter(datagram) && !Chance(link.loss);
  sent.push_back(datagram);
  if (!passes) return;
  const auto arrival = [&] {
    const auto jitter = link.jitter.count();
    return clock.Now() + link.delay +
           Duration(jitter == 0 ? 0 : static_cast<Duration::rep>(random_() % jitter));
  };
  if (Chance(link.duplication)) in_flight_.emplace(arrival(), datagram);
  in_flight_.emplace(arrival(), std::move(datagram));
}

bool Network::Chance(double probability) {
  return probability > 0 && static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
}

void Network::Deliver() {
  while (!in_flight_.empty() && in_flight_.begin()->first <= clock.Now()) {
    const Datagram datagram = std::move(in_flight_.begin()->second);
    in_flight_.erase(in_flight_.begin());
    for (Node* node : nodes_) {
      if (node->address == datagram.to) node->Receive(datagram);
    }
  }
}

void Network::Settle() {
  ++moments;
  Deliver();
  for (Node* node : nodes_) {
    node->DeliverEvents();
    node->engine->Poll();
    node->DeliverEvents();
  }
}

void Network::Run(Duration time) {
  const Time end = clock.Now() + time;
  Settle();
  while (true) {
    Time next = end;
    if (!in_flight_.empty()) next = std::min(next, in_flight_.begin()->first);
    for (const Node* node : nodes_) next = std::min(next, node->engine->NextDeadline());
    clock.Advance(std::max(next - clock.Now(), Duration(0)));
    Settle();
    if (clock.Now() >= end) return;
  }
}

std::size_t Network::Count(MessageKind kind, const net::UdpEndpoint& from) const {
  return static_cast<std::size_t>(std::count_if(sent.begin(), sent.end(), [&](const Datagram& d) {
    return d.kind() == kind && d.from == from;
  }));
}

std::size_t Network::Keepalives(const net::UdpEndpoint& from) const {
  return static_cast<std::size_t>(std::count_if(sent.begin(), sent.end(), [&](const Datagram& d) {
    return d.kind() == MessageKind::kTransport && d.bytes.size() == kTransportMinSize &&
           d.from == from;
  }));
}

const Datagram& Network::Last(MessageKind kind) const {
  const auto found = std::find_if(sent.rbegin(), sent.rend(),
                                  [kind](const Datagram& d) { return d.kind() == kind; });
  if (found == sent.rend()) std::abort();
  return *found;
}

Node::Node(Network& network, const net::UdpEndpoint& where, std::uint64_t seed)
    : address(where), clock(network.clock), network_(network), random_(seed) {
  network_.nodes_.push_back(this);
  PrivateKey key;
  random_.Fill(key.bytes());
  Start(key);
}

Node::~Node() {
  std::erase(network_.nodes_, this);
  engine.reset();
}

void Node::Start(const PrivateKey& key) {
  sessions = std::make_unique<SessionTable>(random_);
  engine = std::make_unique<Engine>(clock, random_, *sessions, static_cast<Engine::Host&>(*this),
                                    Engine::Options{.timestamp_mark = mark});
  engine->SetPrivateKey(key);
  engine->SetUp(true);
}

void Node::Restart(bool remember_timestamps) {
  struct Saved {
    PublicKey key;
    PresharedKey preshared;
    std::optional<net::UdpEndpoint> endpoint;
    std::chrono::seconds keepalive;
    CipherSuite suite;
  };
  std::vector<Saved> saved;
  for (const auto& [name, peer] : engine->peers()) {
    saved.push_back({name, peer->preshared_key(), peer->endpoint(), peer->persistent_keepalive(),
                     peer->suite()});
  }
  const PrivateKey key = engine->private_key();
  engine.reset();
  events_.clear();
  if (!remember_timestamps) mark = {};
  Start(key);
  for (const Saved& s : saved) {
    removed_.push_back(std::move(remotes_.at(s.key)));
    Remote& remote = AddPeer(s.key, s.endpoint);
    engine->SetPresharedKey(*remote.peer, s.preshared);
    engine->SetSuite(*remote.peer, s.suite);
    engine->SetPersistentKeepalive(*remote.peer, s.keepalive);
  }
}

Node::Remote& Node::AddPeer(Node& other, bool with_endpoint) {
  return AddPeer(other.key(), with_endpoint ? std::optional(other.address) : std::nullopt);
}

Node::Remote& Node::AddPeer(const PublicKey& key, std::optional<net::UdpEndpoint> endpoint) {
  auto remote = std::make_unique<Remote>();
  remote->peer = engine->AddPeer(key, remote->path).value();
  Remote& added = *remote;
  remotes_[key] = std::move(remote);
  if (endpoint) engine->SetEndpoint(*added.peer, *endpoint);
  added.endpoint_changes = 0;
  return added;
}

void Node::RemovePeer(const PublicKey& key) {
  engine->RemovePeer(*To(key).peer);
  removed_.push_back(std::move(remotes_.at(key)));  // sessions still point to its path
  remotes_.erase(key);
}

Bytes Node::Payload(std::uint32_t number) {
  Bytes payload(32);
  std::memcpy(payload.data(), &number, sizeof number);
  return payload;
}

void Node::Post(std::function<void()> event) {
  if (!lose_events) events_.push_back(std::move(event));
}

void Node::DeliverEvents() {
  while (!events_.empty()) {
    const auto event = std::move(events_.front());
    events_.pop_front();
    event();
  }
}

void Node::SendData(Remote& remote, Bytes packet) {
  Session* session = remote.path.current.load();
  if (session != nullptr && !session->Expired(clock.Now()) &&
      session->send_counter.load() < kRejectAfterMessages) {
    remote.path.activity.DataSent(Now());
    Seal(remote, *session, packet);
  } else {
    if (remote.staged.size() == kMaxStagedPackets) remote.staged.pop_front();
    remote.staged.push_back(std::move(packet));
    Post([this, key = remote.peer->public_key()] {
      if (remotes_.contains(key)) engine->OnPacketStaged(*To(key).peer);
    });
  }
  DeliverEvents();
}

void Node::Seal(Remote& remote, Session& session, ConstBytes packet) {
  const std::uint64_t counter = session.send_counter.fetch_add(1);
  TransportHeader header;
  header.type = static_cast<std::uint32_t>(MessageType::kTransport);
  header.receiver_index = session.remote_index;
  header.counter = counter;
  Bytes message(sizeof header);
  std::memcpy(message.data(), &header, sizeof header);
  const Bytes sealed =
      test::CounterAead(session.suite, session.send_key.raw()).Seal(counter, packet);
  message.insert(message.end(), sealed.begin(), sealed.end());
  remote.path.activity.AnythingSent(Now());
  network_.Send({address, *remote.peer->endpoint(), std::move(message), 0});
  const bool old = session.initiator && clock.Now() - session.created >= kRekeyAfterTime;
  if ((old || counter >= session.rekey_after_messages) && !session.wants_rekey.exchange(true)) {
    Post([this, index = session.local_index] { engine->OnRekeyWanted(index); });
  }
}

void Node::Receive(const Datagram& datagram) {
  if (datagram.kind() == MessageKind::kTransport) {
    Open(datagram);
  } else {
    last_verdict = engine->OnHandshakeMessage(datagram.from, datagram.bytes);
    ++verdicts[*last_verdict];
  }
  DeliverEvents();
}

void Node::Open(const Datagram& datagram) {
  const auto& header = *reinterpret_cast<const TransportHeader*>(datagram.bytes.data());
  Session* session = sessions->Find(header.receiver_index.value());
  if (session == nullptr) return void(++drops["unknown"]);
  const std::uint64_t counter = header.counter.value();
  if (session->Expired(clock.Now()) || counter >= kRejectAfterMessages) {
    return void(++drops["expired"]);
  }
  const auto packet =
      test::CounterAead(session->suite, session->receive_key.raw())
          .Open(counter, ConstBytes(datagram.bytes).subspan(sizeof(TransportHeader)));
  if (!packet) return void(++drops["forged"]);
  if (!session->replay.Accept(counter)) return void(++drops["replayed"]);

  auto* const peer = static_cast<Peer*>(sessions->Owner(session->local_index));
  Remote& remote = RemoteOf(*peer);
  if (!session->confirmed.exchange(true)) {
    Post([this, index = session->local_index] { engine->OnSessionConfirmed(index); });
  }
  if (peer->endpoint() != datagram.from) {
    Post([this, key = peer->public_key(), from = datagram.from] {
      if (remotes_.contains(key)) engine->OnEndpointSeen(*To(key).peer, from);
    });
  }
  Session* const current = remote.path.current.load();
  if (current != nullptr && current->initiator &&
      clock.Now() - current->created >= kRekeyOnReceiveAfterTime &&
      !current->wants_rekey.exchange(true)) {
    Post([this, index = current->local_index] { engine->OnRekeyWanted(index); });
  }
  remote.path.activity.AnythingReceived(Now());
  if (packet->empty()) return;
  remote.path.activity.DataReceived(Now());
  remote.received.push_back(*packet);
}

void Node::SendMessage(Peer*, const net::UdpEndpoint& to, ConstBytes message, std::uint8_t tos) {
  network_.Send({address, to, Bytes(message.begin(), message.end()), tos});
}

void Node::SendKeepalive(Peer& peer) {
  Remote& remote = RemoteOf(peer);
  Seal(remote, *remote.path.current.load(), {});
}

bool Node::FlushStaged(Peer& peer) {
  Remote& remote = RemoteOf(peer);
  const bool any = !remote.staged.empty();
  while (!remote.staged.empty()) {
    remote.path.activity.DataSent(Now());
    Seal(remote, *remote.path.current.load(), remote.staged.front());
    remote.staged.pop_front();
  }
  return any;
}

void Node::DropStaged(Peer& peer) {
  Remote& remote = RemoteOf(peer);
  remote.staged.clear();
  ++remote.staged_dropped;
}

void Node::EndpointChanged(Peer& peer) {
  const auto found = remotes_.find(peer.public_key());
  if (found != remotes_.end()) ++found->second->endpoint_changes;
}

// Kept, as a worker may still hold it; the node's end frees it.
void Node::Retire(std::unique_ptr<Session> session) {
  ++retired;
  retired_.push_back(std::move(session));
}

void Node::TimestampReserved(WallTime reserved) {
  mark = reserved;
  ++marks_written;
}

}  // namespace vireo::wg::sim
