// A Neighbours with a fake clock and a log of all that it does, for tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "dataplane/slow/neighbours.h"

namespace vireo {

inline net::IpAddress Ip(std::string_view text) { return net::IpAddress::Parse(text).value(); }
inline net::MacAddress Mac(std::string_view text) { return net::MacAddress::Parse(text).value(); }

inline const net::MacAddress kOurMac = Mac("02:00:00:00:00:01");
inline const net::MacAddress kMacA = Mac("02:00:00:00:00:0a");
inline const net::MacAddress kMacB = Mac("02:00:00:00:00:0b");
inline const net::IpAddress kOurs4 = Ip("192.0.2.1");
inline const net::IpAddress kOurs6 = Ip("2001:db8::1");
inline const net::IpAddress kNobody4 = Ip("0.0.0.0");

// Both families under one test: who asks, who answers.
struct Addresses {
  net::IpAddress ours, peer, other;
};
inline const Addresses kAddresses4{kOurs4, Ip("192.0.2.9"), Ip("192.0.2.8")};
inline const Addresses kAddresses6{kOurs6, Ip("2001:db8::9"), Ip("2001:db8::8")};

// What was sent, in words: "ask 192.0.2.9 of all", "ask 192.0.2.9 of MAC", "tell IP to MAC",
// "announce IP"; and what was told.
class Log final : public Neighbours::Output {
 public:
  explicit Log(std::uint16_t vlan = 0) : vlan_(vlan) {}

  void SendFrame(ConstBytes frame) override { events_.push_back(Describe(frame)); }
  void Resolved(const net::IpAddress& neighbour, const net::MacAddress& mac) override {
    events_.push_back("resolved " + neighbour.ToString() + " " + mac.ToString());
  }
  void Unreachable(const net::IpAddress& neighbour) override {
    events_.push_back("unreachable " + neighbour.ToString());
  }
  void Conflict(const net::IpAddress& owned, const net::MacAddress& other) override {
    events_.push_back("conflict " + owned.ToString() + " " + other.ToString());
  }
  void SendPacket(Neighbours::PacketHandle packet, const net::MacAddress& mac) override {
    events_.push_back("packet " + Number(packet) + " to " + mac.ToString());
  }
  void DropPacket(Neighbours::PacketHandle packet) override {
    events_.push_back("drop " + Number(packet));
  }

  std::vector<std::string> Take() { return std::exchange(events_, {}); }

 private:
  static std::string Number(Neighbours::PacketHandle packet) {
    return std::to_string(reinterpret_cast<std::uintptr_t>(packet));
  }

  std::string Describe(ConstBytes frame) const {
    net::EthernetHeader header;
    std::memcpy(&header, frame.data(), sizeof header);
    ConstBytes rest = frame.subspan(sizeof header);
    std::uint16_t type = header.type.value();
    if (vlan_ != 0) {
      net::VlanTag tag;
      std::memcpy(&tag, rest.data(), sizeof tag);
      if (type != net::kEtherTypeVlan || tag.control.value() != vlan_) return "wrong tag";
      type = tag.type.value();
      rest = rest.subspan(sizeof tag);
    }
    if (header.source != kOurMac) return "wrong source";
    if (type == net::kEtherTypeArp) return DescribeArp(header.destination, rest);
    if (type == net::kEtherTypeIpv6) return DescribeIpv6(header.destination, rest);
    return "wrong type";
  }

  static std::string DescribeArp(const net::MacAddress& to, ConstBytes bytes) {
    const auto arp = net::ParseArp(bytes);
    if (!arp || arp->sender_mac != kOurMac) return "wrong arp";
    const std::string who = to == net::kBroadcastMac ? "all" : to.ToString();
    if (arp->IsGratuitous()) return "announce " + arp->sender_ip.ToString();
    if (arp->operation == net::ArpOperation::kReply) {
      return "tell " + arp->sender_ip.ToString() + " to " + who;
    }
    return "ask " + arp->target_ip.ToString() + " of " + who;
  }

  static std::string DescribeIpv6(const net::MacAddress& to, ConstBytes bytes) {
    const auto who = [&](const net::IpAddress& destination) {
      if (!destination.IsMulticast()) return to.ToString();
      return to == net::GroupMac(destination) ? std::string("all") : "wrong group";
    };
    if (const auto ask = net::ParseNeighbourSolicitation(bytes)) {
      if (ask->link_address != kOurMac) return "wrong solicitation";
      return "ask " + ask->target.ToString() + " of " + who(ask->destination);
    }
    const auto tell = net::ParseNeighbourAdvertisement(bytes);
    if (!tell || tell->link_address != kOurMac) return "wrong advertisement";
    if (!tell->solicited && tell->destination == Ip("ff02::1")) {
      return "announce " + tell->target.ToString();
    }
    return "tell " + tell->target.ToString() + " to " + who(tell->destination);
  }

  const std::uint16_t vlan_;
  std::vector<std::string> events_;
};

class NeighboursBase {
 protected:
  explicit NeighboursBase(const Neighbours::Limits& limits = {}, std::uint16_t vlan = 0)
      : routes_(kOurMac, {{kOurs4, 24}, {kOurs6, 64}, {Ip("fe80::1"), 64}}, {}),
        log_(vlan),
        neighbours_({kOurMac, vlan}, &routes_, &log_, limits) {}

  // A neighbour's words. An IPv4 reply is always proof; an advertisement if it is solicited.
  void Tell(const net::IpAddress& who, const net::MacAddress& mac, const net::IpAddress& to) {
    if (who.is_v4()) {
      HearArp({net::ArpOperation::kReply, mac, who, kOurMac, to});
    } else {
      HearAdvertisement({.source = who,
                         .destination = to,
                         .target = who,
                         .link_address = mac,
                         .solicited = true,
                         .override = true},
                        mac);
    }
  }
  void AnnounceAs(const net::IpAddress& who, const net::MacAddress& mac) {
    if (who.is_v4()) {
      HearArp(net::MakeArpAnnouncement(mac, who));
    } else {
      HearAdvertisement(net::MakeNeighbourAnnouncement(who, mac), mac);
    }
  }
  void Ask(const net::IpAddress& from, const net::MacAddress& mac, const net::IpAddress& target) {
    if (target.is_v4()) {
      HearArp(net::MakeArpRequest(mac, from, target));
    } else {
      HearSolicitation({from, net::SolicitedNodeGroup(target), target, mac}, mac);
    }
  }
  void HearArp(const net::ArpMessage& message) {
    std::array<std::byte, net::kArpSize> bytes;
    net::BuildArp(message, bytes);
    EXPECT_TRUE(neighbours_.ReceiveArp(bytes, clock_.Now()));
  }
  void HearSolicitation(const net::NeighbourSolicitation& message, const net::MacAddress& from) {
    std::array<std::byte, net::kNeighbourDiscoverySize> bytes;
    net::BuildNeighbourSolicitation(message, bytes);
    EXPECT_TRUE(neighbours_.ReceiveIcmpv6(bytes, from, clock_.Now()));
  }
  void HearAdvertisement(const net::NeighbourAdvertisement& message, const net::MacAddress& from) {
    std::array<std::byte, net::kNeighbourDiscoverySize> bytes;
    net::BuildNeighbourAdvertisement(message, bytes);
    EXPECT_TRUE(neighbours_.ReceiveIcmpv6(bytes, from, clock_.Now()));
  }

  void Send(const net::IpAddress& to, std::uintptr_t packet) {
    neighbours_.Send(to, reinterpret_cast<void*>(packet), clock_.Now());
  }
  void Advance(Duration by) {
    clock_.Advance(by);
    neighbours_.Poll(clock_.Now());
  }
  std::vector<std::string> Events() { return log_.Take(); }

  FakeClock clock_;
  LinkRoutes routes_;
  Log log_;
  Neighbours neighbours_;
};

}  // namespace vireo
