#include "dataplane/api/uapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "dataplane/base/encoding.h"

namespace vireo::api {
namespace {

using testing::HasSubstr;

const std::string kKeyA(64, 'a');
const std::string kKeyB(64, 'b');
const std::string kZero(64, '0');

std::string Peer(std::string_view line) {
  return "public_key=" + kKeyA + "\n" + std::string(line) + "\n";
}

UapiSet Parsed(const std::string& body) {
  auto set = ParseUapiSet(body);
  EXPECT_TRUE(set.ok()) << body << ": " << (set.ok() ? "" : set.error().message);
  return set.ok() ? std::move(set).value() : UapiSet();
}

TEST(UapiSet, EmptyRequestChangesNothing) {
  for (const std::string body : {"", "\n"}) {
    const UapiSet set = Parsed(body);
    EXPECT_FALSE(set.private_key || set.listen_port || set.fwmark || set.replace_peers);
    EXPECT_TRUE(set.peers.empty());
  }
}

TEST(UapiSet, ReadsDeviceFields) {
  const UapiSet set = Parsed("private_key=" + kKeyB +
                             "\nlisten_port=51820\nfwmark=4294967295\nreplace_peers=true\n\n");
  EXPECT_EQ(ToHex(set.private_key->bytes()), kKeyB);
  EXPECT_EQ(set.listen_port, 51820);
  EXPECT_EQ(set.fwmark, 4294967295u);
  EXPECT_TRUE(set.replace_peers);
}

TEST(UapiSet, ZeroPrivateKeyIsAValueOfItsOwn) {
  const UapiSet set = Parsed("private_key=" + kZero + "\n");
  ASSERT_TRUE(set.private_key);
  EXPECT_TRUE(set.private_key->IsZero());
}

TEST(UapiSet, ReadsPeersInOrder) {
  const UapiSet set = Parsed("public_key=" + kKeyA + "\nupdate_only=true\npreshared_key=" + kKeyB +
                             "\nprotocol_version=1\nendpoint=[2001:db8::1]:51820\n"
                             "persistent_keepalive_interval=25\nreplace_allowed_ips=true\n"
                             "allowed_ip=10.0.0.1/8\nallowed_ip=-2001:db8::/32\n"
                             "vireo_suite=aes256gcm\npublic_key=" +
                             kKeyB + "\nremove=true\npublic_key=" + kKeyA + "\n\n");
  ASSERT_EQ(set.peers.size(), 3u);
  const UapiPeerSet& peer = set.peers[0];
  EXPECT_EQ(ToHex(peer.public_key), kKeyA);
  EXPECT_TRUE(peer.update_only);
  EXPECT_FALSE(peer.remove);
  EXPECT_EQ(ToHex(peer.preshared_key->bytes()), kKeyB);
  EXPECT_EQ(peer.endpoint->ToString(), "[2001:db8::1]:51820");
  EXPECT_EQ(peer.persistent_keepalive, 25);
  EXPECT_TRUE(peer.replace_allowed_ips);
  EXPECT_EQ(peer.suite, CipherSuite::kAes256Gcm);
  ASSERT_EQ(peer.allowed_ips.size(), 2u);
  EXPECT_EQ(peer.allowed_ips[0].prefix.ToString(), "10.0.0.0/8");
  EXPECT_EQ(peer.allowed_ips[0].change, UapiChange::kAdd);
  EXPECT_EQ(peer.allowed_ips[1].prefix.ToString(), "2001:db8::/32");
  EXPECT_EQ(peer.allowed_ips[1].change, UapiChange::kRemove);
  EXPECT_TRUE(set.peers[1].remove);
  EXPECT_EQ(ToHex(set.peers[2].public_key), kKeyA);
  EXPECT_FALSE(set.peers[2].suite || set.peers[2].endpoint || set.peers[2].persistent_keepalive);
}

TEST(UapiSet, ReplaceForgetsAllowedIpsGivenBeforeIt) {
  const UapiSet set =
      Parsed(Peer("allowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=11.0.0.0/8"));
  ASSERT_EQ(set.peers[0].allowed_ips.size(), 1u);
  EXPECT_EQ(set.peers[0].allowed_ips[0].prefix.ToString(), "11.0.0.0/8");
}

TEST(UapiSet, LastLineNeedsNoNewline) { EXPECT_EQ(Parsed("listen_port=7").listen_port, 7); }

TEST(UapiSet, StopsAtEmptyLine) {
  EXPECT_FALSE(Parsed("listen_port=7\n\nnonsense").fwmark.has_value());
}

TEST(UapiSet, RefusesEveryInvalidForm) {
  const std::string long_line = "endpoint=" + std::string(kUapiMaxLine, '1');
  const struct {
    std::string body;
    std::string message;
    ErrorCode code = ErrorCode::kInvalidArgument;
  } kCases[] = {
      {"nonsense\n", "line 1 of set: not KEY=VALUE", ErrorCode::kProtocol},
      {"listen_port=1\nx\n", "line 2 of set: not KEY=VALUE", ErrorCode::kProtocol},
      {"colour=blue\n", "colour is no key of a device"},
      {"=\n", "is no key of a device"},
      {"set=1\n", "set is no key of a device"},
      {"Private_key=" + kKeyA + "\n", "is no key of a device"},
      {"private_key=\n", "64 hexadecimal digits"},
      {"private_key=" + kKeyA + "a\n", "64 hexadecimal digits"},
      {"private_key=" + std::string(63, 'a') + "\n", "64 hexadecimal digits"},
      {"private_key=" + std::string(63, 'a') + "g\n", "64 hexadecimal digits"},
      {"listen_port=\n", "0 to 65535"},
      {"listen_port=65536\n", "0 to 65535"},
      {"listen_port=-1\n", "0 to 65535"},
      {"listen_port=+1\n", "0 to 65535"},
      {"listen_port=0x10\n", "0 to 65535"},
      {"listen_port=1 \n", "unprintable"},
      {"listen_port= 1\n", "unprintable"},
      {"fwmark=4294967296\n", "0 to 4294967295"},
      {"fwmark=off\n", "0 to 4294967295"},
      {"replace_peers=false\n", "can only be \"true\""},
      {"replace_peers=1\n", "can only be \"true\""},
      {"preshared_key=" + kKeyA + "\n", "is no key of a device"},
      {"endpoint=192.0.2.1:1\n", "is no key of a device"},
      {"allowed_ip=10.0.0.0/8\n", "is no key of a device"},
      {"public_key=xyz\n", "64 hexadecimal digits"},
      {"listen_port=1\n\r\n", "not KEY=VALUE", ErrorCode::kProtocol},
      {"listen_port=1\r\n", "unprintable"},
      {std::string("endpoint=\0\n", 11), "unprintable"},
      {Peer("private_key=" + kKeyA), "is no key of a peer"},
      {Peer("listen_port=1"), "is no key of a peer"},
      {Peer("replace_peers=true"), "is no key of a peer"},
      {Peer("last_handshake_time_sec=1"), "is no key of a peer"},
      {Peer("rx_bytes=1"), "is no key of a peer"},
      {Peer("remove=yes"), "can only be \"true\""},
      {Peer("update_only=false"), "can only be \"true\""},
      {Peer("replace_allowed_ips="), "can only be \"true\""},
      {Peer("preshared_key=" + kKeyA + "0"), "64 hexadecimal digits"},
      {Peer("endpoint="), "ADDRESS:PORT"},
      {Peer("endpoint=192.0.2.1"), "ADDRESS:PORT"},
      {Peer("endpoint=192.0.2.1:"), "ADDRESS:PORT"},
      {Peer("endpoint=192.0.2.1:0"), "ADDRESS:PORT"},
      {Peer("endpoint=192.0.2.1:65536"), "ADDRESS:PORT"},
      {Peer("endpoint=192.0.2.256:1"), "ADDRESS:PORT"},
      {Peer("endpoint=2001:db8::1:51820"), "ADDRESS:PORT"},
      {Peer("endpoint=[2001:db8::1]"), "ADDRESS:PORT"},
      {Peer("endpoint=example.org:51820"), "ADDRESS:PORT"},
      {Peer("persistent_keepalive_interval=65536"), "0 to 65535"},
      {Peer("persistent_keepalive_interval=off"), "0 to 65535"},
      {Peer("allowed_ip="), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=-"), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=+10.0.0.0/8"), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=10.0.0.0"), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=10.0.0.0/"), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=10.0.0.0/33"), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=10.0.0.0/08"), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=10.0.0.0/-1"), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=2001:db8::/129"), "ADDRESS/LENGTH"},
      {Peer("allowed_ip=10.0.0/8"), "ADDRESS/LENGTH"},
      {Peer("protocol_version=2"), "can only be 1"},
      {Peer("vireo_suite=aes"), "chacha20poly1305 or aes256gcm"},
      {Peer("vireo_suite="), "chacha20poly1305 or aes256gcm"},
      {Peer(long_line), "too long"},
  };
  for (const auto& c : kCases) {
    const auto set = ParseUapiSet(c.body);
    ASSERT_FALSE(set.ok()) << c.body;
    EXPECT_EQ(set.error().code, c.code) << c.body;
    EXPECT_THAT(set.error().message, HasSubstr(c.message)) << c.body;
    if (c.body.starts_with("public_key=" + kKeyA)) {
      EXPECT_THAT(set.error().message, HasSubstr("line 2 of set: ")) << c.body;
    }
  }
}

TEST(UapiSet, ReportsOnlyFirstMistake) {
  const auto set = ParseUapiSet("listen_port=a\nfwmark=b\n");
  EXPECT_THAT(set.error().message, HasSubstr("line 1 of set: listen_port"));
}

TEST(UapiSetParser, IsNewAfterFinish) {
  UapiSetParser parser;
  parser.Add("listen_port=a");
  EXPECT_FALSE(parser.Finish().ok());
  parser.Add("listen_port=5");
  const auto set = parser.Finish();
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set.value().listen_port, 5);
  EXPECT_FALSE(parser.Finish().value().listen_port);
}

TEST(UapiSet, RandomBytesNeverCrash) {
  std::mt19937 random(1);
  const std::string seed = "listen_port=1\n" + Peer("allowed_ip=10.0.0.0/8\nendpoint=1.1.1.1:1");
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string body = seed;
    for (unsigned flips = random() % 8 + 1; flips > 0; --flips) {
      body[random() % body.size()] = static_cast<char>(random());
    }
    refused += !ParseUapiSet(body.substr(0, random() % (body.size() + 1))).ok();
  }
  EXPECT_GT(refused, 1000);
}

TEST(UapiSet, TenThousandPeersWithManyAllowedIpsParseBelowASecond) {
  std::string body;
  for (unsigned peer = 0; peer < 10000; ++peer) {
    char key[65];
    std::snprintf(key, sizeof key, "%064x", peer + 1);
    body += "public_key=" + std::string(key) + "\nreplace_allowed_ips=true\n";
    for (unsigned i = 0; i < 20; ++i) {
      body += "allowed_ip=10." + std::to_string(peer / 256) + "." + std::to_string(peer % 256) +
              "." + std::to_string(i) + "/32\n";
    }
  }
  const auto start = std::chrono::steady_clock::now();
  const UapiSet set = Parsed(body);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(set.peers.size(), 10000u);
  EXPECT_EQ(set.peers[9999].allowed_ips.size(), 20u);
  RecordProperty("seconds", std::to_string(took.count()));
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(took.count(), 1.0) << body.size() << " bytes";
#endif
}

TEST(UapiGet, WritesDeviceAndPeers) {
  UapiDevice device;
  ASSERT_TRUE(FromHex(kKeyB, device.private_key.bytes()));
  device.listen_port = 51820;
  device.fwmark = 7;
  UapiPeer peer;
  ASSERT_TRUE(FromHex(std::string(62, 'A') + "fF", peer.public_key));
  peer.endpoint = *net::UdpEndpoint::Parse("[2001:db8::1]:4");
  peer.persistent_keepalive = 25;
  peer.allowed_ips = {*net::Prefix::Parse("10.0.0.0/8"), *net::Prefix::Parse("::/0")};
  peer.last_handshake = WallTime(std::chrono::nanoseconds(1700000000123456789));
  peer.rx_bytes = UINT64_MAX;
  peer.tx_bytes = 1428;
  device.peers.push_back(peer);
  EXPECT_EQ(FormatUapiGet(device),
            "private_key=" + kKeyB + "\nlisten_port=51820\nfwmark=7\npublic_key=" +
                std::string(62, 'a') + "ff\npreshared_key=" + kZero +
                "\nprotocol_version=1\nendpoint=[2001:db8::1]:4\n"
                "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=123456789\n"
                "tx_bytes=1428\nrx_bytes=18446744073709551615\npersistent_keepalive_interval=25\n"
                "allowed_ip=10.0.0.0/8\nallowed_ip=::/0\n");
}

TEST(UapiGet, LeavesOutWhatIsNotSet) {
  EXPECT_EQ(FormatUapiGet({}), "");
  UapiDevice device;
  device.peers.emplace_back();
  const std::string text = FormatUapiGet(device);
  EXPECT_THAT(text, testing::Not(HasSubstr("endpoint")));
  EXPECT_THAT(text, testing::Not(HasSubstr("vireo_suite")));
  EXPECT_THAT(text, HasSubstr("last_handshake_time_sec=0\nlast_handshake_time_nsec=0\n"));
}

TEST(UapiGet, NamesSuiteThatIsNotWireGuards) {
  UapiDevice device;
  device.peers.emplace_back().suite = CipherSuite::kAes256Gcm;
  EXPECT_THAT(FormatUapiGet(device), HasSubstr("vireo_suite=aes256gcm\n"));
}

TEST(UapiErrno, IsNegativeAfterSetAndPositiveAfterGet) {
  const Status invalid = Error{ErrorCode::kInvalidArgument, ""};
  EXPECT_EQ(FormatUapiErrno(UapiOperation::kSet, {}), "errno=0\n\n");
  EXPECT_EQ(FormatUapiErrno(UapiOperation::kGet, {}), "errno=0\n\n");
  EXPECT_EQ(FormatUapiErrno(UapiOperation::kSet, invalid), "errno=-22\n\n");
  EXPECT_EQ(FormatUapiErrno(UapiOperation::kGet, invalid), "errno=22\n\n");
}

}  // namespace
}  // namespace vireo::api
