// The fixture of most simulations: two nodes that know each other.
#pragma once

#include <gtest/gtest.h>

#include "tests/sim/engine/network.h"

namespace vireo::wg::sim {

inline std::vector<Bytes> Payloads(std::initializer_list<std::uint32_t> numbers) {
  std::vector<Bytes> payloads;
  for (const std::uint32_t number : numbers) payloads.push_back(Node::Payload(number));
  return payloads;
}

class Pair : public testing::Test {
 protected:
  Pair() {
    a.AddPeer(b);
    b.AddPeer(a);
  }

  // A handshake that `from` starts, seen to work both ways.
  void Connect(Node& from, Node& to) {
    from.SendData(to, Node::Payload(0xaaaa));
    net.Run(100ms);
    ASSERT_FALSE(to.To(from).received.empty());
    to.SendData(from, Node::Payload(0xbbbb));
    net.Run(100ms);
    ASSERT_FALSE(from.To(to).received.empty());
    a.To(b).received.clear();
    b.To(a).received.clear();
  }

  // Data both ways every `interval`; the number of packets sent each way.
  std::uint32_t Exchange(Duration time, Duration interval) {
    std::uint32_t count = 0;
    for (Duration passed{0}; passed < time; passed += interval) {
      a.SendData(b, Node::Payload(count));
      b.SendData(a, Node::Payload(count));
      ++count;
      net.Run(interval);
    }
    return count;
  }

  [[nodiscard]] std::size_t Initiations(const Node& node) const {
    return net.Count(MessageKind::kInitiation, node.address);
  }
  [[nodiscard]] std::size_t Responses(const Node& node) const {
    return net.Count(MessageKind::kResponse, node.address);
  }

  Network net;
  Node a{net, At("192.0.2.1:1000"), 11};
  Node b{net, At("192.0.2.2:2000"), 22};
};

}  // namespace vireo::wg::sim
