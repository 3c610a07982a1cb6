#include "dataplane/slow/neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "dataplane/net/checksum.h"

namespace vireo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

net::IpAddress Ip(std::string_view text) { return net::IpAddress::Parse(text).value(); }
net::MacAddress Mac(std::string_view text) { return net::MacAddress::Parse(text).value(); }

const net::MacAddress kOurMac = Mac("02:00:00:00:00:01");
const net::MacAddress kMacA = Mac("02:00:00:00:00:0a");
const net::MacAddress kMacB = Mac("02:00:00:00:00:0b");
const net::IpAddress kOurs4 = Ip("192.0.2.1");
const net::IpAddress kOurs6 = Ip("2001:db8::1");
const net::IpAddress kNobody4 = Ip("0.0.0.0");

// Both families under one test: who asks, who answers.
struct Addresses {
  net::IpAddress ours, peer, other;
};
const Addresses kAddresses4{kOurs4, Ip("192.0.2.9"), Ip("192.0.2.8")};
const Addresses kAddresses6{kOurs6, Ip("2001:db8::9"), Ip("2001:db8::8")};

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

class NeighboursOfFamily : public NeighboursBase, public testing::TestWithParam<bool> {
 protected:
  NeighboursOfFamily() : a_(GetParam() ? kAddresses4 : kAddresses6), peer_(a_.peer.ToString()) {}

  // The peer at kMacA, just confirmed, with nothing logged.
  void Resolve() {
    Send(a_.peer, 1);
    Tell(a_.peer, kMacA, a_.ours);
    (void)Events();
  }

  const Addresses a_;
  const std::string peer_;
  const std::string mac_a_ = kMacA.ToString();
  const std::string mac_b_ = kMacB.ToString();
};
INSTANTIATE_TEST_SUITE_P(Families, NeighboursOfFamily, testing::Bool(),
                         [](const auto& instance) { return instance.param ? "Ipv4" : "Ipv6"; });

TEST_P(NeighboursOfFamily, HoldsPacketsUntilResolved) {
  Send(a_.peer, 1);
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of all"));
  Send(a_.peer, 2);
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_FALSE(neighbours_.Find(a_.peer));
  Tell(a_.peer, kMacA, a_.ours);
  EXPECT_THAT(Events(), ElementsAre("resolved " + peer_ + " " + mac_a_, "packet 1 to " + mac_a_,
                                    "packet 2 to " + mac_a_));
  Send(a_.peer, 3);
  EXPECT_THAT(Events(), ElementsAre("packet 3 to " + mac_a_));
  EXPECT_EQ(neighbours_.Find(a_.peer), kMacA);
}

TEST_P(NeighboursOfFamily, AsksThreeTimesThenGivesUp) {
  Send(a_.peer, 1);
  EXPECT_EQ(neighbours_.NextDeadline(), clock_.Now() + seconds(1));
  (void)Events();
  for (int i = 0; i < 2; ++i) {
    Advance(milliseconds(999));
    EXPECT_THAT(Events(), IsEmpty());
    Advance(milliseconds(1));
    EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of all"));
  }
  Advance(seconds(1));
  EXPECT_THAT(Events(), ElementsAre("drop 1", "unreachable " + peer_));
  EXPECT_EQ(neighbours_.entries(), 0u);
  EXPECT_FALSE(neighbours_.NextDeadline());
  Send(a_.peer, 2);  // a later packet tries again
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of all"));
}

TEST_P(NeighboursOfFamily, QueueKeepsTheNewestSixteen) {
  for (std::uintptr_t i = 1; i <= 18; ++i) Send(a_.peer, i);
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of all", "drop 1", "drop 2"));
  Tell(a_.peer, kMacA, a_.ours);
  const auto events = Events();
  ASSERT_EQ(events.size(), 17u);
  EXPECT_EQ(events[1], "packet 3 to " + mac_a_);
  EXPECT_EQ(events[16], "packet 18 to " + mac_a_);
}

TEST_P(NeighboursOfFamily, RefreshesBeforeStaleWhileInUse) {
  Resolve();
  for (int round = 0; round < 5; ++round) {
    Advance(seconds(10));
    Send(a_.peer, 2);
    Advance(seconds(14) + milliseconds(999));
    EXPECT_THAT(Events(), ElementsAre("packet 2 to " + mac_a_));
    Advance(milliseconds(1));
    EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of " + mac_a_));
    Send(a_.peer, 3);  // not held up by the probe
    EXPECT_THAT(Events(), ElementsAre("packet 3 to " + mac_a_));
    Tell(a_.peer, kMacA, a_.ours);
    EXPECT_THAT(Events(), IsEmpty());
  }
}

TEST_P(NeighboursOfFamily, UnusedGoesStaleQuietlyAndIsProbedWhenUsedAgain) {
  Resolve();
  Advance(seconds(25));
  // Used 25 s ago is in use: the last probe. Answered, and then nobody sends.
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of " + mac_a_));
  Tell(a_.peer, kMacA, a_.ours);
  Advance(seconds(3600));
  while (neighbours_.NextDeadline()) Advance(seconds(1));
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(neighbours_.Find(a_.peer), kMacA);

  Send(a_.peer, 2);
  EXPECT_THAT(Events(), ElementsAre("packet 2 to " + mac_a_));
  Advance(milliseconds(4999));
  EXPECT_THAT(Events(), IsEmpty());
  Advance(milliseconds(1));
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of " + mac_a_));
}

TEST_P(NeighboursOfFamily, ConfirmedInDelayIsNotProbed) {
  Resolve();
  Advance(seconds(25));
  Tell(a_.peer, kMacA, a_.ours);
  Advance(seconds(3600));
  Advance(seconds(30));
  (void)Events();
  Send(a_.peer, 2);
  Tell(a_.peer, kMacA, a_.ours);
  (void)Events();
  Advance(seconds(24));
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_P(NeighboursOfFamily, AsksTheMacThenEverybodyBeforeItIsGivenUp) {
  Resolve();
  Advance(seconds(25));
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of " + mac_a_));
  for (int i = 0; i < 2; ++i) {
    Advance(seconds(1));
    EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of " + mac_a_));
  }
  for (int i = 0; i < 3; ++i) {
    Advance(seconds(1));
    EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of all"));
    Send(a_.peer, 2);
    EXPECT_THAT(Events(), ElementsAre("packet 2 to " + mac_a_));
  }
  Advance(seconds(1));
  EXPECT_THAT(Events(), ElementsAre("unreachable " + peer_));
  EXPECT_FALSE(neighbours_.Find(a_.peer));
}

TEST_P(NeighboursOfFamily, NewHardwareIsFoundWhileProbing) {
  Resolve();
  Advance(seconds(25));
  for (int i = 0; i < 3; ++i) Advance(seconds(1));
  (void)Events();
  Tell(a_.peer, kMacB, a_.ours);
  EXPECT_THAT(Events(), ElementsAre("resolved " + peer_ + " " + mac_b_));
  EXPECT_EQ(neighbours_.Find(a_.peer), kMacB);
}

TEST_P(NeighboursOfFamily, WatchedStaysFreshForEverWithoutPackets) {
  EXPECT_FALSE(neighbours_.Watch(a_.peer, clock_.Now()));
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of all"));
  Tell(a_.peer, kMacA, a_.ours);
  EXPECT_THAT(Events(), ElementsAre("resolved " + peer_ + " " + mac_a_));
  for (int round = 0; round < 100; ++round) {
    Advance(seconds(25));
    EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of " + mac_a_));
    Tell(a_.peer, kMacA, a_.ours);
  }
  EXPECT_EQ(neighbours_.Watch(a_.peer, clock_.Now()), kMacA);
  neighbours_.Unwatch(a_.peer, clock_.Now());
  Advance(seconds(25));
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of " + mac_a_));  // watched once still
  Tell(a_.peer, kMacA, a_.ours);
  neighbours_.Unwatch(a_.peer, clock_.Now() - seconds(30));
  Advance(seconds(60));
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_P(NeighboursOfFamily, WatchedIsLookedForAgainAndAgain) {
  (void)neighbours_.Watch(a_.peer, clock_.Now());
  for (int round = 0; round < 10; ++round) {
    Advance(seconds(1));
    Advance(seconds(1));
    EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of all", "ask " + peer_ + " of all",
                                      "ask " + peer_ + " of all"));
    Advance(seconds(1));
    EXPECT_THAT(Events(), ElementsAre("unreachable " + peer_));
    Advance(seconds(5) - milliseconds(1));
    EXPECT_THAT(Events(), IsEmpty());
    Advance(milliseconds(1));
  }
  (void)Events();
  Tell(a_.peer, kMacA, a_.ours);
  EXPECT_THAT(Events(), ElementsAre("resolved " + peer_ + " " + mac_a_));
}

TEST_P(NeighboursOfFamily, PacketToAFailedNeighbourAsksAtOnce) {
  (void)neighbours_.Watch(a_.peer, clock_.Now());
  for (int i = 0; i < 3; ++i) Advance(seconds(1));
  (void)Events();
  Send(a_.peer, 1);
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of all"));
  neighbours_.Unwatch(a_.peer, clock_.Now());
  for (int i = 0; i < 3; ++i) Advance(seconds(1));
  EXPECT_EQ(neighbours_.entries(), 0u);
}

TEST_P(NeighboursOfFamily, UnwatchedWhileFailedIsForgotten) {
  (void)neighbours_.Watch(a_.peer, clock_.Now());
  for (int i = 0; i < 3; ++i) Advance(seconds(1));
  neighbours_.Unwatch(a_.peer, clock_.Now());
  EXPECT_EQ(neighbours_.entries(), 0u);
  EXPECT_FALSE(neighbours_.NextDeadline());
  neighbours_.Unwatch(a_.peer, clock_.Now());  // unknown: nothing to do
}

TEST_P(NeighboursOfFamily, AnnouncementMovesAKnownNeighbour) {
  Resolve();
  AnnounceAs(a_.peer, kMacB);
  EXPECT_THAT(Events(), ElementsAre("resolved " + peer_ + " " + mac_b_));
  Send(a_.peer, 2);
  EXPECT_THAT(Events(), ElementsAre("packet 2 to " + mac_b_));
  Advance(seconds(5));  // hearsay: checked soon
  EXPECT_THAT(Events(), ElementsAre("ask " + peer_ + " of " + mac_b_));
}

TEST_P(NeighboursOfFamily, AnnouncementOfTheSameMacProvesNothing) {
  Resolve();
  Advance(seconds(20));
  Send(a_.peer, 2);
  AnnounceAs(a_.peer, kMacA);
  Advance(seconds(5));
  EXPECT_THAT(Events(), ElementsAre("packet 2 to " + mac_a_, "ask " + peer_ + " of " + mac_a_));
}

TEST_P(NeighboursOfFamily, AnnouncementResolvesWhoIsLookedFor) {
  Send(a_.peer, 1);
  (void)Events();
  AnnounceAs(a_.peer, kMacA);
  EXPECT_THAT(Events(), ElementsAre("resolved " + peer_ + " " + mac_a_, "packet 1 to " + mac_a_));
}

TEST_P(NeighboursOfFamily, StrangersMakeNoEntries) {
  AnnounceAs(a_.peer, kMacA);
  Tell(a_.peer, kMacA, a_.ours);
  EXPECT_THAT(Events(), IsEmpty());
  Ask(a_.peer, kMacA, a_.ours);
  EXPECT_THAT(Events(), ElementsAre("tell " + a_.ours.ToString() + " to " + mac_a_));
  EXPECT_EQ(neighbours_.entries(), 0u);
}

TEST_P(NeighboursOfFamily, AnswersOnlyForOwnedAddresses) {
  Ask(a_.peer, kMacA, a_.other);
  EXPECT_THAT(Events(), IsEmpty());
  Ask(a_.peer, kMacA, a_.ours);
  EXPECT_THAT(Events(), ElementsAre("tell " + a_.ours.ToString() + " to " + mac_a_));
}

TEST_P(NeighboursOfFamily, ARequestTellsWhereTheAskerIs) {
  Send(a_.peer, 1);
  (void)Events();
  Ask(a_.peer, kMacA, a_.ours);
  EXPECT_THAT(Events(), ElementsAre("resolved " + peer_ + " " + mac_a_, "packet 1 to " + mac_a_,
                                    "tell " + a_.ours.ToString() + " to " + mac_a_));
}

TEST_P(NeighboursOfFamily, DefendsOwnedAddressesAtMostEveryTenSeconds) {
  const std::string ours = a_.ours.ToString();
  for (int round = 0; round < 3; ++round) {
    AnnounceAs(a_.ours, kMacB);
    EXPECT_THAT(Events(), ElementsAre("conflict " + ours + " " + mac_b_, "announce " + ours));
    for (int i = 0; i < 9; ++i) {
      Advance(seconds(1));
      Tell(a_.ours, kMacB, a_.ours);
    }
    EXPECT_THAT(Events(), IsEmpty());
    Advance(seconds(1));
  }
}

TEST_P(NeighboursOfFamily, IgnoresItsOwnMessages) {
  AnnounceAs(a_.ours, kOurMac);
  Ask(a_.ours, kOurMac, a_.ours);
  Ask(a_.ours, kOurMac, a_.peer);
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_P(NeighboursOfFamily, DropsWaitingPacketsWhenDestroyed) {
  Log log;
  {
    Neighbours neighbours({kOurMac, 0}, &routes_, &log);
    neighbours.Send(a_.peer, reinterpret_cast<void*>(7), clock_.Now());
  }
  EXPECT_THAT(log.Take(), ElementsAre("ask " + peer_ + " of all", "drop 7"));
}

class NeighboursTest : public NeighboursBase, public testing::Test {};

TEST_F(NeighboursTest, AnnouncesOwnedAddressesTwiceAtStart) {
  neighbours_.Start(clock_.Now());
  const std::vector<std::string> all = {"announce 192.0.2.1", "announce 2001:db8::1",
                                        "announce fe80::1"};
  EXPECT_EQ(Events(), all);
  EXPECT_EQ(neighbours_.NextDeadline(), clock_.Now() + seconds(2));
  Advance(seconds(2));
  EXPECT_EQ(Events(), all);
  EXPECT_FALSE(neighbours_.NextDeadline());
  Advance(seconds(100));
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_F(NeighboursTest, DefendsAgainstArpProbes) {
  HearArp({net::ArpOperation::kRequest, kMacA, kNobody4, {}, kOurs4});
  EXPECT_THAT(Events(), ElementsAre("tell 192.0.2.1 to " + kMacA.ToString()));
}

TEST_F(NeighboursTest, DefendsAgainstDuplicateAddressDetection) {
  // Built by hand from RFC 4862 §5.4.2: no source, no link-layer address.
  std::array<std::byte, net::kNeighbourDiscoverySize> bytes;
  net::BuildNeighbourSolicitation({kOurs6, net::SolicitedNodeGroup(kOurs6), kOurs6, kMacA}, bytes);
  auto& ip = *reinterpret_cast<net::Ipv6Header*>(bytes.data());
  auto& icmp = *reinterpret_cast<net::IcmpHeader*>(bytes.data() + sizeof ip);
  std::memset(ip.source, 0, sizeof ip.source);
  ip.payload_length = 24;
  icmp.checksum = 0;
  const ConstBytes packet = ConstBytes(bytes).first(64);
  icmp.checksum =
      net::PseudoHeader(ip, net::kProtocolIcmpv6, 24).Add(packet.subspan(40)).Checksum();
  EXPECT_TRUE(neighbours_.ReceiveIcmpv6(packet, kMacA, clock_.Now()));
  EXPECT_THAT(Events(), ElementsAre("announce 2001:db8::1"));
}

TEST_F(NeighboursTest, AnAdvertisementWithoutOverrideDoesNotReplaceAMac) {
  const net::IpAddress peer = kAddresses6.peer;
  const std::string who = peer.ToString();
  Send(peer, 1);
  Tell(peer, kMacA, kOurs6);
  (void)Events();
  HearAdvertisement({.source = peer,
                     .destination = kOurs6,
                     .target = peer,
                     .link_address = kMacB,
                     .solicited = true,
                     .override = false},
                    kMacB);
  EXPECT_EQ(neighbours_.Find(peer), kMacA);
  EXPECT_THAT(Events(), IsEmpty());
  Advance(seconds(5));  // but there is doubt now
  EXPECT_THAT(Events(), ElementsAre("ask " + who + " of " + kMacA.ToString()));
}

TEST_F(NeighboursTest, TagsItsFrames) {
  Log log(42);
  Neighbours neighbours({kOurMac, 42}, &routes_, &log);
  neighbours.Start(clock_.Now());
  neighbours.Send(kAddresses4.peer, nullptr, clock_.Now());
  neighbours.Send(kAddresses6.peer, nullptr, clock_.Now());
  EXPECT_THAT(log.Take(),
              ElementsAre("announce 192.0.2.1", "announce 2001:db8::1", "announce fe80::1",
                          "ask 192.0.2.9 of all", "ask 2001:db8::9 of all"));
}

TEST_F(NeighboursTest, RefusesWhatIsNotValid) {
  std::array<std::byte, net::kArpSize> arp;
  net::BuildArp(net::MakeArpRequest(kMacA, kAddresses4.peer, kOurs4), arp);
  for (std::size_t size = 0; size < arp.size(); ++size) {
    EXPECT_FALSE(neighbours_.ReceiveArp(ConstBytes(arp).first(size), clock_.Now()));
  }
  std::array<std::byte, net::kNeighbourDiscoverySize> nd;
  net::BuildNeighbourSolicitation({kAddresses6.peer, kOurs6, kOurs6, kMacA}, nd);
  for (std::size_t size = 0; size < nd.size(); ++size) {
    EXPECT_FALSE(neighbours_.ReceiveIcmpv6(ConstBytes(nd).first(size), kMacA, clock_.Now()));
  }
  EXPECT_FALSE(neighbours_.ReceiveIcmpv6(nd, Mac("33:33:00:00:00:01"), clock_.Now()));
  EXPECT_THAT(Events(), IsEmpty());
}

// Someone makes us answer to every address of the subnet, as spoofed handshakes would.
TEST_F(NeighboursTest, AScanIsBoundedAndSparesThoseInUse) {
  const net::IpAddress peer = kAddresses4.peer;
  const net::IpAddress watched = kAddresses4.other;
  (void)neighbours_.Watch(watched, clock_.Now());
  Send(peer, 1);
  Tell(peer, kMacA, kOurs4);
  (void)Events();
  std::size_t asked = 0, dropped = 0;
  for (std::uint32_t second = 0; second < 6; ++second) {
    for (std::uint32_t host = 10; host < 254; ++host) {
      Send(net::IpAddress::V4(0xc0000200 + host), 100);
      ASSERT_LE(neighbours_.entries(), 2u + 64u);
    }
    Advance(seconds(1));
    for (const std::string& event : Events()) {
      asked += event.starts_with("ask");
      dropped += event.starts_with("drop");
    }
  }
  EXPECT_LE(asked, 6 * (64u + 1u) + 64u);
  EXPECT_GT(dropped, 6 * (244u - 64u - 1u));
  EXPECT_EQ(neighbours_.Find(peer), kMacA);
  Tell(watched, kMacB, kOurs4);
  EXPECT_EQ(neighbours_.Find(watched), kMacB);
}

class SmallNeighbours : public NeighboursBase, public testing::Test {
 protected:
  SmallNeighbours() : NeighboursBase({.entries = 4, .unresolved = 2}) {}
  static net::IpAddress Host(std::uint32_t number) {
    return net::IpAddress::V4(0xc0000200 + number);
  }
  void Resolve(std::uint32_t number) {
    Send(Host(number), number);
    Tell(Host(number), kMacA, kOurs4);
    clock_.Advance(milliseconds(1));
  }
};

TEST_F(SmallNeighbours, GivesUpTheLongestUnusedFirst) {
  for (std::uint32_t i = 10; i < 14; ++i) Resolve(i);
  Send(Host(10), 1);
  Resolve(14);
  EXPECT_EQ(neighbours_.entries(), 4u);
  EXPECT_TRUE(neighbours_.Find(Host(10)));
  EXPECT_FALSE(neighbours_.Find(Host(11)));
  EXPECT_TRUE(neighbours_.Find(Host(14)));
}

TEST_F(SmallNeighbours, WatchedAreBeyondTheBounds) {
  for (std::uint32_t i = 100; i < 150; ++i) (void)neighbours_.Watch(Host(i), clock_.Now());
  EXPECT_EQ(neighbours_.entries(), 50u);
  for (std::uint32_t i = 10; i < 20; ++i) Resolve(i);
  EXPECT_EQ(neighbours_.entries(), 54u);
  for (std::uint32_t i = 100; i < 150; ++i) Tell(Host(i), kMacB, kOurs4);
  for (std::uint32_t i = 100; i < 150; ++i) EXPECT_EQ(neighbours_.Find(Host(i)), kMacB);
  for (std::uint32_t i = 100; i < 150; ++i) neighbours_.Unwatch(Host(i), clock_.Now());
  EXPECT_EQ(neighbours_.entries(), 4u);
}

TEST_F(SmallNeighbours, UnresolvedRoomComesBackWhenTheyFail) {
  Send(Host(10), 1);
  Send(Host(11), 2);
  Send(Host(12), 3);
  EXPECT_THAT(Events(), ElementsAre("ask 192.0.2.10 of all", "ask 192.0.2.11 of all", "drop 3"));
  for (int i = 0; i < 3; ++i) Advance(seconds(1));
  (void)Events();
  Send(Host(12), 4);
  EXPECT_THAT(Events(), ElementsAre("ask 192.0.2.12 of all"));
}

// Everything at once, in any order: every packet is sent or dropped once, deadlines always move on,
// and the bounds hold.
TEST_F(SmallNeighbours, RandomLifeKeepsItsPromises) {
  std::mt19937 random(3);
  std::map<std::uint32_t, int> watches;
  std::uintptr_t sent = 0;
  std::size_t finished = 0;
  const auto collect = [&] {
    for (const std::string& event : Events()) {
      finished += event.starts_with("packet") || event.starts_with("drop");
    }
  };
  for (int step = 0; step < 200000; ++step) {
    const std::uint32_t number = 10 + random() % 12;
    const net::MacAddress& mac = random() % 8 == 0 ? kMacB : kMacA;
    switch (random() % 8) {
      case 0:
      case 1:
        Send(Host(number), ++sent);
        break;
      case 2:
        Tell(Host(number), mac, kOurs4);
        break;
      case 3:
        AnnounceAs(Host(number), mac);
        break;
      case 4:
        if (watches[number] < 3) {
          ++watches[number];
          (void)neighbours_.Watch(Host(number), clock_.Now());
        }
        break;
      case 5:
        if (watches[number] > 0) {
          --watches[number];
          neighbours_.Unwatch(Host(number), clock_.Now());
        }
        break;
      default:
        Advance(milliseconds(random() % 4000));
        break;
    }
    if (const auto next = neighbours_.NextDeadline(); next && random() % 2 == 0) {
      clock_.Advance(std::max(Duration(0), *next - clock_.Now()));
      neighbours_.Poll(clock_.Now());
      ASSERT_TRUE(!neighbours_.NextDeadline() || *neighbours_.NextDeadline() > clock_.Now());
    }
    std::size_t watched = 0;
    for (const auto& [host, count] : watches) watched += count > 0;
    ASSERT_LE(neighbours_.entries(), watched + 4) << step;
    collect();
  }
  for (auto& [number, count] : watches) {
    for (; count > 0; --count) neighbours_.Unwatch(Host(number), clock_.Now());
  }
  while (neighbours_.NextDeadline()) Advance(seconds(1));
  collect();
  EXPECT_EQ(finished, sent);
}

}  // namespace
}  // namespace vireo
