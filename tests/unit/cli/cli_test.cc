#include "ctrl/cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "dataplane/api/control_frame.h"
#include "dataplane/api/control_server.h"
#include "dataplane/base/encoding.h"
#include "tests/unit/api/server_fixture.h"

namespace vireo::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string Key(char value) { return std::string(32, value); }
std::string KeyText(char value) { return ToBase64(AsBytes(Key(value))); }

// Answers with what the test put there, and remembers what it was asked.
class FakeDataplane final : public api::ControlBackend {
 public:
  v1::Response Handle(const v1::Request& request) override {
    last = request;
    v1::Response response;
    switch (request.what_case()) {
      case v1::Request::kGetInfo:
        *response.mutable_get_info() = info;
        return response;
      case v1::Request::kListPeers:
        return Page(request.list_peers());
      case v1::Request::kSetPeerSuite:
        response.mutable_set_peer_suite();
        return response;
      case v1::Request::kListPorts:
        *response.mutable_list_ports() = ports;
        return response;
      case v1::Request::kGetStats:
        *response.mutable_get_stats() = stats;
        return response;
      case v1::Request::kListDrops:
        *response.mutable_list_drops() = drops;
        return response;
      case v1::Request::kAddTrace:
        if (request.add_trace().match().port() == "none") {
          return api::ErrorResponse({ErrorCode::kNotFound, "no port is called \"none\""});
        }
        response.mutable_add_trace()->set_id(3);
        return response;
      case v1::Request::kListTrace:
        *response.mutable_list_trace() = trace;
        return response;
      case v1::Request::kClearTrace:
        response.mutable_clear_trace();
        return response;
      case v1::Request::kApply:
        if (request.apply().generation() < info.generation()) {
          return api::ErrorResponse({ErrorCode::kConflict, "generation is older"});
        }
        response.mutable_apply()->set_generation(request.apply().generation());
        response.mutable_apply()->set_already_applied(request.apply().generation() ==
                                                      info.generation());
        return response;
      case v1::Request::kListNetworks:
        *response.mutable_list_networks()->add_networks() =
            networks.at(request.list_networks().after());
        response.mutable_list_networks()->set_next((request.list_networks().after() + 1) %
                                                   networks.size());
        return response;
      case v1::Request::kListRouters:
        *response.mutable_list_routers() = routers;
        return response;
      case v1::Request::kListEndpoints:
        *response.mutable_list_endpoints() = endpoints;
        return response;
      default:
        return api::ErrorResponse({ErrorCode::kUnsupported, "?"});
    }
  }

  v1::Request last;
  v1::GetInfoResponse info;
  std::vector<v1::Peer> peers;
  v1::ListPortsResponse ports;
  v1::GetStatsResponse stats;
  v1::ListDropsResponse drops;
  v1::ListTraceResponse trace;
  std::vector<v1::NetworkState> networks;  // a page each
  v1::ListRoutersResponse routers;
  v1::ListEndpointsResponse endpoints;

 private:
  v1::Response Page(const v1::ListPeersRequest& request) const {
    v1::Response response;
    v1::ListPeersResponse& page = *response.mutable_list_peers();
    page.set_total(static_cast<std::uint32_t>(peers.size()));
    for (std::size_t i = request.first(); i < peers.size(); ++i) {
      if (request.limit() != 0 && i >= request.first() + request.limit()) break;
      *page.add_peers() = peers[i];
    }
    return response;
  }
};

class CliTest : public api::ServerTest {
 protected:
  void SetUp() override {
    OnServer([&] { servers_.push_back(Serve("zagreb-1")); });
  }
  void TearDown() override {
    OnServer([&] { servers_.clear(); });
  }

  std::unique_ptr<api::UnixServer> Serve(const std::string& name) {
    auto server = api::ListenControl(context(), folder() + "/" + name + ".sock", fake_, {}, {});
    EXPECT_TRUE(server.ok());
    return std::move(server).value();
  }

  // Runs `vireo ARGUMENTS`, which are separated by spaces.
  ExitCode Vireo(const std::string& arguments, bool color = false) {
    std::istringstream words(arguments);
    const std::vector<std::string> list{std::istream_iterator<std::string>(words), {}};
    out_.str("");
    err_.str("");
    return cli::Run(list, {out_, err_, clock_, color, folder(), in_});
  }
  std::string Out() const { return out_.str(); }
  std::string Err() const { return err_.str(); }

  v1::Peer& AddPeer(const std::string& name, char key) {
    v1::Peer& peer = fake_.peers.emplace_back();
    peer.set_name(name);
    peer.set_public_key(Key(key));
    peer.set_suite("chacha20poly1305");
    return peer;
  }

  FakeDataplane fake_;
  std::vector<std::unique_ptr<api::UnixServer>> servers_;
  FakeClock clock_;
  std::ostringstream out_, err_;
  std::istringstream in_;
};

TEST_F(CliTest, PeersTableIsAligned) {
  v1::Peer& madrid = AddPeer("madrid", '\x01');
  madrid.set_endpoint("192.0.2.2:51820");
  for (const char* prefix : {"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"}) {
    madrid.add_allowed_ips(prefix);
  }
  madrid.set_rx_bytes(1372);
  madrid.set_tx_bytes(3ull << 30);
  const auto handshake = clock_.WallNow() - std::chrono::seconds(65);
  madrid.set_last_handshake_unix_ns(handshake.time_since_epoch().count());
  madrid.set_path_mtu(1340);
  madrid.set_path_mtu_state("configured");
  AddPeer("", '\x02').set_suite("aes256gcm");
  ASSERT_EQ(Vireo("peers"), kOk) << Err();
  EXPECT_EQ(
      Out(),
      "PEER    KEY           ENDPOINT         SUITE             HANDSHAKE  RECEIVED      SENT  "
      "       PATH MTU  ALLOWED IPS\n"
      "madrid  AQEBAQEBAQEB  192.0.2.2:51820  chacha20poly1305  1m 5s ago  1.34 KiB  3.00 GiB  "
      "1340 configured  10.1.0.0/16 10.2.0.0/16 10.3.0.0/16 +1\n"
      "-       AgICAgICAgIC  (none)           aes256gcm             never       0 B       0 B  "
      "              -  (none)\n");
  EXPECT_EQ(Err(), "");
}

TEST_F(CliTest, PeersJsonIsExactAndComplete) {
  v1::Peer& madrid = AddPeer("ma\"drid", '\x01');
  madrid.add_allowed_ips("10.1.0.0/16");
  madrid.set_rx_bytes(UINT64_MAX);
  ASSERT_EQ(Vireo("--json peers"), kOk) << Err();
  EXPECT_EQ(Out(), R"({
  "peers": [
    {
      "name": "ma\"drid",
      "public_key": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
      "endpoint": "",
      "allowed_ips": [
        "10.1.0.0/16"
      ],
      "suite": "chacha20poly1305",
      "persistent_keepalive_s": 0,
      "last_handshake_unix_ns": 0,
      "rx_bytes": 18446744073709551615,
      "tx_bytes": 0,
      "rx_packets": 0,
      "tx_packets": 0,
      "has_preshared_key": false,
      "session": null,
      "path_mtu": 0,
      "path_mtu_state": ""
    }
  ],
  "total": 1
}
)");
  const std::string first = Out();
  ASSERT_EQ(Vireo("peers --json"), kOk) << "the option may stand behind the command";
  EXPECT_EQ(Out(), first);
}

TEST_F(CliTest, PeersComeInPages) {
  for (int i = 0; i < 10000; ++i) AddPeer("p" + std::to_string(i), '\x01');
  ASSERT_EQ(Vireo("peers"), kOk) << Err();
  const std::string out = Out();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 10001);
  EXPECT_THAT(out, HasSubstr("\np9999 "));
}

TEST_F(CliTest, SetSuiteFindsPeerByNameKeyAndBeginningOfKey) {
  AddPeer("madrid", '\x01');
  AddPeer("paris", '\x02');
  for (const std::string& called : {std::string("paris"), KeyText('\x02'), std::string("AgIC")}) {
    ASSERT_EQ(Vireo("peers set-suite " + called + " aes256gcm"), kOk) << called << Err();
    EXPECT_EQ(fake_.last.set_peer_suite().public_key(), Key('\x02')) << called;
    EXPECT_EQ(fake_.last.set_peer_suite().suite(), "aes256gcm");
    EXPECT_EQ(Out(), "");
  }
}

TEST_F(CliTest, SetSuiteRefusesWhatItDoesNotKnow) {
  AddPeer("madrid", '\x01');
  AddPeer("paris", '\x02');
  EXPECT_EQ(Vireo("peers set-suite rome aes256gcm"), kRefused);
  EXPECT_EQ(Err(), "vireo: no peer is called \"rome\"; vireo peers lists them\n");
  EXPECT_EQ(Vireo("peers set-suite A aes256gcm"), kRefused);
  EXPECT_EQ(Err(), "vireo: 2 peers' keys begin with \"A\"; give more of it\n");
  EXPECT_EQ(Vireo("peers set-suite paris aes"), kUsage);
  EXPECT_THAT(Err(), HasSubstr("use chacha20poly1305 or aes256gcm"));
  EXPECT_FALSE(fake_.last.has_set_peer_suite());
}

TEST_F(CliTest, Ports) {
  v1::Port& port = *fake_.ports.add_ports();
  port.set_name("uplink");
  port.set_role("uplink");
  port.set_kind("af_xdp");
  port.set_up(true);
  port.set_device("eth1");
  port.set_listen_port(51820);
  port.set_mtu(1500);
  port.set_queues(2);
  port.mutable_counters()->set_rx_packets(1234567);
  port.mutable_counters()->set_rx_bytes(2048);
  port.mutable_counters()->set_rx_missed(7);
  v1::Port& down = *fake_.ports.add_ports();
  down.set_name("lan");
  down.set_role("access");
  down.set_kind("tun");
  ASSERT_EQ(Vireo("ports"), kOk) << Err();
  EXPECT_EQ(Out(),
            "PORT    ROLE    KIND    STATE  DEVICE           MTU  QUEUES  RX PACKETS        RX  "
            "TX PACKETS   TX  MISSED  ERRORS\n"
            "uplink  uplink  af_xdp  up     eth1 udp 51820  1500       2     1234567  2.00 KiB  "
            "         0  0 B       7       0\n"
            "lan     access  tun     DOWN   -                  0       0           0       0 B  "
            "         0  0 B       0       0\n");
  ASSERT_EQ(Vireo("ports --json"), kOk);
  EXPECT_THAT(Out(), AllOf(HasSubstr("\"rx_packets\": 1234567"), HasSubstr("\"counters\": null")));
}

TEST_F(CliTest, StatsSumStagesOverWorkers) {
  for (unsigned id = 0; id < 2; ++id) {
    v1::Worker& worker = *fake_.stats.add_workers();
    worker.set_id(id);
    worker.set_core(id == 0 ? 3 : -1);
    worker.set_loops(100 + id);
    v1::Stage& stage = *worker.add_stages();
    stage.set_name("decrypt");
    stage.set_packets(10 + id);
  }
  fake_.stats.mutable_handshakes()->set_initiations_accepted(5);
  v1::Refusal& refusal = *fake_.stats.mutable_handshakes()->add_refused();
  refusal.set_reason("mac1_wrong");
  refusal.set_messages(4);
  fake_.stats.mutable_memory()->set_resident_bytes(64 << 20);
  ASSERT_EQ(Vireo("stats"), kOk) << Err();
  EXPECT_EQ(Out(),
            "WORKER  CORE  LOOPS  SLEEPS\n"
            "     0     3    100       0\n"
            "     1     -    101       0\n"
            "\n"
            "STAGE    PACKETS\n"
            "decrypt       21\n"
            "\n"
            "HANDSHAKE MESSAGES    COUNT\n"
            "initiations accepted      5\n"
            "responses accepted        0\n"
            "cookies accepted          0\n"
            "cookies sent              0\n"
            "refused: mac1_wrong       4\n"
            "\n"
            "MEMORY  64.00 MiB resident, 0 of 0 packet buffers of 0 B free\n");
  ASSERT_EQ(Vireo("stats --per-worker"), kOk) << Err();
  EXPECT_THAT(Out(), HasSubstr("WORKER  STAGE    PACKETS"));
  EXPECT_THAT(Out(), HasSubstr("     1  decrypt       11"));
}

TEST_F(CliTest, DropsShowOnlyWhatHappenedUnlessAsked) {
  for (const std::uint64_t packets : {0u, 12u}) {
    v1::Drop& drop = *fake_.drops.add_drops();
    drop.set_reason(packets ? "replayed" : "no_route");
    drop.set_stage(packets ? "decrypt" : "forward");
    drop.set_text("why");
    drop.set_packets(packets);
    drop.add_per_worker(packets / 3);
    drop.add_per_worker(packets - packets / 3);
  }
  ASSERT_EQ(Vireo("drops"), kOk) << Err();
  EXPECT_EQ(Out(),
            "PACKETS  REASON    STAGE    MEANING\n"
            "     12  replayed  decrypt  why\n");
  ASSERT_EQ(Vireo("drops --all --per-worker"), kOk) << Err();
  EXPECT_EQ(Out(),
            "PACKETS  WORKER 0  WORKER 1  REASON    STAGE    MEANING\n"
            "      0         0         0  no_route  forward  why\n"
            "     12         4         8  replayed  decrypt  why\n");
  ASSERT_EQ(Vireo("drops --json"), kOk) << Err();
  EXPECT_THAT(Out(), AllOf(HasSubstr("replayed"), Not(HasSubstr("no_route"))));
  fake_.drops.Clear();
  ASSERT_EQ(Vireo("drops"), kOk);
  EXPECT_EQ(Out(), "no packet was dropped\n");
}

class CliTenantsTest : public CliTest {
 protected:
  CliTenantsTest() {
    fake_.networks.resize(2);
    v1::Network& blue = *fake_.networks[0].mutable_network();
    blue.set_vni(7);
    blue.set_name("blue");
    blue.set_tenant("acme");
    blue.set_kind("bridged");
    blue.set_mtu(1500);
    v1::Subnet& subnet = *blue.add_subnets();
    subnet.set_address(std::string("\x0a\x01\x00\x00", 4));
    subnet.set_length(16);
    subnet.set_gateway(std::string("\x0a\x01\x00\x01", 4));
    fake_.networks[0].add_ports("vm1");
    fake_.networks[0].add_routers(Key('\x01'));
    fake_.networks[0].add_routers(Key('\x02'));
    fake_.networks[0].set_endpoints(2);
    fake_.networks[1].mutable_network()->set_vni(16777215);
    fake_.networks[1].mutable_network()->set_kind("routed");
    fake_.routers.mutable_own()->set_name("zagreb-1");
    fake_.routers.mutable_own()->set_country("HR");
    v1::Router& madrid = *fake_.routers.add_routers();
    madrid.set_public_key(Key('\x01'));
    madrid.set_name("madrid");
    madrid.set_vtep(std::string("\xfd") + std::string(14, '\0') + "\x02");
    madrid.mutable_peer()->set_endpoint("192.0.2.2:51820");
    for (const bool here : {true, false}) {
      v1::Endpoint& endpoint = *fake_.endpoints.add_endpoints();
      endpoint.set_vni(7);
      endpoint.set_mac(std::string("\x02\x00\x00\x00\x00\x01", 6));
      here ? endpoint.set_port("vm1") : endpoint.set_router(Key('\x01'));
      if (here) endpoint.add_addresses(std::string("\x0a\x01\x00\x05", 4));
      endpoint.set_epoch(here ? 3 : 0);
    }
  }
};

TEST_F(CliTenantsTest, NetworksOfAllPages) {
  ASSERT_EQ(Vireo("networks"), kOk) << Err();
  EXPECT_EQ(Out(),
            " NETWORK  NAME  TENANT  KIND      MTU  SUBNETS      PORTS  ROUTERS  ENDPOINTS\n"
            "       7  blue  acme    bridged  1500  10.1.0.0/16      1        2          2\n"
            "16777215  -     -       routed      0  -                0        0          0\n");
  ASSERT_EQ(Vireo("networks --json"), kOk);
  EXPECT_THAT(Out(), AllOf(HasSubstr("\"vni\": 7,"), HasSubstr("\"vni\": 16777215,")));
}

TEST_F(CliTenantsTest, EndpointsWithTheirPlaces) {
  ASSERT_EQ(Vireo("endpoints --network 7"), kOk) << Err();
  EXPECT_EQ(Out(),
            "NETWORK  MAC                PLACE          EPOCH  ADDRESSES\n"
            "      7  02:00:00:00:00:01  port vm1           3  10.1.0.5\n"
            "      7  02:00:00:00:00:01  router madrid      0  -\n");
  ASSERT_EQ(Vireo("endpoints --json --network 7"), kOk);
  EXPECT_EQ(fake_.last.list_endpoints().vni(), 7u);
  EXPECT_THAT(Out(), HasSubstr("\"mac\": \"AgAAAAAB\""));
  EXPECT_EQ(Vireo("endpoints --network 16777216"), kUsage);
}

TEST_F(CliTenantsTest, RoutesSayWhereEachNetworkIs) {
  ASSERT_EQ(Vireo("routes"), kOk) << Err();
  EXPECT_EQ(Out(),
            "ROUTER    KEY            VTEP     PROVIDER  COUNTRY  ENDPOINT\n"
            "zagreb-1  (this router)  -        -         HR       -\n"
            "madrid    AQEBAQEBAQEB   fd00::2  -         -        192.0.2.2:51820\n"
            "\n"
            " NETWORK  SUBNET       GATEWAY   WHERE\n"
            "       7  10.1.0.0/16  10.1.0.1  ports vm1, routers madrid AgICAgICAgIC\n"
            "16777215  -            -         -\n");
  ASSERT_EQ(Vireo("routes --json"), kOk);
  EXPECT_THAT(Out(), AllOf(HasSubstr("\"routers\": {"), HasSubstr("\"networks\": {")));
}

TEST_F(CliTenantsTest, ApplySendsTheBatch) {
  fake_.info.set_generation(4);
  in_.str(
      R"({"changes": [{"put_network": {"vni": 7}}, {"putMember": {"vni": 7, "router": "AQ=="}}]})");
  ASSERT_EQ(Vireo("apply -"), kOk) << Err();
  EXPECT_EQ(Out(), "generation 5 applied, 2 changes\n");
  EXPECT_EQ(fake_.last.apply().changes(1).put_member().router(), "\x01");
  const std::string file = folder() + "/batch.json";
  std::ofstream(file) << R"({"generation": 4})";
  ASSERT_EQ(Vireo("apply " + file), kOk) << Err();
  EXPECT_EQ(Out(), "generation 4 was applied before\n");
}

TEST_F(CliTenantsTest, PortsComeAndGoByABatchOfTheirOwn) {
  fake_.info.set_generation(4);
  ASSERT_EQ(Vireo("ports add vm1 --kind tap --interface tap1 --network 7 --mtu 1400"), kOk)
      << Err();
  EXPECT_EQ(Out(), "port vm1 is there\n");
  EXPECT_EQ(fake_.last.apply().generation(), 5u);
  ASSERT_EQ(fake_.last.apply().changes_size(), 2);
  const v1::PortSpec& spec = fake_.last.apply().changes(0).put_port();
  EXPECT_EQ(spec.name(), "vm1");
  EXPECT_EQ(spec.kind(), "tap");
  EXPECT_EQ(spec.role(), "bridged");
  EXPECT_EQ(spec.interface(), "tap1");
  EXPECT_EQ(spec.mtu(), 1400u);
  EXPECT_EQ(fake_.last.apply().changes(1).attach_port().port(), "vm1");
  EXPECT_EQ(fake_.last.apply().changes(1).attach_port().vni(), 7u);

  ASSERT_EQ(Vireo("ports add lan --kind af_xdp --role access --interface e0 --address 10.1.0.1/24 "
                  "--address fd01::1/64"),
            kOk)
      << Err();
  ASSERT_EQ(fake_.last.apply().changes_size(), 1);
  EXPECT_EQ(fake_.last.apply().changes(0).put_port().addresses(1), "fd01::1/64");

  ASSERT_EQ(Vireo("ports remove vm1"), kOk) << Err();
  EXPECT_EQ(Out(), "port vm1 is gone\n");
  EXPECT_EQ(fake_.last.apply().changes(0).remove_port().port(), "vm1");
  EXPECT_EQ(Vireo("ports add vm1"), kUsage) << "no kind";
}

TEST_F(CliTenantsTest, ApplyRefusesWhatIsNoBatch) {
  EXPECT_EQ(Vireo("apply /nowhere/batch.json"), kUsage);
  EXPECT_THAT(Err(), HasSubstr("cannot read /nowhere/batch.json"));
  for (const char* text :
       {"{", R"({"change": []})", R"({"changes": [{"put_network": {"vni": "x"}}]})"}) {
    in_.clear();
    in_.str(text);
    EXPECT_EQ(Vireo("apply -"), kRefused) << text;
    EXPECT_THAT(Err(), HasSubstr("a batch is an ApplyRequest of dataplane.proto as JSON")) << text;
    EXPECT_EQ(std::ranges::count(Err(), '\n'), 1) << Err();
  }
  EXPECT_FALSE(fake_.last.has_apply());
  fake_.info.set_generation(4);
  in_.clear();
  in_.str(R"({"generation": 3})");
  EXPECT_EQ(Vireo("apply -"), kRefused);
  EXPECT_EQ(Err(), "vireo: generation is older\n");
}

TEST_F(CliTest, TraceAddSendsMatch) {
  AddPeer("madrid", '\x01');
  ASSERT_EQ(Vireo("trace add --port lan --peer madrid --source 10.1.2.3/16 --destination "
                  "fd00::1 --protocol udp --count 7"),
            kOk)
      << Err();
  const v1::TraceMatch& match = fake_.last.add_trace().match();
  EXPECT_EQ(match.port(), "lan");
  EXPECT_EQ(match.peer(), Key('\x01'));
  EXPECT_EQ(match.source(), "10.1.0.0/16");
  EXPECT_EQ(match.destination(), "fd00::1/128");
  EXPECT_EQ(match.protocol(), 17u);
  EXPECT_EQ(match.count(), 7u);
  EXPECT_EQ(Out(), "match 3 traces the next 7 packets; vireo trace show prints them\n");
  ASSERT_EQ(Vireo("trace add --protocol 89"), kOk);
  EXPECT_EQ(fake_.last.add_trace().match().protocol(), 89u);
  EXPECT_EQ(fake_.last.add_trace().match().count(), 10u);
}

TEST_F(CliTest, TraceAddRefusesBadMatch) {
  EXPECT_EQ(Vireo("trace add --source 10.0.0.0/33"), kUsage);
  EXPECT_THAT(Err(), HasSubstr("is no prefix"));
  EXPECT_EQ(Vireo("trace add --protocol sctpx"), kUsage);
  EXPECT_THAT(Err(), HasSubstr("is no protocol"));
  EXPECT_EQ(Vireo("trace add --protocol 256"), kUsage);
  EXPECT_EQ(Vireo("trace add --count 0"), kUsage);
  EXPECT_EQ(Vireo("trace add --peer rome"), kRefused);
}

TEST_F(CliTest, TraceShowPrintsWayStageByStage) {
  v1::TraceRule& rule = *fake_.trace.add_rules();
  rule.set_id(3);
  rule.mutable_match()->set_port("lan");
  rule.mutable_match()->set_protocol(6);
  rule.mutable_match()->set_count(10);
  rule.set_seen(1);
  v1::TracedPacket& packet = *fake_.trace.add_packets();
  packet.set_id(1);
  packet.set_rule(3);
  packet.set_worker(0);
  packet.set_start_unix_ns(1700000000123456789);
  const struct {
    const char* stage;
    std::uint64_t time;
    const char* text;
  } kSteps[] = {{"receive", 0, "port lan, 84 bytes"},
                {"admit", 85, "10.1.0.2 > 10.2.0.2 tcp"},
                {"transmit", 1500, "port uplink,\n128 bytes"}};
  for (const auto& step : kSteps) {
    v1::TraceStep& out = *packet.add_steps();
    out.set_stage(step.stage);
    out.set_time_ns(step.time);
    out.set_text(step.text);
  }
  ASSERT_EQ(Vireo("trace show"), kOk) << Err();
  EXPECT_EQ(Out(),
            "match 3: port lan protocol tcp, 1 of 10 packets\n"
            "\n"
            "packet 1  match 3, worker 0, 2023-11-14T22:13:20.123456Z\n"
            "    AT  STAGE     WHAT\n"
            "  0 ns  receive   port lan, 84 bytes\n"
            " 85 ns  admit     10.1.0.2 > 10.2.0.2 tcp\n"
            "1.5 us  transmit  port uplink,?128 bytes\n");
  fake_.trace.Clear();
  ASSERT_EQ(Vireo("trace show"), kOk);
  EXPECT_THAT(Out(), HasSubstr("nothing is traced"));
}

TEST_F(CliTest, TraceClear) {
  ASSERT_EQ(Vireo("trace clear"), kOk) << Err();
  EXPECT_TRUE(fake_.last.has_clear_trace());
}

TEST_F(CliTest, ColoursOnlyOnATerminal) {
  AddPeer("madrid", '\x01');
  ASSERT_EQ(Vireo("peers", true), kOk);
  EXPECT_THAT(Out(), StartsWith("\x1b[1mPEER"));
  ASSERT_EQ(Vireo("peers", false), kOk);
  EXPECT_THAT(Out(), Not(HasSubstr("\x1b")));
  ASSERT_EQ(Vireo("peers --json", true), kOk);
  EXPECT_THAT(Out(), Not(HasSubstr("\x1b")));
}

TEST_F(CliTest, DataplanesRefusalIsExitCode1) {
  EXPECT_EQ(Vireo("trace add --port none"), kRefused);
  EXPECT_EQ(Err(), "vireo: no port is called \"none\"\n");
  EXPECT_EQ(Out(), "");
}

TEST_F(CliTest, WrongUsageIsExitCode2AndOneLine) {
  for (const char* arguments :
       {"", "bogus", "peers --bogus", "peers extra", "trace", "trace bogus", "config check",
        "peers set-suite", "peers set-suite x", "trace add --count many", "--socket"}) {
    EXPECT_EQ(Vireo(arguments), kUsage) << arguments;
    EXPECT_THAT(Err(), testing::MatchesRegex("vireo: [^\n]+; see vireo --help\n")) << arguments;
    EXPECT_EQ(Out(), "") << arguments;
  }
  Vireo("bogus");
  EXPECT_THAT(Err(), HasSubstr("there is no command bogus"));
}

TEST_F(CliTest, HelpNamesExitCodes) {
  for (const char* arguments : {"--help", "peers --help", "trace add --help"}) {
    EXPECT_EQ(Vireo(arguments), kOk);
    EXPECT_THAT(Out(), HasSubstr("Exit status: 0 success")) << arguments;
  }
}

TEST_F(CliTest, FindsTheOnlySocket) {
  api::MakeDeadSocket(folder() + "/dead.sock");
  std::ofstream(folder() + "/file.sock") << "";
  EXPECT_EQ(Vireo("peers"), kOk) << Err();
}

TEST_F(CliTest, ListsChoicesIfThereAreSeveral) {
  OnServer([&] { servers_.push_back(Serve("adria")); });
  EXPECT_EQ(Vireo("peers"), kUsage);
  EXPECT_EQ(Err(), "vireo: several dataplanes run here; say --socket with one of: " + folder() +
                       "/adria.sock " + folder() + "/zagreb-1.sock\n");
  EXPECT_EQ(Vireo("--socket " + folder() + "/adria.sock peers"), kOk) << Err();
  EXPECT_EQ(Vireo("peers --socket " + folder() + "/adria.sock"), kOk) << Err();
}

TEST_F(CliTest, SaysWhatToDoWithoutDataplane) {
  OnServer([&] { servers_.clear(); });
  EXPECT_EQ(Vireo("peers"), kUsage);
  EXPECT_EQ(Err(), "vireo: no dataplane found in " + folder() +
                       "; start vireo-dataplane, or say --socket PATH\n");
  EXPECT_EQ(Vireo("peers --socket " + folder() + "/x.sock"), kUsage);
  EXPECT_THAT(Err(), HasSubstr("is vireo-dataplane running?"));
  api::MakeDeadSocket(folder() + "/dead.sock");
  EXPECT_EQ(Vireo("peers"), kUsage);
  EXPECT_THAT(Err(), HasSubstr("nobody listens on"));
}

TEST_F(CliTest, VersionAsksTheDataplaneIfThereIsOne) {
  fake_.info.set_name("zagreb-1");
  fake_.info.set_version("9.9");
  fake_.info.set_uptime_ns(61'000'000'000);
  fake_.info.set_workers(2);
  ASSERT_EQ(Vireo("version"), kOk) << Err();
  EXPECT_THAT(Out(), AllOf(StartsWith("vireo "),
                           HasSubstr("vireo-dataplane 9.9 \"zagreb-1\", 2 "
                                     "workers"),
                           HasSubstr("up 1m 1s\n")));
  OnServer([&] { servers_.clear(); });
  ASSERT_EQ(Vireo("version"), kOk) << Err();
  EXPECT_THAT(Out(), HasSubstr("no dataplane was asked"));
  ASSERT_EQ(Vireo("version --json"), kOk) << Err();
  EXPECT_THAT(Out(), HasSubstr("\"dataplane\": null}"));
}

class ConfigCheckTest : public CliTest {
 protected:
  std::string Write(const std::string& text) {
    const std::string path = folder() + "/c.toml";
    std::ofstream(path) << text;
    return path;
  }
  const std::string good_ = "[router]\nname = \"r\"\nprivate_key = \"" + KeyText('\x05') +
                            "\"\n[[port]]\nname = \"p\"\nrole = \"uplink\"\nkind = \"socket\"\n";
};

TEST_F(ConfigCheckTest, GoodFile) {
  const std::string path = Write(good_ + "[[peer]]\npublic_key = \"" + KeyText('\x01') + "\"\n");
  EXPECT_EQ(Vireo("config check " + path), kOk);
  EXPECT_EQ(Out(), path + ": ok: 1 ports, 1 peers\n");
  EXPECT_EQ(Vireo("config check --json " + path), kOk);
  EXPECT_THAT(Out(), AllOf(HasSubstr("\"ok\": true"), HasSubstr("\"errors\": []")));
}

TEST_F(ConfigCheckTest, BadFileNamesEveryMistake) {
  const std::string path = Write(good_ + "vlan = 9999\n[[peer]]\nname = \"\\\"\"\n");
  EXPECT_EQ(Vireo("config check " + path), kRefused);
  std::istringstream lines(Out());
  std::string line;
  std::vector<std::string> mistakes;
  while (std::getline(lines, line)) mistakes.push_back(line);
  ASSERT_EQ(mistakes.size(), 4u) << Out();
  EXPECT_THAT(mistakes[0], StartsWith(path + ":8: vlan means nothing"));
  EXPECT_THAT(mistakes[1], StartsWith(path + ":8: vlan is 9999;"));
  EXPECT_THAT(mistakes[2], StartsWith(path + ":9: [[peer]] has no public_key"));
  EXPECT_THAT(mistakes[3], StartsWith(path + ":10: name \"\"\" is no name"));
  EXPECT_EQ(Vireo("config check --json " + path), kRefused);
  EXPECT_THAT(Out(),
              HasSubstr("{\"line\": 10, \"column\": 1, \"message\": \"name \\\"\\\"\\\" is"));
}

TEST_F(ConfigCheckTest, KeyFilesMayBeIgnored) {
  const std::string path = Write(
      "[router]\nname = \"r\"\nprivate_key_file = \"absent.key\"\n"
      "[[port]]\nname = \"p\"\nrole = \"uplink\"\nkind = \"socket\"\n");
  EXPECT_EQ(Vireo("config check " + path), kRefused);
  EXPECT_THAT(Out(), StartsWith(path + ":3: key file"));
  EXPECT_EQ(Vireo("config check --ignore-key-files " + path), kOk) << Out();
}

TEST_F(ConfigCheckTest, AbsentFile) {
  EXPECT_EQ(Vireo("config check " + folder() + "/none"), kRefused);
  EXPECT_THAT(Out(), HasSubstr("none: cannot be read: No such file or directory"));
}

}  // namespace
}  // namespace vireo::cli
