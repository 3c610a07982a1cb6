#include "dataplane/slow/neighbours.h"

#include "dataplane/net/checksum.h"
#include "tests/unit/slow/neighbours_fixture.h"

namespace vireo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

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

}  // namespace
}  // namespace vireo
