// Batches of the control socket: whole or nothing, once, and read back as they were given.

#include "dataplane/slow/tenant_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/sim/router/sim_network.h"

namespace vireo::sim {
namespace {

using testing::HasSubstr;

constexpr unsigned kPorts = 4;

std::string KeyBytes(unsigned number) { return BytesOf(wg::PublicKeyOf(Node::KeyOf(number))); }
std::string MacBytes(unsigned number) { return {2, 0, 0, 0, 0, static_cast<char>(number)}; }
std::string V4Bytes(unsigned last) { return {10, 1, 0, static_cast<char>(last)}; }
std::string PortName(unsigned number) { return "vm" + std::to_string(number); }

// A router with bridged ports and its service.
struct Site {
  Site() : router(clock, random, {}) {
    router.engine().SetPrivateKey(Node::KeyOf(100));
    for (unsigned i = 0; i < kPorts; ++i) {
      AddPort(PortName(i), {.role = PortRole::kAccess, .bridged = true});
    }
    AddPort("lan", {.role = PortRole::kAccess});
  }
  void AddPort(const std::string& name, const PortOptions& options) {
    auto port = std::make_unique<MemoryPort>(
        MemoryPort::Options{.name = name, .link = Link::kEthernet, .pool = SimPool()});
    ASSERT_TRUE(router.AddPort(std::move(port), options).ok());
  }

  // The next generation.
  Result<v1::ApplyResponse> Apply(const std::vector<v1::Change>& changes) {
    v1::ApplyRequest request;
    request.set_generation(service.generation() + 1);
    for (const v1::Change& change : changes) *request.add_changes() = change;
    auto applied = service.Apply(request);
    router.Process();  // numbers of what went become free
    return applied;
  }
  void MustApply(const std::vector<v1::Change>& changes) {
    const auto applied = Apply(changes);
    ASSERT_TRUE(applied.ok()) << applied.error().message;
  }
  // Everything, as changes that make a router that has nothing be as this one.
  std::vector<v1::Change> ReadBack(std::uint32_t page = 0);

  FakeClock clock;
  SeededRandom random{1};
  Router router;
  TenantService service{router};
};

template <typename Request>
auto Page(const TenantService& service, const Request& request) {
  if constexpr (requires { service.List(request).value(); }) {
    return service.List(request).value();
  } else {
    return service.List(request);
  }
}

// All pages of a list.
template <typename Request, typename Visit>
void ForEachPage(const TenantService& service, std::uint32_t limit, Visit visit) {
  Request request;
  request.set_limit(limit);
  do {
    const auto list = Page(service, request);
    visit(list);
    request.set_after(list.next());
  } while (request.after() != 0);
}

std::vector<v1::Change> Site::ReadBack(std::uint32_t page) {
  std::vector<v1::Change> all;
  all.emplace_back();
  ForEachPage<v1::ListRoutersRequest>(service, page, [&](const auto& list) {
    *all.front().mutable_put_own_router() = list.own();
    for (const auto& router_of_list : list.routers()) {
      *all.emplace_back().mutable_put_router() = router_of_list;
    }
  });
  // Slots are not part of what was given.
  std::sort(all.begin() + 1, all.end(), [](const v1::Change& a, const v1::Change& b) {
    return a.put_router().public_key() < b.put_router().public_key();
  });
  ForEachPage<v1::ListNetworksRequest>(service, page, [&](const auto& list) {
    for (const auto& network : list.networks()) {
      const std::uint32_t vni = network.network().vni();
      *all.emplace_back().mutable_put_network() = network.network();
      for (const std::string& port : network.ports()) {
        v1::Attachment& attach = *all.emplace_back().mutable_attach_port();
        attach.set_vni(vni);
        attach.set_port(port);
      }
      std::vector<std::string> keys(network.routers().begin(), network.routers().end());
      std::ranges::sort(keys);
      for (const std::string& key : keys) {
        v1::Member& member = *all.emplace_back().mutable_put_member();
        member.set_vni(vni);
        member.set_router(key);
      }
    }
  });
  std::map<std::pair<std::uint32_t, std::string>, v1::Endpoint> endpoints;
  ForEachPage<v1::ListEndpointsRequest>(service, page, [&](const auto& list) {
    for (const auto& endpoint : list.endpoints()) {
      EXPECT_TRUE(endpoints.try_emplace({endpoint.vni(), endpoint.mac()}, endpoint).second);
    }
  });
  for (const auto& [name, endpoint] : endpoints)
    *all.emplace_back().mutable_put_endpoint() = endpoint;
  return all;
}

std::string Text(const std::vector<v1::Change>& changes) {
  std::string text;
  for (const v1::Change& change : changes) text += change.ShortDebugString() + "\n";
  return text;
}

v1::Change PutNetwork(std::uint32_t vni) {
  v1::Change change;
  change.mutable_put_network()->set_vni(vni);
  return change;
}
v1::Change PutRouter(unsigned number, bool with_peer = true) {
  v1::Change change;
  v1::Router& router = *change.mutable_put_router();
  router.set_public_key(KeyBytes(number));
  router.set_vtep(V4Bytes(number));
  if (with_peer) router.mutable_peer();
  return change;
}
v1::Change PutMember(std::uint32_t vni, unsigned router) {
  v1::Change change;
  change.mutable_put_member()->set_vni(vni);
  change.mutable_put_member()->set_router(KeyBytes(router));
  return change;
}
v1::Change PutEndpoint(std::uint32_t vni, unsigned mac, unsigned router, std::uint64_t epoch = 0) {
  v1::Change change;
  v1::Endpoint& endpoint = *change.mutable_put_endpoint();
  endpoint.set_vni(vni);
  endpoint.set_mac(MacBytes(mac));
  endpoint.set_router(KeyBytes(router));
  endpoint.set_epoch(epoch);
  return change;
}
v1::Change RemoveEndpoint(std::uint32_t vni, unsigned mac) {
  v1::Change change;
  change.mutable_remove_endpoint()->set_vni(vni);
  change.mutable_remove_endpoint()->set_mac(MacBytes(mac));
  return change;
}

// Changes out of few names, so that they meet; some are refused.
class RandomChanges {
 public:
  explicit RandomChanges(std::uint64_t seed) : engine_(seed) {}

  unsigned Below(unsigned bound) { return static_cast<unsigned>(engine_() % bound); }

  v1::Change Next() {
    v1::Change change;
    switch (Below(16)) {
      case 0:
        return Router();
      case 1:
        change.mutable_remove_router()->set_public_key(KeyBytes(1 + Below(4)));
        change.mutable_remove_router()->set_peer_too(Below(2) == 0);
        return change;
      case 2:
        return Own();
      case 3:
      case 4:
        return Network();
      case 5:
        if (Below(2) == 0) return Network();
        change.mutable_remove_network()->set_vni(Vni());
        return change;
      case 6:
      case 7:
        change.mutable_attach_port()->set_vni(Vni());
        change.mutable_attach_port()->set_port(Port());
        return change;
      case 8:
        change.mutable_detach_port()->set_port(Port());
        return change;
      case 9:
      case 10:
        return PutMember(Vni(), 1 + Below(4));
      case 11:
        change.mutable_remove_member()->set_vni(Vni());
        change.mutable_remove_member()->set_router(KeyBytes(1 + Below(4)));
        return change;
      case 12:
        return RemoveEndpoint(Vni(), Below(6));
      default:
        return Endpoint();
    }
  }

 private:
  std::uint32_t Vni() { return 1 + Below(3); }
  std::string Port() { return Below(20) == 0 ? "lan" : PortName(Below(kPorts)); }
  const char* Country() { return Below(2) == 0 ? "ES" : Below(8) == 0 ? "Spain" : "HR"; }

  v1::Change Router() {
    v1::Change change = PutRouter(1 + Below(4), Below(4) != 0);
    v1::Router& router = *change.mutable_put_router();
    router.set_name("r" + std::to_string(Below(9)));
    router.set_provider(Below(2) == 0 ? "one" : "two");
    router.set_country(Country());
    if (Below(3) == 0) router.set_vtep(std::string(16, static_cast<char>(Below(9))));
    if (!router.has_peer()) return change;
    v1::PeerSettings& peer = *router.mutable_peer();
    if (Below(2) == 0) peer.set_endpoint("192.0.2." + std::to_string(Below(9)) + ":51820");
    for (unsigned i = Below(3); i > 0; --i) {
      peer.add_allowed_ips("10." + std::to_string(Below(9)) + ".0.0/16");
    }
    peer.set_suite(Below(2) == 0 ? "aes256gcm" : "");
    if (Below(3) == 0) peer.set_preshared_key(std::string(32, 'k'));
    peer.set_persistent_keepalive_s(Below(2) * 25);
    return change;
  }
  v1::Change Own() {
    v1::Change change;
    change.mutable_put_own_router()->set_country(Country());
    change.mutable_put_own_router()->set_provider("one");
    if (Below(2) == 0) change.mutable_put_own_router()->add_vteps(V4Bytes(200));
    if (Below(2) == 0) change.mutable_put_own_router()->add_vteps(std::string(16, 'v'));
    return change;
  }
  v1::Change Network() {
    v1::Change change = PutNetwork(Vni());
    v1::Network& network = *change.mutable_put_network();
    network.set_name("n" + std::to_string(Below(9)));
    network.set_tenant("t" + std::to_string(Below(2)));
    if (Below(12) == 0) network.set_kind("routed");
    network.set_flood(Below(2) == 0);
    if (Below(2) == 0) {
      v1::Subnet& subnet = *network.add_subnets();
      subnet.set_address(V4Bytes(0));
      subnet.set_length(24);
      if (Below(2) == 0) subnet.set_gateway(V4Bytes(Below(8) == 0 ? 3 : 254));
    }
    if (Below(2) == 0) network.set_mtu(Below(20) == 0 ? 100 : 1400);
    if (Below(2) == 0) network.add_dns(V4Bytes(53));
    if (Below(2) == 0) network.mutable_policy()->add_countries(Country());
    if (Below(2) == 0) network.mutable_policy()->set_suite("aes256gcm");
    if (Below(2) == 0) network.mutable_rate()->set_peak_rate(Below(1000));
    network.set_broadcast_rate(Below(100));
    if (Below(2) == 0) network.set_dscp(Below(64));
    return change;
  }
  v1::Change Endpoint() {
    v1::Change change = PutEndpoint(Vni(), Below(6), 1 + Below(4), Below(3));
    v1::Endpoint& endpoint = *change.mutable_put_endpoint();
    if (Below(2) == 0) endpoint.set_port(Port());
    for (unsigned i = Below(3); i > 0; --i) endpoint.add_addresses(V4Bytes(Below(7)));
    if (Below(3) == 0) endpoint.add_addresses(std::string(15, 'x') + static_cast<char>(Below(4)));
    return change;
  }

  std::mt19937_64 engine_;
};

// Lists have routers only, and a peer may stay when its router goes.
void CopyPeers(const Router& from, Router& to) {
  for (const auto& record : from.peers()) {
    if (record == nullptr) continue;
    PeerRecord& copy = *to.AddPeer(record->peer->public_key()).value();
    if (record->peer->endpoint()) to.engine().SetEndpoint(*copy.peer, *record->peer->endpoint());
    to.engine().SetSuite(*copy.peer, record->peer->suite());
    to.engine().SetPersistentKeepalive(*copy.peer, record->peer->persistent_keepalive());
    for (const net::Prefix& prefix : record->allowed_ips) to.AddAllowedIp(copy, prefix);
  }
}

// For each batch a second router is made from what the first gives back, and gets the same changes
// one at a time: it must be the same, refuse the same change for the same reason, and end the same.
TEST(TenantService, BatchesAreWholeOrNothingAndReadBackAsGiven) {
  RandomChanges random(7);
  unsigned applied = 0, refused = 0;
  Site site;
  for (int round = 0; round < 400; ++round) {
    const std::vector<v1::Change> before = site.ReadBack(1 + random.Below(5));
    Site twin;
    CopyPeers(site.router, twin.router);
    twin.MustApply(before);
    ASSERT_EQ(Text(twin.ReadBack()), Text(before));

    std::vector<v1::Change> batch;
    std::string failure;
    for (const unsigned size = 1 + random.Below(20); batch.size() < size;) {
      v1::Change change = random.Next();
      const auto one = failure.empty() ? twin.Apply({change}) : v1::ApplyResponse();
      // Most of what would be refused is left out, so that batches get somewhere.
      if (!one.ok() && random.Below(16) != 0) continue;
      if (!one.ok()) {
        failure = "change " + std::to_string(batch.size()) + one.error().message.substr(8);
      }
      batch.push_back(std::move(change));
    }
    const auto outcome = site.Apply(batch);
    ASSERT_EQ(outcome.ok() ? "" : outcome.error().message, failure) << Text(before) << Text(batch);
    ASSERT_EQ(Text(site.ReadBack()), Text(failure.empty() ? twin.ReadBack() : before))
        << Text(batch);
    ++(failure.empty() ? applied : refused);
  }
  EXPECT_GT(applied, 50u);
  EXPECT_GT(refused, 50u);
}

TEST(TenantService, AGenerationIsAppliedOnce) {
  Site site;
  v1::ApplyRequest request;
  EXPECT_THAT(site.service.Apply(request).error().message, HasSubstr("has no generation"));
  request.set_generation(5);
  *request.add_changes() = PutNetwork(7);
  EXPECT_FALSE(site.service.Apply(request).value().already_applied());
  const auto once = Text(site.ReadBack());
  *request.add_changes() = PutNetwork(1 << 24);  // not even looked at
  EXPECT_TRUE(site.service.Apply(request).value().already_applied());
  request.set_generation(4);
  const auto older = site.service.Apply(request);
  EXPECT_EQ(older.error().code, ErrorCode::kConflict);
  EXPECT_THAT(older.error().message,
              HasSubstr("generation 4 is older than the one applied last, 5"));
  request.set_generation(6);
  EXPECT_FALSE(site.service.Apply(request).ok());
  EXPECT_EQ(site.service.generation(), 5u) << "a refused batch may come again, corrected";
  EXPECT_EQ(Text(site.ReadBack()), once);
}

TEST(TenantService, ErrorsNameTheChangeAndWhatIsWrong) {
  struct Case {
    std::vector<v1::Change> changes;
    const char* message;
  };
  v1::Change attach;
  attach.mutable_attach_port()->set_vni(7);
  attach.mutable_attach_port()->set_port("lan");
  v1::Change unplaced = PutEndpoint(7, 1, 1);
  unplaced.mutable_put_endpoint()->clear_place();
  v1::Change short_mac = PutEndpoint(7, 1, 1);
  short_mac.mutable_put_endpoint()->set_mac("abc");
  const Case cases[] = {
      {{PutNetwork(7), PutNetwork(0)}, "change 1 (put_network): network 0: the VNI must be from 1"},
      {{PutRouter(1, false)}, "is no peer yet; give its peer settings too"},
      {{PutRouter(100)}, "is this router itself; use put_own_router"},
      {{PutNetwork(7), PutMember(7, 1)}, "change 1 (put_member): router "},
      {{PutNetwork(7), PutRouter(1), PutEndpoint(7, 1, 1)},
       "change 2 (put_endpoint): endpoint 02:00:00:00:00:01: network 7 is not at that port or"},
      {{PutNetwork(7), attach}, "change 1 (attach_port): port \"lan\" carries no frames"},
      {{unplaced}, "has no place: give a port or a router"},
      {{short_mac}, "MAC has 3 bytes instead of 6"},
      {{RemoveEndpoint(7, 1)}, "change 0 (remove_endpoint): network 7 does not exist"},
      {{v1::Change()}, "change 0: this dataplane does not know the change"},
  };
  Site site;
  const std::string empty = Text(site.ReadBack());
  for (const Case& c : cases) {
    const auto outcome = site.Apply(c.changes);
    ASSERT_FALSE(outcome.ok()) << c.message;
    EXPECT_THAT(outcome.error().message, HasSubstr(c.message));
    EXPECT_EQ(Text(site.ReadBack()), empty) << c.message;
  }
}

TEST(TenantService, PagesListOnceWhatIsThereAllTheTime) {
  for (const bool one_network : {true, false}) {
    Site site;
    site.MustApply({PutRouter(1), PutNetwork(7), PutNetwork(8), PutMember(7, 1), PutMember(8, 1)});
    for (unsigned i = 0; i < 100; ++i) {
      // With many in the other network the list is gone through, else all records are.
      for (unsigned j = 0; j < (one_network ? 1u : 2u); ++j)
        site.MustApply({PutEndpoint(8, i + j, 1)});
      site.MustApply({PutEndpoint(7, i, 1)});
    }
    std::map<std::string, int> seen;
    v1::ListEndpointsRequest request;
    request.set_vni(7);
    request.set_limit(7);
    unsigned next = 100;
    do {
      const auto page = site.service.List(request).value();
      ASSERT_LE(page.endpoints_size(), 7);
      for (const auto& endpoint : page.endpoints()) {
        EXPECT_EQ(endpoint.vni(), 7u);
        ++seen[endpoint.mac()];
      }
      request.set_after(page.next());
      if (next < 120) {  // odd ones go, others come
        site.MustApply({RemoveEndpoint(7, 2 * (next - 100) + 1)});
        site.MustApply({PutEndpoint(7, next++, 1)});
      }
    } while (request.after() != 0);
    for (unsigned i = 0; i < 100; i += 2) EXPECT_EQ(seen[MacBytes(i)], 1) << i;
    for (const auto& [mac, times] : seen) EXPECT_LE(times, 1);
  }
  Site site;
  v1::ListEndpointsRequest request;
  request.set_vni(9);
  EXPECT_THAT(site.service.List(request).error().message, HasSubstr("network 9 does not exist"));
}

TEST(TenantService, WorkersHaveABatchWhenItIsAnswered) {
  Site site;
  site.MustApply({PutRouter(1), PutNetwork(7), PutMember(7, 1), PutEndpoint(7, 5, 1)});
  const Snapshot& snapshot =
      *site.router.workers()[0]->published_snapshot.load(std::memory_order_acquire);
  const NetworkId network = snapshot.vnis.Find(7);
  ASSERT_NE(network, 0);
  const Place place = snapshot.endpoints->Find(network, {{2, 0, 0, 0, 0, 5}});
  ASSERT_EQ(place.kind, Place::Kind::kRouter);
  EXPECT_EQ(snapshot.networks.at(network).routers, std::vector{place.index});
}

}  // namespace
}  // namespace vireo::sim
