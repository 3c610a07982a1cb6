#include "dataplane/api/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>

#include "dataplane/base/encoding.h"

namespace vireo::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// A key whose bytes are all `value`.
std::string Key(int value) {
  return ToBase64(std::array<std::byte, kKeySize>{static_cast<std::byte>(value),
                                                  static_cast<std::byte>(value >> 8)});
}

const std::string kRouter = "[router]\nname = \"r\"\nprivate_key = \"" + Key(1) + "\"\n";
const std::string kUplink =
    "[[port]]\nname = \"up\"\nrole = \"uplink\"\nkind = \"socket\"\n";  // lines 4 to 7

std::vector<std::string> Mistakes(const std::string& text) {
  std::vector<std::string> lines;
  const ConfigOutcome outcome = ParseConfig(text);
  EXPECT_EQ(outcome.ok(), outcome.errors.empty());
  for (const ConfigError& error : outcome.errors) lines.push_back(error.ToString("f"));
  return lines;
}

RouterConfig Parsed(const std::string& text) {
  ConfigOutcome outcome = ParseConfig(text);
  for (const ConfigError& error : outcome.errors) ADD_FAILURE() << error.ToString("f");
  return outcome.ok() ? std::move(*outcome.config) : RouterConfig();
}

TEST(Config, FillsDefaults) {
  const RouterConfig config =
      Parsed(kRouter + kUplink + "[[peer]]\npublic_key = \"" + Key(2) + "\"\n");
  EXPECT_EQ(config.name, "r");
  EXPECT_EQ(config.workers, 1u);
  EXPECT_THAT(config.cores, IsEmpty());
  EXPECT_EQ(config.control_socket, "/run/vireo/r.sock");
  EXPECT_EQ(config.state_dir, "/var/lib/vireo");
  EXPECT_EQ(config.uapi_name, "");
  EXPECT_EQ(config.hugepages, Hugepages::kAuto);
  EXPECT_EQ(config.fwmark, 0u);
  ASSERT_EQ(config.ports.size(), 1u);
  EXPECT_EQ(config.ports[0].listen_port, 51820);
  EXPECT_EQ(config.ports[0].mtu, 0);
  EXPECT_EQ(config.ports[0].line, 4u);
  ASSERT_EQ(config.peers.size(), 1u);
  EXPECT_EQ(config.peers[0].line, 8u);
  EXPECT_FALSE(config.peers[0].endpoint.IsSet());
  EXPECT_EQ(config.peers[0].persistent_keepalive, std::chrono::seconds(0));
  EXPECT_EQ(config.peers[0].suite, CipherSuite::kChaCha20Poly1305);
  EXPECT_TRUE(config.probe_path_mtu);
}

TEST(Config, ReadsEveryKey) {
  const RouterConfig config = Parsed(R"(
[router]
name = "zagreb-1"
cores = [2, 3]
private_key_file = "private.key"
control_socket = "/run/vireo/z.sock"
uapi_name = "vireo0"
hugepages = "never"
state_dir = "/var/lib/z"
fwmark = 0xffffffff
provider = "arsys"
country = "HR"
vtep = ["10.9.0.1", "fd00::1"]
path_mtu = "configured"
[[port]]
name = "shared"
role = "uplink"
kind = "af_xdp"
interface = "eth1"
listen_port = 51821
[[port]]
name = "own"
role = "uplink"
kind = "ethdev"
device = "net_af_xdp0,iface=eth2"
addresses = ["192.0.2.1/24", "2001:db8::1/64"]
gateway = ["192.0.2.254", "fe80::1"]
mac = "02:00:00:00:00:01"
vlan = 7
mtu = 9000
[[port]]
name = "lan"
role = "access"
kind = "af_xdp"
interface = "veth0"
addresses = ["10.1.0.1/16"]
[[port]]
name = "host"
role = "access"
kind = "tun"
interface = "vireo1"
addresses = ["10.9.0.1/32"]
[[peer]]
name = "madrid"
public_key = ")" + Key(2) + R"("
preshared_key = ")" + Key(3) + R"("
endpoint = "[2001:db8::2]:51820"
allowed_ips = ["10.2.0.0/16", "fd00::/8", "10.3.0.1"]
persistent_keepalive = 25
suite = "aes256gcm"
)");
  EXPECT_EQ(config.workers, 2u);
  EXPECT_THAT(config.cores, ElementsAre(2u, 3u));
  EXPECT_EQ(config.private_key_file, "private.key");
  EXPECT_EQ(config.private_key_line, 5u);
  EXPECT_EQ(config.control_socket, "/run/vireo/z.sock");
  EXPECT_EQ(config.uapi_name, "vireo0");
  EXPECT_EQ(config.hugepages, Hugepages::kNever);
  EXPECT_EQ(config.fwmark, 0xffffffffu);
  EXPECT_EQ(config.provider, "arsys");
  EXPECT_EQ(config.country, "HR");
  EXPECT_FALSE(config.probe_path_mtu);
  EXPECT_THAT(config.vteps,
              ElementsAre(*net::IpAddress::Parse("10.9.0.1"), *net::IpAddress::Parse("fd00::1")));
  ASSERT_EQ(config.ports.size(), 4u);
  const PortConfig& shared = config.ports[0];
  EXPECT_EQ(shared.kind, PortKind::kAfXdp);
  EXPECT_EQ(shared.steer, Steering::kOverlay);
  EXPECT_FALSE(shared.OwnsFrames());
  EXPECT_EQ(shared.listen_port, 51821);
  const PortConfig& own = config.ports[1];
  EXPECT_TRUE(own.OwnsFrames());
  EXPECT_EQ(own.device, "net_af_xdp0,iface=eth2");
  ASSERT_EQ(own.addresses.size(), 2u);
  EXPECT_EQ(own.addresses[0].ToString(), "192.0.2.1/24");
  EXPECT_EQ(own.addresses[0].OnLink().ToString(), "192.0.2.0/24");
  EXPECT_EQ(own.gateways.size(), 2u);
  EXPECT_EQ(own.mac->ToString(), "02:00:00:00:00:01");
  EXPECT_EQ(own.vlan, 7);
  EXPECT_EQ(own.mtu, 9000);
  EXPECT_EQ(config.ports[2].steer, Steering::kAll);
  EXPECT_EQ(config.ports[2].mtu, 1500);
  EXPECT_EQ(config.ports[3].mtu, 1420);
  ASSERT_EQ(config.peers.size(), 1u);
  const PeerConfig& peer = config.peers[0];
  EXPECT_EQ(peer.name, "madrid");
  EXPECT_EQ(ToBase64(peer.public_key), Key(2));
  EXPECT_EQ(ToBase64(peer.preshared_key.bytes()), Key(3));
  EXPECT_EQ(peer.endpoint.ToString(), "[2001:db8::2]:51820");
  EXPECT_EQ(peer.allowed_ips.size(), 3u);
  EXPECT_EQ(peer.allowed_ips[2].ToString(), "10.3.0.1/32");
  EXPECT_EQ(peer.persistent_keepalive, std::chrono::seconds(25));
  EXPECT_EQ(peer.suite, CipherSuite::kAes256Gcm);
}

struct Case {
  std::string text;
  std::string mistake;  // how its one mistake begins
};

void ExpectOneMistakeEach(const std::vector<Case>& cases, const std::string& before,
                          const std::string& behind = "") {
  for (const Case& c : cases) {
    const auto mistakes = Mistakes(before + c.text + behind);
    EXPECT_THAT(mistakes, ElementsAre(StartsWith(c.mistake))) << c.text;
    for (const std::string& mistake : mistakes) {
      EXPECT_EQ(mistake.find('\n'), std::string::npos) << mistake;
      EXPECT_NE(mistake.find(';'), std::string::npos) << "says not what to do: " << mistake;
    }
  }
}

TEST(ConfigRouter, NamesEachMistakeWithItsLine) {
  const std::string key = "private_key = \"" + Key(1) + "\"\n";
  ExpectOneMistakeEach(
      {
          {"name = \"r\"\n", "f:1: [router] has no private_key_file"},
          {key, "f:1: [router] has no name"},
          {"name = 7\n" + key, "f:2: name is an integer; write a string"},
          {"name = \"a b\"\n" + key, "f:2: name \"a b\" is no name"},
          {"name = \"\"\n" + key, "f:2: name \"\" is no name"},
          {"name = \"r\"\nprivate_key = \"short\"\n", "f:3: private_key is no key"},
          {"name = \"r\"\nprivate_key = \"" + std::string(43, 'A') + "=\"\n",
           "f:3: private_key is all zero"},
          {"name = \"r\"\n" + key + "private_key_file = \"x\"\n",
           "f:3: both private_key and private_key_file are given"},
          {"name = \"r\"\nprivate_key_file = \"\"\n", "f:3: private_key_file is empty"},
          {"name = \"r\"\n" + key + "worker = 2\n",
           "f:4: unknown key \"worker\" in [router]; did you mean \"workers\"?"},
          {"name = \"r\"\n" + key + "colour = 2\n",
           "f:4: unknown key \"colour\" in [router]; remove it"},
          {"name = \"r\"\n" + key + "workers = 0\n", "f:4: workers is 0; write an integer from 1"},
          {"name = \"r\"\n" + key + "workers = 65\n", "f:4: workers is 65"},
          {"name = \"r\"\n" + key + "workers = \"2\"\n", "f:4: workers is a string"},
          {"name = \"r\"\n" + key + "workers = 1.0\n", "f:4: workers is a decimal number"},
          {"name = \"r\"\n" + key + "workers = true\n", "f:4: workers is a boolean"},
          {"name = \"r\"\n" + key + "workers = 3\ncores = [1, 2]\n",
           "f:4: workers is 3 but cores has 2"},
          {"name = \"r\"\n" + key + "cores = 2\n", "f:4: cores is an integer; write an array"},
          {"name = \"r\"\n" + key + "cores = [1,\n \"2\"]\n", "f:5: cores is a string"},
          {"name = \"r\"\n" + key + "cores = [1, 1]\n", "f:4: cores names one core twice"},
          {"name = \"r\"\n" + key + "cores = [1024]\n", "f:4: cores is 1024"},
          {"name = \"r\"\n" + key + "control_socket = \"x\"\n", "f:4: control_socket \"x\" is no"},
          {"name = \"r\"\n" + key + "control_socket = \"/" + std::string(90, 'x') + "\"\n",
           "f:4: control_socket is longer than"},
          {"name = \"r\"\n" + key + "uapi_name = \"a/b\"\n", "f:4: uapi_name \"a/b\" is no"},
          {"name = \"r\"\n" + key + "uapi_name = \"sixteencharacter\"\n", "f:4: uapi_name"},
          {"name = \"r\"\n" + key + "hugepages = \"yes\"\n",
           "f:4: hugepages cannot be \"yes\"; use \"auto\", \"always\" or \"never\""},
          {"name = \"r\"\n" + key + "country = \"Spain\"\n",
           "f:4: country \"Spain\" is not two capital letters (ISO 3166-1 alpha-2); write"},
          {"name = \"r\"\n" + key + "path_mtu = \"guess\"\n", "f:4: path_mtu cannot be \"guess\""},
          {"name = \"r\"\n" + key + "vtep = [\"x\"]\n", "f:4: vtep \"x\" is no address"},
          {"name = \"r\"\n" + key + "vtep = [\"::\"]\n", "f:4: vtep \"::\" is not one router's"},
          {"name = \"r\"\n" + key + "vtep = [\"10.0.0.1\",\n \"10.0.0.2\"]\n",
           "f:5: vtep \"10.0.0.2\" is the second of its family"},
          {"name = \"r\"\n" + key + "hugepages = true\n", "f:4: hugepages is a boolean"},
          {"name = \"r\"\n" + key + "fwmark = -1\n", "f:4: fwmark is -1"},
          {"name = \"r\"\n" + key + "fwmark = 4294967296\n", "f:4: fwmark is 4294967296"},
          {"name = \"r\"\n" + key + "state_dir = \"here\"\n", "f:4: state_dir \"here\" is no"},
      },
      "[router]\n", kUplink);
}

TEST(ConfigPort, NamesEachMistakeWithItsLine) {
  const std::string socket = "[[port]]\nname = \"p\"\nrole = \"uplink\"\nkind = \"socket\"\n";
  const std::string xdp =
      "[[port]]\nname = \"p\"\nrole = \"uplink\"\nkind = \"af_xdp\"\ninterface = \"e\"\n";
  const std::string all = xdp + "steer = \"all\"\naddresses = [\"192.0.2.1/24\"]\n";
  const std::string tun =
      "[[port]]\nname = \"p\"\nrole = \"access\"\nkind = \"tun\"\ninterface = \"t\"\n";
  const std::string vm = "[[port]]\nname = \"p\"\nrole = \"bridged\"\nkind = \"vhost-user\"\n";
  ExpectOneMistakeEach(
      {
          {"[[port]]\nrole = \"uplink\"\nkind = \"socket\"\nlisten_port = 1\n",
           "f:8: [[port]] has no name"},
          {"[[port]]\nname = \"p\"\nkind = \"socket\"\nlisten_port = 1\n",
           "f:8: [[port]] has no role"},
          {"[[port]]\nname = \"p\"\nrole = \"access\"\n", "f:8: [[port]] has no kind"},
          {"[[port]]\nname = \"p\"\nrole = \"acces\"\nkind = \"tun\"\nlisten_port = 1\n",
           "f:10: role cannot be \"acces\"; use \"uplink\", \"access\" or \"bridged\""},
          {"[[port]]\nname = \"p\"\nrole = \"access\"\nkind = \"tunnel\"\nlisten_port = 1\n",
           "f:11: kind cannot be \"tunnel\""},
          {"[[port]]\nname = \"p\"\nrole = \"access\"\nkind = \"socket\"\n",
           "f:10: a port of kind \"socket\" cannot be \"access\""},
          {"[[port]]\nname = \"p\"\nrole = \"uplink\"\nkind = \"tun\"\nlisten_port = 1\n",
           "f:10: a port of kind \"tun\" cannot be \"uplink\""},
          {"[[port]]\nname = \"p\"\nrole = \"bridged\"\nkind = \"tun\"\ninterface = \"t\"\n",
           "f:10: a port of kind \"tun\" cannot be \"bridged\""},
          {"[[port]]\nname = \"p\"\nrole = \"bridged\"\nkind = \"af_xdp\"\ninterface = \"e\"\n"
           "addresses = [\"192.0.2.1/24\"]\n",
           "f:13: addresses means nothing for a bridged port of kind \"af_xdp\""},
          {vm, "f:8: [[port]] has no socket"},
          {vm + "socket = \"vm\"\n", "f:12: socket \"vm\" is no absolute path"},
          {vm + "socket = \"/" + std::string(107, 'x') + "\"\n", "f:12: socket is 108 bytes long"},
          {vm + "socket = \"/vm\"\nmode = \"host\"\n",
           "f:13: mode cannot be \"host\"; use \"server\" or \"client\""},
          {vm + "socket = \"/vm\"\nqueues = 65\n", "f:13: queues is 65"},
          {vm + "socket = \"/vm\"\n[[port]]\nname = \"q\"\nrole = \"bridged\"\n"
                "kind = \"vhost-user\"\nsocket = \"/vm\"\n",
           "f:13: \"/vm\" is used by port \"p\""},
          {"[[port]]\nname = \"p\"\nrole = \"access\"\nkind = \"vhost-user\"\n",
           "f:10: a port of kind \"vhost-user\" cannot be \"access\""},
          {socket + "listen_port = 1\ninterface = \"e\"\n", "f:13: interface means nothing"},
          {socket + "listen_port = 1\nmtu = 9217\n", "f:13: mtu is 9217"},
          {socket + "listen_port = 1\naddresses = [\"192.0.2.1/24\"]\n",
           "f:13: addresses means nothing"},
          {socket + "listen_port = 65536\n", "f:12: listen_port is 65536"},
          {socket + "listen_port = -1\n", "f:12: listen_port is -1"},
          {socket + "listen_prot = 1\nlisten_port = 2\n",
           "f:12: unknown key \"listen_prot\" in [[port]]; did you mean \"listen_port\"?"},
          {xdp + "listen_port = 0\n", "f:13: listen_port is 0"},
          {"[[port]]\nname = \"p\"\nrole = \"uplink\"\nkind = \"af_xdp\"\nlisten_port = 1\n",
           "f:8: [[port]] has no interface"},
          {"[[port]]\nname = \"p\"\nrole = \"uplink\"\nkind = \"ethdev\"\n"
           "addresses = [\"192.0.2.1/24\"]\n",
           "f:8: [[port]] has no device"},
          {xdp + "listen_port = 1\nsteer = \"some\"\n", "f:14: steer cannot be \"some\""},
          {xdp + "listen_port = 1\naddresses = [\"192.0.2.1/24\"]\n",
           "f:14: addresses means nothing for an uplink port of kind \"af_xdp\" with steer "
           "\"overlay\""},
          {xdp + "steer = \"all\"\n", "f:8: [[port]] has no addresses"},
          {all + "gateway = [\"198.51.100.1\"]\n",
           "f:15: gateway \"198.51.100.1\" is in no prefix of addresses"},
          {all + "gateway = [\"192.0.2.2\", \"192.0.2.3\"]\n",
           "f:15: gateway \"192.0.2.3\" is the second of its family"},
          {all + "gateway = [\"192.0.2\"]\n", "f:15: gateway \"192.0.2\" is no address"},
          {all + "gateway = \"192.0.2.2\"\n", "f:15: gateway is a string; write an array"},
          {all + "mac = \"02:00:00:00:00\"\n", "f:15: mac \"02:00:00:00:00\" is no MAC"},
          {all + "mac = \"01:00:00:00:00:01\"\n", "f:15: mac \"01:00:00:00:00:01\" is no MAC"},
          {all + "vlan = 4095\n", "f:15: vlan is 4095"},
          {all + "vlan = 0\n", "f:15: vlan is 0"},
          {all + "mtu = 1279\n", "f:15: mtu is 1279"},
          {all + "mtu = 9217\n", "f:15: mtu is 9217"},
          {xdp + "steer = \"all\"\naddresses = [\"192.0.2.1\"]\n",
           "f:14: address \"192.0.2.1\" is wrong"},
          {xdp + "steer = \"all\"\naddresses = [\"192.0.2.1/33\"]\n", "f:14: address"},
          {xdp + "steer = \"all\"\naddresses = [\"224.0.0.1/4\"]\n",
           "f:14: address \"224.0.0.1/4\" is no address of a host"},
          {xdp + "steer = \"all\"\naddresses = [\"192.0.2.1\\u0000/24\"]\n", "f:14: address"},
          {tun + "listen_port = 1\n", "f:13: listen_port means nothing"},
          {tun + "gateway = [\"10.0.0.1\"]\naddresses = [\"10.0.0.2/8\"]\n",
           "f:13: gateway means nothing"},
          {"[[port]]\nname = \"p\"\nrole = \"access\"\nkind = \"tun\"\ninterface = \"a b\"\n",
           "f:12: interface \"a b\" is no interface name"},
          {"[[port]]\nname = \"up\"\nrole = \"uplink\"\nkind = \"socket\"\nlisten_port = 1\n",
           "f:8: port \"up\" is there before (line 4)"},
          {"[[port]]\nname = \"p\"\nrole = \"uplink\"\nkind = \"socket\"\n",
           "f:8: listen_port 51820 is used by port \"up\" (line 4) too"},
          {xdp, "f:8: listen_port 51820 is used by port \"up\" (line 4) too"},
          {"[port]\nname = \"p\"\n", "f:8: not TOML: "},
          {tun + "[[port]]\nname = \"q\"\nrole = \"access\"\nkind = \"tun\"\ninterface = \"t\"\n",
           "f:13: \"t\" is used by port \"p\" (line 8) too"},
          {all + "[[port]]\nname = \"q\"\nrole = \"access\"\nkind = \"af_xdp\"\n"
                 "interface = \"f\"\naddresses = [\"192.0.2.1/32\"]\n",
           "f:15: address 192.0.2.1 is used by port \"p\" (line 8) too"},
          {all + "[[port]]\nname = \"q\"\nrole = \"uplink\"\nkind = \"ethdev\"\n"
                 "device = \"d\"\naddresses = [\"192.0.2.1/32\"]\n",
           "f:15: listen_port 51820 is used by port \"p\" (line 8) too"},
      },
      kRouter + kUplink);
}

TEST(ConfigPort, AllowsOnePortNumberWhereNoPacketIsMeantForTwoPorts) {
  Parsed(kRouter +
         "[[port]]\nname = \"a\"\nrole = \"uplink\"\nkind = \"af_xdp\"\ninterface = \"e0\"\n"
         "[[port]]\nname = \"b\"\nrole = \"uplink\"\nkind = \"af_xdp\"\ninterface = \"e1\"\n"
         "[[port]]\nname = \"c\"\nrole = \"uplink\"\nkind = \"ethdev\"\ndevice = \"d\"\n"
         "addresses = [\"192.0.2.1/24\"]\n"
         "[[port]]\nname = \"s\"\nrole = \"uplink\"\nkind = \"socket\"\nlisten_port = 0\n"
         "[[port]]\nname = \"t\"\nrole = \"uplink\"\nkind = \"socket\"\nlisten_port = 0\n");
}

TEST(ConfigPeer, NamesEachMistakeWithItsLine) {
  const std::string peer = "[[peer]]\npublic_key = \"" + Key(2) + "\"\n";
  const std::string other = "[[peer]]\npublic_key = \"" + Key(3) + "\"\n";
  ExpectOneMistakeEach(
      {
          {"[[peer]]\nname = \"p\"\n", "f:8: [[peer]] has no public_key"},
          {"[[peer]]\npublic_key = \"AAAA\"\n", "f:9: public_key is no key"},
          {"[[peer]]\npublic_key = \"" + Key(2).substr(0, 43) + "\"\n", "f:9: public_key is no"},
          {"[[peer]]\npublic_key = \"!" + Key(2).substr(1) + "\"\n", "f:9: public_key is no key"},
          {"[[peer]]\npublic_key = 7\n", "f:9: public_key is an integer"},
          {peer + "psk = \"x\"\n", "f:10: unknown key \"psk\" in [[peer]]"},
          {peer + "preshared_key = \"x\"\n", "f:10: preshared_key is no key"},
          {peer + "preshared_key = \"" + Key(9) + "\"\npreshared_key_file = \"x\"\n",
           "f:10: both preshared_key and preshared_key_file are given"},
          {peer + "preshared_key_file = \"\"\n", "f:10: preshared_key_file is empty"},
          {peer + "endpoint = \"192.0.2.1\"\n", "f:10: endpoint \"192.0.2.1\" is wrong"},
          {peer + "endpoint = \"192.0.2.1:0\"\n", "f:10: endpoint"},
          {peer + "endpoint = \"192.0.2.1:70000\"\n", "f:10: endpoint"},
          {peer + "endpoint = \"example.org:51820\"\n", "f:10: endpoint \"example.org:51820\""},
          {peer + "endpoint = \"2001:db8::1:51820\"\n", "f:10: endpoint"},
          {peer + "endpoint = \"0.0.0.0:51820\"\n", "f:10: endpoint \"0.0.0.0:51820\" is no"},
          {peer + "endpoint = \"[ff02::1]:51820\"\n", "f:10: endpoint \"[ff02::1]:51820\" is no"},
          {peer + "endpoint = \"192.0.2.1\\u0000:1\"\n", "f:10: endpoint \"192.0.2.1?:1\" is"},
          {peer + "allowed_ips = \"10.0.0.0/8\"\n", "f:10: allowed_ips is a string; write an"},
          {peer + "allowed_ips = [\"10.0.0.0/8\",\n 7]\n", "f:11: allowed_ips is an integer"},
          {peer + "allowed_ips = [\"10.0.0.0/33\"]\n", "f:10: allowed IP \"10.0.0.0/33\" is no"},
          {peer + "allowed_ips = [\"\"]\n", "f:10: allowed IP \"\" is no prefix"},
          {peer + "allowed_ips = [\"10.2.0.5/16\"]\n",
           "f:10: allowed IP \"10.2.0.5/16\" has bits behind its length; write \"10.2.0.0/16\""},
          {peer + "allowed_ips = [\"10.0.0.0/8\",\n\"10.0.0.0/8\"]\n",
           "f:11: allowed IP 10.0.0.0/8 is given before (line 10)"},
          {peer + "allowed_ips = [\"::/0\"]\n" + other + "allowed_ips = [\"::/0\"]\n",
           "f:13: allowed IP ::/0 is given before (line 10)"},
          {peer + "persistent_keepalive = 65536\n", "f:10: persistent_keepalive is 65536"},
          {peer + "persistent_keepalive = \"off\"\n", "f:10: persistent_keepalive is a string"},
          {peer + "suite = \"aes128gcm\"\n",
           "f:10: suite cannot be \"aes128gcm\"; use \"chacha20poly1305\" or \"aes256gcm\""},
          {peer + peer, "f:11: public key is given before (line 9)"},
          {peer + "name = \"n\"\n" + other + "name = \"n\"\n",
           "f:13: peer \"n\" is there before (line 10)"},
      },
      kRouter + kUplink);
}

TEST(Config, NamesMistakesOfTheWholeFile) {
  EXPECT_THAT(Mistakes(""),
              ElementsAre(StartsWith("f: no [router]"), StartsWith("f: no port with role")));
  EXPECT_THAT(Mistakes(kRouter), ElementsAre(StartsWith("f: no port with role \"uplink\"")));
  EXPECT_THAT(Mistakes("[[router]]\n[[port]]\n" + kUplink),
              testing::Contains("f:1: router is no table; write [router]"));
  EXPECT_THAT(Mistakes(kRouter + kUplink + "[peer]\n"),
              ElementsAre("f:8: peer is no array of tables; write [[peer]]"));
  EXPECT_THAT(Mistakes(kRouter + kUplink + "[[peers]]\n"),
              ElementsAre("f:8: unknown key \"peers\" in the file; did you mean \"peer\"?"));
  EXPECT_THAT(Mistakes("peer = 3\n" + kRouter + kUplink),
              ElementsAre("f:1: peer is no array of tables; write [[peer]]"));
  EXPECT_THAT(Mistakes("peer = [{}, 3]\n" + kRouter + kUplink),
              ElementsAre("f:1: peer is no array of tables; write [[peer]]"));
}

TEST(Config, NamesEveryMistakeAtOnceInOrderOfLines) {
  EXPECT_THAT(Mistakes("[router]\nname = 1\nworkers = 0\n" + kUplink +
                       "[[peer]]\npublic_key = \"x\"\nallowed_ips = [\"a\", \"b\"]\nsuit = 1\n"),
              ElementsAre(StartsWith("f:1: [router] has no private_key_file"),
                          StartsWith("f:2: name"), StartsWith("f:3: workers"),
                          StartsWith("f:9: public_key"), StartsWith("f:10: allowed IP \"a\""),
                          StartsWith("f:10: allowed IP \"b\""), StartsWith("f:11: unknown key")));
}

TEST(Config, GivesColumns) {
  const ConfigOutcome outcome = ParseConfig(kRouter + kUplink + "[[peer]]\npublic_key = \"" +
                                            Key(2) + "\"\nallowed_ips = [\"10.0.0.0/8\", \"x\"]\n");
  ASSERT_EQ(outcome.errors.size(), 1u);
  EXPECT_EQ(outcome.errors[0].line, 10u);
  EXPECT_EQ(outcome.errors[0].column, 30u);
}

TEST(ConfigSyntax, NamesLineAndGoesOn) {
  // Neither the missing key of the first peer nor a cascade is reported.
  EXPECT_THAT(Mistakes(kRouter + kUplink +
                       "[[peer]]\npublic_key = \nname = \"a\"\nname = \"b\"\n"
                       "[[peer]\npublic_key = \"" +
                       Key(2) + "\"\n[[peer]]\npublic_key = \"" + Key(3) + "\"\nsuite = 7\n"),
              ElementsAre(StartsWith("f:9: not TOML: "), StartsWith("f:11: not TOML: "),
                          StartsWith("f:12: not TOML: "), StartsWith("f:16: suite is an integer")));
}

TEST(ConfigSyntax, UnclosedValueIsOneMistakeAtItsOwnLine) {
  const std::string behind = "\nsuite = 7\npublic_key = \"" + Key(2) + "\"\n";
  const struct {
    const char* text;
    unsigned lines;
  } kCases[] = {{"allowed_ips = [\"10.0.0.0/8\"", 1},
                {"allowed_ips = [\"10.0.0.0/8\",", 1},
                {"allowed_ips = [\n\"10.0.0.0/8\",\n\"11.0.0.0/8\"", 3},
                {"allowed_ips = [\n\"10.0.0.0/8\"\n\"11.0.0.0/8\",\n\"12.0.0.0/8\"]", 4},
                {"allowed_ips = [\"10.0.0.0/8\" \"11.0.0.0/8\"]", 1},
                {"name = \"n", 1},
                {"endpoint = ", 1}};
  for (const auto& c : kCases) {
    EXPECT_THAT(Mistakes(kRouter + kUplink + "[[peer]]\n" + c.text + behind),
                ElementsAre(StartsWith("f:9: not TOML: "),
                            StartsWith("f:" + std::to_string(9 + c.lines) + ": suite is an")))
        << c.text;
  }
}

TEST(ConfigSyntax, MistakeBeforeUnclosedValueIsReportedToo) {
  EXPECT_THAT(Mistakes("[router]\nname = 7\nprivate_key = \"" + Key(1) + "\"\n" + kUplink +
                       "[[peer]]\npublic_key = \"" + Key(2) + "\"\nallowed_ips = [\"::/0\"\n"),
              ElementsAre(StartsWith("f:2: name is an integer"), StartsWith("f:10: not TOML: ")));
}

TEST(ConfigSyntax, GivesUpOnWhatIsNoToml) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "this is no TOML\n\n";
  const auto mistakes = Mistakes(text);
  EXPECT_GE(mistakes.size(), 1u);
  EXPECT_LE(mistakes.size(), 10u);
  EXPECT_FALSE(ParseConfig(std::string("\xff\xfe\0\1", 4)).ok());
}

TEST(ConfigError, ShowsNoKey) {
  const std::string almost = Key(77).substr(0, 43) + "!";
  for (const std::string& mistake :
       Mistakes("[router]\nname = \"r\"\nprivate_key = \"" + almost + "\"\n" + kUplink)) {
    EXPECT_EQ(mistake.find(almost.substr(0, 10)), std::string::npos) << mistake;
  }
}

TEST(Config, RandomBytesNeverCrash) {
  std::mt19937 random(2);
  const std::string seed = kRouter + kUplink + "[[peer]]\npublic_key = \"" + Key(2) +
                           "\"\nallowed_ips = [\"10.0.0.0/8\"]\n";
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = seed;
    for (unsigned flips = random() % 4 + 1; flips > 0; --flips) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    refused += !ParseConfig(text).ok();
  }
  EXPECT_GT(refused, 1000);
}

TEST(Config, TenThousandPeersParseBelowASecond) {
  std::string text = kRouter + kUplink;
  for (int i = 0; i < 10000; ++i) {
    const std::string octets = std::to_string(i / 256) + "." + std::to_string(i % 256);
    text += "[[peer]]\nname = \"peer-" + std::to_string(i) + "\"\npublic_key = \"" + Key(i + 2) +
            "\"\nendpoint = \"192.0.2.1:" + std::to_string(i + 1) + "\"\nallowed_ips = [\"10." +
            octets + ".0/24\", \"fd00:" + std::to_string(i) +
            "::/64\"]\npersistent_keepalive = 25\n";
  }
  const auto start = std::chrono::steady_clock::now();
  const RouterConfig config = Parsed(text);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(config.peers.size(), 10000u);
  RecordProperty("seconds", std::to_string(took.count()));
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(took.count(), 1.0);
#endif
}

TEST(ConfigDocumentation, ExampleIsValid) {
  std::ifstream file(VIREO_SOURCE_DIR "/docs/configuration.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string begin = "```toml\n";
  const std::size_t start = text.find(begin);
  ASSERT_NE(start, std::string::npos);
  const std::size_t from = start + begin.size();
  const RouterConfig config = Parsed(text.substr(from, text.find("```", from) - from));
  EXPECT_EQ(config.ports.size(), 2u);
  EXPECT_EQ(config.peers.size(), 1u);
}

class ConfigFile : public testing::Test {
 protected:
  ConfigFile() {
    char name[] = "/tmp/vireo-config-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~ConfigFile() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  std::string folder_;
  const std::string text_ = "[router]\nname = \"r\"\nprivate_key_file = \"r.key\"\n" + kUplink +
                            "[[peer]]\npublic_key = \"" + Key(2) +
                            "\"\npreshared_key_file = \"psk\"\n";
};

TEST_F(ConfigFile, LoadsKeyFilesBesideIt) {
  Write("r.key", Key(5) + "\n");
  Write("psk", Key(6));
  const auto outcome = ReadConfigFile(Write("c.toml", text_), KeyFiles::kLoad);
  ASSERT_TRUE(outcome.ok()) << outcome.errors[0].message;
  EXPECT_EQ(ToBase64(outcome.config->private_key.bytes()), Key(5));
  EXPECT_EQ(ToBase64(outcome.config->peers[0].preshared_key.bytes()), Key(6));
}

TEST_F(ConfigFile, NamesEachBadKeyFile) {
  Write("r.key", Key(5) + "\n", 0604);
  const std::string path = Write("c.toml", text_);
  const auto outcome = ReadConfigFile(path, KeyFiles::kLoad);
  ASSERT_EQ(outcome.errors.size(), 2u);
  EXPECT_FALSE(outcome.ok());
  EXPECT_THAT(outcome.errors[0].ToString("f"), StartsWith("f:3: key file " + folder_ + "/r.key: "));
  EXPECT_THAT(outcome.errors[0].message, HasSubstr("chmod 600"));
  EXPECT_EQ(outcome.errors[1].line, 8u);
  EXPECT_THAT(outcome.errors[1].message, HasSubstr("psk: No such file"));
  EXPECT_TRUE(ReadConfigFile(path, KeyFiles::kIgnore).ok());
}

TEST_F(ConfigFile, RefusesKeyFileWithoutAKey) {
  for (const std::string text : {"", "x", "\n"}) {
    const auto key = ReadKeyFile(Write("k", text));
    ASSERT_FALSE(key.ok());
    EXPECT_EQ(key.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(ReadKeyFile(Write("k", Key(5) + "\n" + Key(5) + "\n")).ok());
  EXPECT_FALSE(ReadKeyFile(Write("k", std::string(5000, 'A'))).ok());
  EXPECT_FALSE(ReadKeyFile(folder_).ok());
}

TEST_F(ConfigFile, SaysWhyItCannotBeRead) {
  const auto missing = ReadConfigFile(folder_ + "/none", KeyFiles::kLoad);
  ASSERT_EQ(missing.errors.size(), 1u);
  EXPECT_THAT(missing.errors[0].ToString("f"), StartsWith("f: cannot be read: No such file"));
  const auto directory = ReadConfigFile(folder_, KeyFiles::kLoad);
  ASSERT_EQ(directory.errors.size(), 1u);
  EXPECT_THAT(directory.errors[0].message, HasSubstr("is a folder"));
}

}  // namespace
}  // namespace vireo::api
