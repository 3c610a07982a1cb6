#include "dataplane/slow/netlink_neighbours.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace vireo {
namespace {

using testing::Contains;
using testing::HasSubstr;

net::IpAddress Ip(std::string_view text) { return net::IpAddress::Parse(text).value(); }

const net::MacAddress kOurMac = net::MacAddress::Parse("02:00:00:00:00:01").value();
const net::MacAddress kPeerMac = net::MacAddress::Parse("02:00:00:00:00:09").value();

// Two namespaces without names, so that nothing of them can be left behind: ours, entered by this
// thread, and the peer's, held by a child process. A veth pair joins them:
//   vireo-a 192.0.2.1/24 2001:db8::1/64, 9000 bytes  <->  vireo-b 192.0.2.9/24 2001:db8::9/64
class NetlinkNeighboursTest : public testing::Test {
 protected:
  void SetUp() override {
    home_ = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(home_, 0);
    away_ = StartPeer() && unshare(CLONE_NEWNET) == 0;
    if (!away_) {
      GTEST_SKIP() << "no permission to make network namespaces; run as root";
    }
    if (!Run("ip link add vireo-a address 02:00:00:00:00:01 mtu 9000 type veth peer name vireo-b "
             "address 02:00:00:00:00:09 mtu 9000 netns " +
             std::to_string(peer_))) {
      GTEST_SKIP() << "cannot make a veth pair; install iproute2";
    }
    ASSERT_TRUE(Run("ip link set lo up"));
    ASSERT_TRUE(Run("ip link set vireo-a addrgenmode none up"));
    ASSERT_TRUE(Run("ip addr add 192.0.2.1/24 dev vireo-a"));
    ASSERT_TRUE(Run("ip addr add 2001:db8::1/64 dev vireo-a nodad"));
    ASSERT_TRUE(Run("ip addr add fe80::1/64 dev vireo-a nodad"));
    ASSERT_TRUE(RunAtPeer("ip link set vireo-b addrgenmode none up"));
    ASSERT_TRUE(RunAtPeer("ip addr add 192.0.2.9/24 dev vireo-b"));
    ASSERT_TRUE(RunAtPeer("ip addr add 2001:db8::9/64 dev vireo-b nodad"));
    auto opened = NetlinkNeighbours::Open("vireo-a");
    ASSERT_TRUE(opened) << opened.error().message;
    neighbours_ = std::move(*opened);
  }

  void TearDown() override {
    neighbours_.reset();
    if (peer_ > 0) {
      kill(peer_, SIGKILL);
      waitpid(peer_, nullptr, 0);
    }
    if (away_) {
      EXPECT_EQ(setns(home_, CLONE_NEWNET), 0);
    }
    if (home_ >= 0) close(home_);
  }

  static bool Run(const std::string& command) {
    return std::system((command + " 2>/dev/null").c_str()) == 0;
  }
  bool RunAtPeer(const std::string& command) const {
    return Run("nsenter -t " + std::to_string(peer_) + " -n " + command);
  }

  // Merges changes until `done` accepts them, or three seconds have passed.
  template <typename Done>
  NetlinkNeighbours::Changes WaitFor(Done done) {
    NetlinkNeighbours::Changes all;
    pollfd poll_fd{neighbours_->fd(), POLLIN, 0};
    while (!done(all) && poll(&poll_fd, 1, 3000) == 1) {
      const auto changes = neighbours_->Process();
      all.neighbours.insert(all.neighbours.end(), changes.neighbours.begin(),
                            changes.neighbours.end());
      all.paths |= changes.paths;
      all.interface |= changes.interface;
    }
    return all;
  }
  NetlinkNeighbours::Changes WaitForNeighbour(const net::IpAddress& address, bool resolved) {
    return WaitFor([&](const NetlinkNeighbours::Changes& changes) {
      if (std::find(changes.neighbours.begin(), changes.neighbours.end(), address) ==
          changes.neighbours.end()) {
        return false;
      }
      const auto path = neighbours_->Find(address);
      return path.ok() && path.value().mac.has_value() == resolved;
    });
  }
  std::string FindError(std::string_view destination) {
    const auto path = neighbours_->Find(Ip(destination));
    return path.ok() ? "found" : std::string(Name(path.error().code)) + ": " + path.error().message;
  }

  std::unique_ptr<NetlinkNeighbours> neighbours_;

 private:
  bool StartPeer() {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) return false;
    peer_ = fork();
    if (peer_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const char answer = unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
      if (write(ready[1], &answer, 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ready[1]);
    char answer = 'n';
    const bool said = peer_ > 0 && read(ready[0], &answer, 1) == 1;
    close(ready[0]);
    return said && answer == 'y';
  }

  int home_ = -1;
  bool away_ = false;  // from home's namespace
  pid_t peer_ = -1;
};

TEST_F(NetlinkNeighboursTest, ReadsTheInterface) {
  const auto& interface = neighbours_->interface();
  EXPECT_EQ(interface.name, "vireo-a");
  EXPECT_GT(interface.index, 0u);
  EXPECT_EQ(interface.mac, kOurMac);
  EXPECT_EQ(interface.mtu, 9000u);
  EXPECT_TRUE(interface.up);
}

TEST_F(NetlinkNeighboursTest, RefusesInterfacesThatCannotBe) {
  const struct {
    std::string name;
    ErrorCode code;
  } cases[] = {
      {"vireo-none", ErrorCode::kNotFound},
      {"", ErrorCode::kInvalidArgument},
      {"a-name-that-is-too-long", ErrorCode::kInvalidArgument},
      {"lo", ErrorCode::kUnsupported},
  };
  for (const auto& c : cases) {
    const auto opened = NetlinkNeighbours::Open(c.name);
    ASSERT_FALSE(opened.ok()) << c.name;
    EXPECT_EQ(opened.error().code, c.code) << c.name << ": " << opened.error().message;
    EXPECT_THAT(opened.error().message, HasSubstr(c.name));
  }
}

TEST_F(NetlinkNeighboursTest, ListsItsAddressesOnly) {
  ASSERT_TRUE(Run("ip addr add 198.51.100.1 peer 198.51.100.2/32 dev vireo-a"));
  ASSERT_TRUE(Run("ip addr add 10.0.0.1/8 dev lo"));
  const auto addresses = neighbours_->Addresses();
  ASSERT_TRUE(addresses.ok());
  std::vector<std::string> texts;
  for (const OwnedAddress& owned : addresses.value()) {
    texts.push_back(owned.address.ToString() + "/" + std::to_string(owned.prefix_length));
  }
  EXPECT_THAT(texts, testing::UnorderedElementsAre("192.0.2.1/24", "2001:db8::1/64", "fe80::1/64",
                                                   "198.51.100.1/32"));
}

TEST_F(NetlinkNeighboursTest, FindsPathsAsTheKernelWould) {
  ASSERT_TRUE(Run("ip route add 10.1.0.0/16 via 192.0.2.9"));
  ASSERT_TRUE(Run("ip route add 10.2.0.0/16 via 192.0.2.9 mtu 1400"));
  ASSERT_TRUE(Run("ip route add 10.3.0.0/16 via inet6 2001:db8::9 dev vireo-a"));
  ASSERT_TRUE(Run("ip route add 2001:db8:1::/48 via 2001:db8::9"));
  ASSERT_TRUE(Run("ip route add 10.4.0.0/16 dev vireo-a scope link"));
  ASSERT_TRUE(Run("ip addr add 192.0.2.77/24 dev vireo-a"));
  ASSERT_TRUE(Run("ip route add 10.5.0.0/16 via 192.0.2.9 src 192.0.2.77"));
  const struct {
    std::string_view destination, neighbour, source;
    std::uint32_t mtu;
  } cases[] = {
      {"192.0.2.50", "192.0.2.50", "192.0.2.1", 9000},
      {"10.1.2.3", "192.0.2.9", "192.0.2.1", 9000},
      {"10.2.2.3", "192.0.2.9", "192.0.2.1", 1400},
      {"10.3.2.3", "2001:db8::9", "192.0.2.1", 9000},
      {"10.4.2.3", "10.4.2.3", "192.0.2.1", 9000},
      {"10.5.2.3", "192.0.2.9", "192.0.2.77", 9000},
      {"2001:db8::50", "2001:db8::50", "2001:db8::1", 9000},
      {"2001:db8:1::50", "2001:db8::9", "2001:db8::1", 9000},
      {"fe80::50", "fe80::50", "fe80::1", 9000},
  };
  for (const auto& c : cases) {
    const auto path = neighbours_->Find(Ip(c.destination));
    ASSERT_TRUE(path.ok()) << c.destination << ": " << path.error().message;
    EXPECT_EQ(path.value().neighbour, Ip(c.neighbour)) << c.destination;
    EXPECT_EQ(path.value().source, Ip(c.source)) << c.destination;
    EXPECT_EQ(path.value().mtu, c.mtu) << c.destination;
    EXPECT_FALSE(path.value().mac) << c.destination;
  }
}

TEST_F(NetlinkNeighboursTest, SaysWhyThereIsNoPath) {
  ASSERT_TRUE(Run("ip link add vireo-c type veth peer name vireo-d"));
  ASSERT_TRUE(Run("ip link set vireo-c addrgenmode none up"));
  ASSERT_TRUE(Run("ip addr add 203.0.113.1/24 dev vireo-c"));
  ASSERT_TRUE(Run("ip route add unreachable 10.6.0.0/16"));
  ASSERT_TRUE(Run("ip route add prohibit 10.7.0.0/16"));
  ASSERT_TRUE(Run("ip route add blackhole 10.8.0.0/16"));
  ASSERT_TRUE(Run("ip route add unreachable 2001:db8:6::/48"));
  EXPECT_EQ(FindError("10.1.2.3"), "not-found: no route to 10.1.2.3");
  EXPECT_EQ(FindError("2001:db8:1::50"), "not-found: no route to 2001:db8:1::50");
  EXPECT_EQ(FindError("10.6.0.1"), "not-found: no route to 10.6.0.1");
  EXPECT_EQ(FindError("10.7.0.1"), "not-found: no route to 10.7.0.1");
  EXPECT_EQ(FindError("10.8.0.1"), "not-found: no route to 10.8.0.1");
  EXPECT_EQ(FindError("2001:db8:6::1"), "not-found: no route to 2001:db8:6::1");
  EXPECT_EQ(FindError("203.0.113.9"), "not-found: the route to 203.0.113.9 is not by vireo-a");
  EXPECT_EQ(FindError("192.0.2.1"), "invalid-argument: 192.0.2.1 is our own address");
  EXPECT_EQ(FindError("192.0.2.255"), "invalid-argument: 192.0.2.255 is not one host's address");
}

TEST_F(NetlinkNeighboursTest, MakesTheKernelFindANeighbour) {
  for (const std::string_view peer : {"192.0.2.9", "2001:db8::9"}) {
    ASSERT_FALSE(neighbours_->Find(Ip(peer)).value().mac) << peer;
    const Status used = neighbours_->Use(Ip(peer));
    ASSERT_TRUE(used) << used.error().message;
    EXPECT_THAT(WaitForNeighbour(Ip(peer), true).neighbours, Contains(Ip(peer)));
    EXPECT_EQ(neighbours_->Find(Ip(peer)).value().mac, kPeerMac) << peer;
    EXPECT_TRUE(neighbours_->Use(Ip(peer))) << "a second time, when it is there";
  }
}

TEST_F(NetlinkNeighboursTest, FindsTheGatewaysMac) {
  ASSERT_TRUE(Run("ip route add 10.1.0.0/16 via 192.0.2.9"));
  ASSERT_TRUE(neighbours_->Use(neighbours_->Find(Ip("10.1.2.3")).value().neighbour));
  (void)WaitForNeighbour(Ip("192.0.2.9"), true);
  EXPECT_EQ(neighbours_->Find(Ip("10.1.2.3")).value().mac, kPeerMac);
}

TEST_F(NetlinkNeighboursTest, TellsThatANeighbourDoesNotAnswer) {
  std::ofstream("/proc/sys/net/ipv4/neigh/vireo-a/retrans_time_ms") << 100;
  ASSERT_TRUE(neighbours_->Use(Ip("192.0.2.50")));
  EXPECT_THAT(WaitForNeighbour(Ip("192.0.2.50"), false).neighbours, Contains(Ip("192.0.2.50")));
  EXPECT_FALSE(neighbours_->Find(Ip("192.0.2.50")).value().mac);
}

TEST_F(NetlinkNeighboursTest, FollowsANeighbourThatMovesAndGoes) {
  ASSERT_TRUE(Run("ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:0a dev vireo-a"));
  (void)WaitForNeighbour(Ip("192.0.2.9"), true);
  EXPECT_EQ(neighbours_->Find(Ip("192.0.2.9")).value().mac,
            net::MacAddress::Parse("02:00:00:00:00:0a"));
  ASSERT_TRUE(Run("ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:0b dev vireo-a"));
  (void)WaitForNeighbour(Ip("192.0.2.9"), true);
  EXPECT_EQ(neighbours_->Find(Ip("192.0.2.9")).value().mac,
            net::MacAddress::Parse("02:00:00:00:00:0b"));
  ASSERT_TRUE(Run("ip neigh del 192.0.2.9 dev vireo-a"));
  EXPECT_THAT(WaitForNeighbour(Ip("192.0.2.9"), false).neighbours, Contains(Ip("192.0.2.9")));
}

TEST_F(NetlinkNeighboursTest, FollowsRoutesAddressesAndTheInterface) {
  const auto paths = [](const NetlinkNeighbours::Changes& c) { return c.paths; };
  const auto interface = [](const NetlinkNeighbours::Changes& c) { return c.interface; };
  (void)neighbours_->Process();
  EXPECT_FALSE(neighbours_->Process().any());
  ASSERT_TRUE(Run("ip route add 10.1.0.0/16 via 192.0.2.9"));
  EXPECT_TRUE(WaitFor(paths).paths);
  ASSERT_TRUE(Run("ip -6 route add 2001:db8:1::/48 via 2001:db8::9"));
  EXPECT_TRUE(WaitFor(paths).paths);
  ASSERT_TRUE(Run("ip addr add 192.0.2.2/24 dev vireo-a"));
  EXPECT_TRUE(WaitFor(paths).paths);
  ASSERT_TRUE(Run("ip link set vireo-a mtu 1500"));
  EXPECT_TRUE(WaitFor(interface).interface);
  EXPECT_EQ(neighbours_->interface().mtu, 1500u);
  ASSERT_TRUE(Run("ip link set vireo-a address 02:00:00:00:00:0c"));
  EXPECT_TRUE(WaitFor(interface).interface);
  EXPECT_EQ(neighbours_->interface().mac, net::MacAddress::Parse("02:00:00:00:00:0c"));
  ASSERT_TRUE(RunAtPeer("ip link set vireo-b down"));
  (void)WaitFor([&](const auto&) { return !neighbours_->interface().up; });
  EXPECT_FALSE(neighbours_->interface().up);
}

TEST_F(NetlinkNeighboursTest, SurvivesARenameAndTheEndOfTheInterface) {
  ASSERT_TRUE(Run("ip link set vireo-a name vireo-x"));
  (void)WaitFor([&](const auto&) { return neighbours_->interface().name == "vireo-x"; });
  EXPECT_EQ(neighbours_->interface().name, "vireo-x");
  EXPECT_TRUE(neighbours_->interface().up);
  ASSERT_TRUE(Run("ip link del vireo-x"));
  (void)WaitFor([&](const auto&) { return !neighbours_->interface().up; });
  EXPECT_FALSE(neighbours_->interface().up);
  EXPECT_EQ(FindError("192.0.2.9"), "not-found: no route to 192.0.2.9");
}

TEST_F(NetlinkNeighboursTest, IgnoresNeighboursOfOtherInterfaces) {
  ASSERT_TRUE(Run("ip link add vireo-c type veth peer name vireo-d"));
  ASSERT_TRUE(Run("ip link set vireo-c addrgenmode none up"));
  (void)neighbours_->Process();
  ASSERT_TRUE(Run("ip neigh add 192.0.2.60 lladdr 02:00:00:00:00:0a dev vireo-c"));
  ASSERT_TRUE(Run("ip neigh add 192.0.2.61 lladdr 02:00:00:00:00:0a dev vireo-a"));
  const auto changes = WaitForNeighbour(Ip("192.0.2.61"), true);
  EXPECT_THAT(changes.neighbours, testing::Not(Contains(Ip("192.0.2.60"))));
}

TEST_F(NetlinkNeighboursTest, LostNotificationsMakeEverythingChanged) {
  (void)neighbours_->Process();
  const std::string batch = testing::TempDir() + "vireo-netlink-batch-" + std::to_string(getpid());
  {
    std::ofstream file(batch);
    for (int i = 0; i < 20000; ++i) {  // of neighbours, which alone never set `paths`
      file << "neigh replace 192.0.2." << 50 + i % 50 << " lladdr 02:00:00:00:" << i % 90 + 10
           << ":01 dev vireo-a\n";
    }
  }
  const bool done = Run("ip -batch " + batch);
  std::remove(batch.c_str());
  ASSERT_TRUE(done);
  const auto changes = neighbours_->Process();
  EXPECT_TRUE(changes.paths);
  EXPECT_TRUE(changes.interface);
  EXPECT_FALSE(neighbours_->Process().any());
}

}  // namespace
}  // namespace vireo
