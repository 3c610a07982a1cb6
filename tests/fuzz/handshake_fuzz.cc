// An attacker who knows all public keys and sends handshake messages of any content: the engine
// must take none of them, and remember nothing.
#include <cstdint>
#include <cstdlib>

#include "tests/sim/engine/network.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vireo::wg;
  static sim::Network network;
  static sim::Node node(network, sim::At("192.0.2.1:1"), 1);
  static sim::Node other(network, sim::At("192.0.2.2:2"), 2);
  static sim::Node::Remote& remote = node.AddPeer(other);
  if (size == 0) return 0;

  // Bit 0: with a valid mac1, so that what follows is reached. Bit 1: under load. Bit 2: our own
  // initiation waits, so that its index exists.
  const std::uint8_t flags = data[0];
  sim::Bytes message(size - 1);
  if (size > 1) std::memcpy(message.data(), data + 1, size - 1);
  const MessageKind kind = Classify(message);
  if ((flags & 1) != 0 && (kind == MessageKind::kInitiation || kind == MessageKind::kResponse)) {
    CookieJar().AddMacs(node.key(), message, network.clock.Now());
  }
  if ((flags & 2) != 0) node.engine->SetHandshakeQueue(512, 4096);
  if ((flags & 4) != 0 && !remote.peer->handshake_pending()) {
    node.SendData(other, sim::Node::Payload(1));
  }
  if ((flags & 4) != 0 && kind != MessageKind::kNone && message.size() >= 12) {
    // Our pending index, which the attacker can read off the wire.
    const auto& initiation = *reinterpret_cast<const InitiationMessage*>(
        network.Last(MessageKind::kInitiation).bytes.data());
    const std::size_t at = kind == MessageKind::kResponse ? 8 : 4;
    std::memcpy(message.data() + at, &initiation.sender_index, 4);
    if (kind == MessageKind::kResponse && (flags & 1) != 0) {
      CookieJar().AddMacs(node.key(), message, network.clock.Now());
    }
  }
  const bool pending = remote.peer->handshake_pending();
  const auto verdict = node.engine->OnHandshakeMessage(sim::At("203.0.113.6:6"), message);
  if (Accepted(verdict) || !remote.peer->keypairs().empty() ||
      remote.peer->handshake_pending() != pending || remote.peer->endpoint() != other.address) {
    std::abort();
  }
  network.clock.Advance(std::chrono::milliseconds(10));
  if (network.sent.size() > 1000) network.sent.erase(network.sent.begin() + 1, network.sent.end());
  return 0;
}
