// The real wg(8) against the UAPI server: it needs no network interface of that name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>

#include "dataplane/api/uapi_server.h"
#include "dataplane/base/encoding.h"
#include "tests/unit/api/fake_device.h"
#include "tests/unit/api/server_fixture.h"

namespace vireo::api {
namespace {

using testing::HasSubstr;

struct Outcome {
  int exit_code = -1;
  std::string output;
};

Outcome Shell(const std::string& command) {
  Outcome run;
  FILE* pipe = popen(("{ " + command + "; } 2>&1").c_str(), "r");
  char block[4096];
  while (const std::size_t size = fread(block, 1, sizeof block, pipe))
    run.output.append(block, size);
  const int status = pclose(pipe);
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

std::string Key(int value) {
  return ToBase64(std::array<std::byte, kKeySize>{static_cast<std::byte>(value)});
}

class WgToolTest : public ServerTest {
 protected:
  void SetUp() override {
    if (Shell("command -v wg").exit_code != 0) {
      GTEST_SKIP() << "wg is not installed (package wireguard-tools): its UAPI is NOT tested";
    }
    if (geteuid() != 0) {
      GTEST_SKIP() << "not root, cannot use " << kUapiFolder << ": wg's UAPI is NOT tested";
    }
    OnServer([&] {
      auto server = UapiServer::Listen(context(), device_,
                                       {.interface_name = name_,
                                        .folder = std::string(kUapiFolder),
                                        .limits = {},
                                        .log = [this](std::string_view line) { log_ += line; },
                                        .on_removed = {}});
      ASSERT_TRUE(server.ok()) << server.error().message;
      server_ = std::move(server).value();
    });
  }
  void TearDown() override {
    OnServer([&] { server_.reset(); });
  }

  Outcome Wg(const std::string& arguments) { return Shell("wg " + arguments); }
  std::string WriteConfig(const std::string& text) {
    const std::string path = folder() + "/wg.conf";
    std::ofstream(path) << text;
    return path;
  }
  UapiDevice Device() {
    UapiDevice device;
    OnServer([&] { device = device_.device; });
    return device;
  }

  const std::string name_ = "vireo-t" + std::to_string(getpid() % 10000000);
  FakeDevice device_;
  std::string log_;
  std::unique_ptr<UapiServer> server_;
};

TEST_F(WgToolTest, ListsInterface) { EXPECT_THAT(Wg("show interfaces").output, HasSubstr(name_)); }

TEST_F(WgToolTest, SetAndShow) {
  const Outcome set = Wg("set " + name_ + " listen-port 51820 fwmark 0x20 peer " + Key(1) +
                         " endpoint '[2001:db8::1]:4500' persistent-keepalive 25 allowed-ips "
                         "10.0.0.0/8,2001:db8::/32 peer " +
                         Key(2) + " endpoint 192.0.2.1:51820");
  ASSERT_EQ(set.exit_code, 0) << set.output;
  const UapiDevice device = Device();
  EXPECT_EQ(device.listen_port, 51820);
  EXPECT_EQ(device.fwmark, 0x20u);
  ASSERT_EQ(device.peers.size(), 2u);
  EXPECT_EQ(device.peers[0].endpoint.ToString(), "[2001:db8::1]:4500");
  EXPECT_EQ(device.peers[0].persistent_keepalive, 25);
  EXPECT_EQ(device.peers[0].allowed_ips.size(), 2u);

  OnServer([&] {
    device_.device.peers[0].rx_bytes = 1372;
    device_.device.peers[0].tx_bytes = 1428;
    device_.device.peers[0].last_handshake = WallTime(std::chrono::seconds(1700000000));
  });
  EXPECT_EQ(Wg("show " + name_ + " listen-port").output, "51820\n");
  EXPECT_EQ(Wg("show " + name_ + " fwmark").output, "0x20\n");
  EXPECT_EQ(Wg("show " + name_ + " transfer").output,
            Key(1) + "\t1372\t1428\n" + Key(2) + "\t0\t0\n");
  EXPECT_EQ(Wg("show " + name_ + " latest-handshakes").output,
            Key(1) + "\t1700000000\n" + Key(2) + "\t0\n");
  EXPECT_EQ(Wg("show " + name_ + " allowed-ips").output,
            Key(1) + "\t10.0.0.0/8 2001:db8::/32\n" + Key(2) + "\t(none)\n");
  EXPECT_EQ(Wg("show " + name_ + " endpoints").output,
            Key(1) + "\t[2001:db8::1]:4500\n" + Key(2) + "\t192.0.2.1:51820\n");
  EXPECT_EQ(Wg("show " + name_ + " persistent-keepalive").output,
            Key(1) + "\t25\n" + Key(2) + "\toff\n");
  EXPECT_EQ(Wg("show " + name_ + " preshared-keys").output,
            Key(1) + "\t(none)\n" + Key(2) + "\t(none)\n");
  const Outcome show = Wg("show " + name_);
  EXPECT_EQ(show.exit_code, 0);
  EXPECT_THAT(show.output, HasSubstr("transfer: 1.34 KiB received, 1.39 KiB sent"));
}

TEST_F(WgToolTest, ShowsPeerWithOtherSuite) {
  ASSERT_EQ(Wg("set " + name_ + " peer " + Key(1) + " allowed-ips 10.0.0.0/8").exit_code, 0);
  OnServer([&] { device_.device.peers[0].suite = CipherSuite::kAes256Gcm; });
  const Outcome show = Wg("show " + name_ + " allowed-ips");
  EXPECT_EQ(show.exit_code, 0) << "wg must step over vireo_suite";
  EXPECT_EQ(show.output, Key(1) + "\t10.0.0.0/8\n");
}

TEST_F(WgToolTest, SetKeysAndTakeThemAway) {
  const std::string key_file = folder() + "/key";
  ASSERT_EQ(Shell("umask 077; wg genkey > " + key_file).exit_code, 0);
  ASSERT_EQ(Wg("set " + name_ + " private-key " + key_file + " peer " + Key(1) + " preshared-key " +
               key_file)
                .exit_code,
            0);
  const std::string key = Shell("cat " + key_file).output;
  EXPECT_EQ(Wg("show " + name_ + " private-key").output, key);
  EXPECT_EQ(Wg("show " + name_ + " public-key").output, Shell("wg pubkey < " + key_file).output);
  EXPECT_EQ(Wg("show " + name_ + " preshared-keys").output, Key(1) + "\t" + key);
  ASSERT_EQ(
      Wg("set " + name_ + " private-key /dev/null peer " + Key(1) + " preshared-key /dev/null")
          .exit_code,
      0);
  EXPECT_TRUE(Device().private_key.IsZero());
  EXPECT_TRUE(Device().peers[0].preshared_key.IsZero());
}

TEST_F(WgToolTest, RemovePeer) {
  ASSERT_EQ(Wg("set " + name_ + " peer " + Key(1) + " peer " + Key(2)).exit_code, 0);
  ASSERT_EQ(Wg("set " + name_ + " peer " + Key(1) + " remove").exit_code, 0);
  EXPECT_EQ(Wg("show " + name_ + " peers").output, Key(2) + "\n");
}

TEST_F(WgToolTest, SetconfReplacesAndSyncconfKeeps) {
  const std::string head = "[Interface]\nPrivateKey = " + Key(9) + "\nListenPort = 7\n";
  const std::string peers = "[Peer]\nPublicKey = " + Key(1) + "\nAllowedIPs = 10.1.0.0/16\n" +
                            "[Peer]\nPublicKey = " + Key(2) +
                            "\nAllowedIPs = 10.2.0.0/16, fd00::/8\nEndpoint = 192.0.2.2:5\n";
  const std::string file = WriteConfig(head + peers);
  Outcome run = Wg("setconf " + name_ + " " + file);
  ASSERT_EQ(run.exit_code, 0) << run.output << log_;
  EXPECT_EQ(Device().peers.size(), 2u);
  EXPECT_EQ(Device().listen_port, 7);

  OnServer([&] { device_.device.peers[1].rx_bytes = 5; });
  WriteConfig(head + "[Peer]\nPublicKey = " + Key(2) + "\nAllowedIPs = 10.9.0.0/16\n" +
              "[Peer]\nPublicKey = " + Key(3) + "\n");
  run = Wg("syncconf " + name_ + " " + file);
  ASSERT_EQ(run.exit_code, 0) << run.output << log_;
  const UapiDevice synced = Device();
  ASSERT_EQ(synced.peers.size(), 2u);
  EXPECT_EQ(ToBase64(synced.peers[0].public_key), Key(2));
  EXPECT_EQ(synced.peers[0].rx_bytes, 5u) << "the peer was made anew";
  ASSERT_EQ(synced.peers[0].allowed_ips.size(), 1u);
  EXPECT_EQ(synced.peers[0].allowed_ips[0].ToString(), "10.9.0.0/16");

  run = Wg("addconf " + name_ + " " + WriteConfig("[Peer]\nPublicKey = " + Key(4) + "\n"));
  ASSERT_EQ(run.exit_code, 0) << run.output << log_;
  EXPECT_EQ(Device().peers.size(), 3u);

  run = Wg("setconf " + name_ + " /dev/null");
  ASSERT_EQ(run.exit_code, 0) << run.output << log_;
  EXPECT_TRUE(Device().peers.empty());
  EXPECT_EQ(Device().listen_port, 0);
}

TEST_F(WgToolTest, ShowconfIsWhatSetconfWasGiven) {
  const std::string file = WriteConfig("[Interface]\nListenPort = 7\nPrivateKey = " + Key(72) +
                                       "\n\n[Peer]\nPublicKey = " + Key(1) +
                                       "\nAllowedIPs = 10.1.0.0/16\nEndpoint = 192.0.2.2:5\n"
                                       "PersistentKeepalive = 25\n");
  ASSERT_EQ(Wg("setconf " + name_ + " " + file).exit_code, 0);
  EXPECT_EQ(Wg("showconf " + name_).output, Shell("cat " + file).output);
}

TEST_F(WgToolTest, ErrorReachesTheUser) {
  OnServer([&] { device_.refuse = Error{ErrorCode::kAddressInUse, "in use"}; });
  const Outcome run = Wg("set " + name_ + " listen-port 7");
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.output, HasSubstr("Address already in use"));
}

TEST_F(WgToolTest, ThousandsOfPeers) {
  std::string config = "[Interface]\nListenPort = 7\n";
  for (int i = 1; i <= 3000; ++i) {
    std::array<std::byte, kKeySize> key{static_cast<std::byte>(i), static_cast<std::byte>(i >> 8)};
    config += "[Peer]\nPublicKey = " + ToBase64(key) + "\nAllowedIPs = 10." +
              std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0/24\n";
  }
  const Outcome run = Wg("setconf " + name_ + " " + WriteConfig(config));
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(Device().peers.size(), 3000u);
  const std::string dump = Wg("show " + name_ + " dump").output;
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 3001);
}

}  // namespace
}  // namespace vireo::api
