// Ports that batches of the control socket put and remove.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/slow/tenant_service.h"
#include "tests/sim/router/idle_port.h"
#include "tests/sim/router/sim_network.h"

namespace vireo::sim {
namespace {

using testing::HasSubstr;

std::string MacBytes(unsigned number) { return {2, 0, 0, 0, 0, static_cast<char>(number)}; }

v1::Change PutNetwork(std::uint32_t vni) {
  v1::Change change;
  change.mutable_put_network()->set_vni(vni);
  return change;
}
v1::Change RemoveEndpoint(std::uint32_t vni, unsigned mac) {
  v1::Change change;
  change.mutable_remove_endpoint()->set_vni(vni);
  change.mutable_remove_endpoint()->set_mac(MacBytes(mac));
  return change;
}
v1::Change PutPort(const std::string& name, const char* role = "bridged") {
  v1::Change change;
  v1::PortSpec& spec = *change.mutable_put_port();
  spec.set_name(name);
  spec.set_kind("tap");
  spec.set_role(role);
  spec.set_interface("if-" + name);
  return change;
}
v1::Change RemovePort(const std::string& name) {
  v1::Change change;
  change.mutable_remove_port()->set_port(name);
  return change;
}
v1::Change AttachPort(std::uint32_t vni, const std::string& name) {
  v1::Change change;
  change.mutable_attach_port()->set_vni(vni);
  change.mutable_attach_port()->set_port(name);
  return change;
}
v1::Change PutEndpointAt(std::uint32_t vni, unsigned mac, const std::string& port) {
  v1::Change change;
  change.mutable_put_endpoint()->set_vni(vni);
  change.mutable_put_endpoint()->set_mac(MacBytes(mac));
  change.mutable_put_endpoint()->set_port(port);
  return change;
}

// A router with one bridged port, as of a configuration file, and a service that opens every port
// but "broken".
class PortBatches : public ::testing::Test {
 protected:
  PortBatches() : router(clock, random, {}) {
    router.engine().SetPrivateKey(Node::KeyOf(100));
    auto port = std::make_unique<MemoryPort>(
        MemoryPort::Options{.name = "vm0", .link = Link::kEthernet, .pool = SimPool()});
    EXPECT_TRUE(router.AddPort(std::move(port), {.role = PortRole::kAccess, .bridged = true}).ok());
  }

  Result<v1::ApplyResponse> Apply(const std::vector<v1::Change>& changes) {
    v1::ApplyRequest request;
    request.set_generation(service.generation() + 1);
    for (const v1::Change& change : changes) *request.add_changes() = change;
    return service.Apply(request);
  }
  std::string Refusal(const std::vector<v1::Change>& changes) {
    const auto applied = Apply(changes);
    EXPECT_FALSE(applied.ok());
    return applied.ok() ? "" : applied.error().message;
  }

  int open = 0, opened = 0;
  FakeClock clock;
  SeededRandom random{1};
  Router router;
  TenantService service{router,
                        [this](const api::PortConfig& port) -> Result<std::unique_ptr<Port>> {
                          ++opened;
                          if (port.name == "broken") {
                            return Error{ErrorCode::kNotFound, "port \"broken\": no such device"};
                          }
                          ++open;
                          return std::unique_ptr<Port>(new IdlePort(port.name, [this] { --open; }));
                        }};
};

TEST_F(PortBatches, APortAndWhatNeedsItComeInOneBatch) {
  ASSERT_TRUE(
      Apply({PutNetwork(7), PutPort("new"), AttachPort(7, "new"), PutEndpointAt(7, 5, "new")})
          .ok());
  EXPECT_EQ(open, 1);
  const auto port = router.FindPort("new");
  ASSERT_TRUE(port);
  EXPECT_EQ(router.networks().VniOfPort(*port), 7u);
  EXPECT_TRUE(router.networks().FindEndpoint(7, {{2, 0, 0, 0, 0, 5}}));
  ASSERT_NE(service.SpecOf("new"), nullptr);
  EXPECT_EQ(service.SpecOf("new")->ShortDebugString(),
            PutPort("new").put_port().ShortDebugString());
  EXPECT_EQ(service.SpecOf("vm0"), nullptr) << "not put";
  const Snapshot& snapshot =
      *router.workers()[0]->published_snapshot.load(std::memory_order_acquire);
  EXPECT_NE(snapshot.ports.at(*port).port, nullptr);
}

TEST_F(PortBatches, NothingIsLeftOfABatchWhosePortsDoNotOpen) {
  EXPECT_THAT(Refusal({PutNetwork(7), PutPort("first"), AttachPort(7, "first"), PutPort("broken"),
                       PutPort("third")}),
              HasSubstr("change 3 (put_port): port \"broken\": no such device"));
  EXPECT_EQ(opened, 2);
  EXPECT_EQ(open, 0);
  EXPECT_FALSE(router.FindPort("first"));
  EXPECT_EQ(router.networks().Find(7), nullptr);
  EXPECT_EQ(service.generation(), 0u);
}

TEST_F(PortBatches, NothingIsOpenedForABatchThatIsWrong) {
  EXPECT_THAT(Refusal({PutPort("first"), AttachPort(7, "first")}), HasSubstr("network 7 does not"));
  EXPECT_THAT(Refusal({PutNetwork(7), PutPort("lan2", "access")}), HasSubstr("has no addresses"));
  v1::Change access = PutPort("lan2", "access");
  access.mutable_put_port()->add_addresses("10.1.0.1/24");
  EXPECT_THAT(Refusal({PutNetwork(7), access, AttachPort(7, "lan2")}),
              HasSubstr("change 2 (attach_port): port \"lan2\" carries no frames"));
  v1::Change twin = access;
  twin.mutable_put_port()->set_name("lan3");
  EXPECT_THAT(Refusal({access, twin}), HasSubstr("address 10.1.0.1 is used by port \"lan2\" too"));
  EXPECT_EQ(opened, 0);
}

TEST_F(PortBatches, PuttingAPortAgainChangesNothingOrIsRefused) {
  ASSERT_TRUE(Apply({PutPort("new"), PutPort("new")}).ok());
  ASSERT_TRUE(Apply({PutPort("new")}).ok());
  EXPECT_EQ(opened, 1);
  v1::Change other = PutPort("new");
  other.mutable_put_port()->set_mtu(1400);
  EXPECT_THAT(Refusal({other}), HasSubstr("port \"new\" is there and differs; remove it in a"));
  EXPECT_THAT(Refusal({PutPort("vm0")}), HasSubstr("is in the configuration file; choose another"));
  EXPECT_THAT(Refusal({RemovePort("new"), PutPort("new")}),
              HasSubstr("is removed by this batch; put it in the next one"));
}

TEST_F(PortBatches, ARemovedPortTakesItsEndpointsAlongAndIsClosed) {
  ASSERT_TRUE(Apply({PutNetwork(7), PutPort("new"), AttachPort(7, "new"),
                     PutEndpointAt(7, 5, "new"), PutPort("stays")})
                  .ok());
  EXPECT_THAT(Refusal({RemovePort("new"), AttachPort(7, "new")}), HasSubstr("no port \"new\""));
  EXPECT_THAT(Refusal({RemovePort("new"), RemoveEndpoint(7, 5)}), HasSubstr("is not in network 7"));
  EXPECT_THAT(Refusal({RemovePort("vm0")}), HasSubstr("is in the configuration file; take it out"));
  EXPECT_THAT(Refusal({RemovePort("none")}), HasSubstr("there is no port \"none\""));
  EXPECT_EQ(open, 2) << "what is refused changes nothing";
  ASSERT_TRUE(Apply({RemovePort("new")}).ok());
  EXPECT_FALSE(router.FindPort("new"));
  EXPECT_FALSE(router.networks().FindEndpoint(7, {{2, 0, 0, 0, 0, 5}}));
  EXPECT_EQ(open, 1) << "closed when the batch is answered";
  EXPECT_EQ(service.SpecOf("new"), nullptr);
  ASSERT_TRUE(Apply({PutPort("new")}).ok());
}

TEST_F(PortBatches, WithoutAnOpenerNoPortsCanBePut) {
  TenantService without(router);
  v1::ApplyRequest request;
  request.set_generation(1);
  *request.add_changes() = PutPort("new");
  EXPECT_THAT(without.Apply(request).error().message, HasSubstr("takes no ports at run time"));
}

}  // namespace
}  // namespace vireo::sim
