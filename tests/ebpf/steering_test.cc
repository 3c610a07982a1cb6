// Runs packets through the loaded XDP program with BPF_PROG_TEST_RUN; nothing is attached.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ebpf/steering_program.h"
#include "tests/ebpf/frames.h"

namespace vireo::ebpf {
namespace {

constexpr net::MacAddress kMac{{2, 0, 0, 0, 0, 1}};
constexpr std::uint16_t kVlan = net::kEtherTypeVlan;
constexpr std::uint16_t kQinQ = net::kEtherTypeQinQ;

class SteeringTest : public testing::Test {
 protected:
  void Start(Steering steering) {
    auto program = SteeringProgram::Load(steering);
    if (!program.ok() && program.error().code == ErrorCode::kPermissionDenied) {
      GTEST_SKIP() << "loading BPF programs is not permitted here: " << program.error().message;
    }
    ASSERT_TRUE(program.ok()) << program.error().message;
    program_ = std::move(program).value();
    program_->SetMac(kMac);
    program_->AllowPort(51820);
    // The map takes a socket that is not bound, and a redirect to it counts as one.
    socket_ = socket(AF_XDP, SOCK_RAW, 0);
    ASSERT_GE(socket_, 0);
    const Status set = program_->SetSocket(0, socket_);
    ASSERT_TRUE(set.ok()) << set.error().message;
  }
  void TearDown() override {
    if (socket_ >= 0) close(socket_);
  }

  int Run(Frame frame, std::uint32_t queue = 0) {
    xdp_md context{};
    context.data_end = static_cast<std::uint32_t>(frame.size());
    context.rx_queue_index = queue;
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    const int error = bpf_prog_test_run_opts(program_->fd(), &options);
    EXPECT_EQ(error, 0);
    return static_cast<int>(options.retval);
  }

  std::unique_ptr<SteeringProgram> program_;
  int socket_ = -1;
};

struct Case {
  const char* what;
  FrameSpec frame{};
  int verdict;
  std::optional<vireo_steering_counter> counts = {};
};

// clang-format off
const std::vector<Case>& OverlayCases() {
  static const std::vector<Case> cases = {
    {"IPv4", {}, XDP_REDIRECT},
    {"IPv6", {.ipv6 = true}, XDP_REDIRECT},
    {"IPv4 with a VLAN tag", {.vlan_types = {kVlan}}, XDP_REDIRECT},
    {"IPv4 with two VLAN tags", {.vlan_types = {kQinQ, kVlan}}, XDP_REDIRECT},
    {"IPv6 with two VLAN tags", {.vlan_types = {kVlan, kVlan}, .ipv6 = true}, XDP_REDIRECT},
    {"three VLAN tags", {.vlan_types = {kQinQ, kVlan, kVlan}}, XDP_PASS},
    {"IPv4 with options", {.ipv4_options = 3}, XDP_REDIRECT},
    {"IPv4 with the longest header", {.ipv4_options = 10}, XDP_REDIRECT},
    {"don't fragment", {.ipv4_fragment = net::kIpv4DontFragment}, XDP_REDIRECT},
    {"handshake initiation", {.message_start = {1, 0, 0, 0}, .message_size = 148}, XDP_REDIRECT},
    {"keepalive", {.message_size = 32}, XDP_REDIRECT},

    {"another UDP port", {.port = 51821}, XDP_PASS},
    {"another UDP port, IPv6", {.ipv6 = true, .port = 53}, XDP_PASS},
    {"TCP", {.protocol = net::kProtocolTcp}, XDP_PASS},
    {"ICMPv6", {.ipv6 = true, .protocol = net::kProtocolIcmpv6}, XDP_PASS},
    {"another MAC", {.destination = {{2, 0, 0, 0, 0, 2}}}, XDP_PASS},
    {"broadcast", {.destination = net::kBroadcastMac}, XDP_PASS},

    {"first IPv4 fragment", {.ipv4_fragment = net::kIpv4MoreFragments}, XDP_PASS, VIREO_XDP_PASSED_FRAGMENT},
    {"later IPv4 fragment", {.ipv4_fragment = 185}, XDP_PASS, VIREO_XDP_PASSED_FRAGMENT},
    {"IPv6 fragment", {.ipv6 = true, .ipv6_fragment = true}, XDP_PASS, VIREO_XDP_PASSED_FRAGMENT},
    {"IPv6 fragment of TCP", {.ipv6 = true, .protocol = 6, .ipv6_fragment = true}, XDP_PASS},

    {"cut behind Ethernet", {.cut_to = 14}, XDP_PASS},
    {"cut within a VLAN tag", {.vlan_types = {kVlan}, .cut_to = 16}, XDP_PASS},
    {"cut within IPv4", {.cut_to = 33}, XDP_PASS},
    {"cut within IPv6", {.ipv6 = true, .cut_to = 53}, XDP_PASS},
    {"cut within UDP", {.cut_to = 41}, XDP_PASS},
    {"cut within IPv4 behind a VLAN tag", {.vlan_types = {kVlan}, .cut_to = 37}, XDP_PASS},

    {"cut within the message", {.cut_to = 14 + 20 + 8 + 95}, XDP_DROP, VIREO_XDP_DROPPED_TRUNCATED},
    {"cut behind UDP", {.cut_to = 14 + 20 + 8}, XDP_DROP, VIREO_XDP_DROPPED_TRUNCATED},
    {"cut within the message, IPv6", {.ipv6 = true, .cut_to = 14 + 40 + 8 + 31}, XDP_DROP, VIREO_XDP_DROPPED_TRUNCATED},
    {"UDP longer than IPv4", {.ip_length = 20 + 8 + 95}, XDP_DROP, VIREO_XDP_DROPPED_TRUNCATED},
    {"UDP longer than IPv6", {.ipv6 = true, .ip_length = 8 + 95}, XDP_DROP, VIREO_XDP_DROPPED_TRUNCATED},
    {"IPv4 length within its header", {.ip_length = 19}, XDP_DROP, VIREO_XDP_DROPPED_TRUNCATED},
    {"UDP longer than the frame", {.udp_length = 65535}, XDP_DROP, VIREO_XDP_DROPPED_TRUNCATED},
    {"one byte less than a keepalive", {.message_size = 31}, XDP_DROP, VIREO_XDP_DROPPED_TOO_SHORT},
    {"UDP length zero", {.udp_length = 0}, XDP_DROP, VIREO_XDP_DROPPED_TOO_SHORT},
    {"message type 0", {.message_start = {0, 0, 0, 0}}, XDP_DROP, VIREO_XDP_DROPPED_NOT_WIREGUARD},
    {"message type 5", {.message_start = {5, 0, 0, 0}}, XDP_DROP, VIREO_XDP_DROPPED_NOT_WIREGUARD},
    {"reserved byte set", {.message_start = {4, 0, 0, 1}}, XDP_DROP, VIREO_XDP_DROPPED_NOT_WIREGUARD},
  };
  return cases;
}
// clang-format on

TEST_F(SteeringTest, OverlayTakesOnlyWireGuardAndCountsWhatItDrops) {
  ASSERT_NO_FATAL_FAILURE(Start(Steering::kOverlay));
  if (IsSkipped()) return;
  for (const Case& c : OverlayCases()) {
    SCOPED_TRACE(c.what);
    SteeringProgram::Counters expected = program_->ReadCounters();
    if (c.counts) ++expected[*c.counts];
    EXPECT_EQ(Run(MakeFrame(c.frame)), c.verdict);
    EXPECT_EQ(program_->ReadCounters(), expected);
  }
}

TEST_F(SteeringTest, OverlayLeavesWrongIpVersionsToTheKernel) {
  ASSERT_NO_FATAL_FAILURE(Start(Steering::kOverlay));
  if (IsSkipped()) return;
  for (const bool ipv6 : {false, true}) {
    Frame frame = MakeFrame({.ipv6 = ipv6});
    ASSERT_EQ(Run(frame), XDP_REDIRECT);
    frame[14] ^= 0xf0;
    EXPECT_EQ(Run(frame), XDP_PASS);
  }
  Frame frame = MakeFrame({});
  frame[14] = 0x44;  // a header of 16 bytes
  EXPECT_EQ(Run(frame), XDP_PASS);
}

TEST_F(SteeringTest, PortsMayChangeWhileTheProgramRuns) {
  ASSERT_NO_FATAL_FAILURE(Start(Steering::kOverlay));
  if (IsSkipped()) return;
  for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{63}, std::uint16_t{65535}}) {
    const Frame frame = MakeFrame({.port = port});
    EXPECT_EQ(Run(frame), XDP_PASS) << port;
    program_->AllowPort(port);
    EXPECT_EQ(Run(frame), XDP_REDIRECT) << port;
    program_->RefusePort(port);
    EXPECT_EQ(Run(frame), XDP_PASS) << port;
  }
  EXPECT_EQ(Run(MakeFrame({})), XDP_REDIRECT);
}

TEST_F(SteeringTest, WithAddressesOnlyTheRoutersOwnAreTaken) {
  ASSERT_NO_FATAL_FAILURE(Start(Steering::kOverlay));
  if (IsSkipped()) return;
  const std::vector<net::IpAddress> own = {*net::IpAddress::Parse("192.0.2.1"),
                                           *net::IpAddress::Parse("2001:db8::1")};
  const Frame transit4 = MakeFrame({.address = "192.0.2.2"});
  const Frame transit6 = MakeFrame({.ipv6 = true, .address = "2001:db8::2"});
  EXPECT_EQ(Run(transit4), XDP_REDIRECT);
  ASSERT_TRUE(program_->SetAddresses(own).ok());
  EXPECT_EQ(Run(MakeFrame({})), XDP_REDIRECT);
  EXPECT_EQ(Run(MakeFrame({.ipv6 = true})), XDP_REDIRECT);
  EXPECT_EQ(Run(transit4), XDP_PASS);
  EXPECT_EQ(Run(transit6), XDP_PASS);
  ASSERT_TRUE(program_->SetAddresses(std::span(own).first(1)).ok());
  EXPECT_EQ(Run(MakeFrame({.ipv6 = true})), XDP_PASS);
  ASSERT_TRUE(program_->SetAddresses({}).ok());
  EXPECT_EQ(Run(transit6), XDP_REDIRECT);
}

TEST_F(SteeringTest, TooManyAddressesAreRefused) {
  ASSERT_NO_FATAL_FAILURE(Start(Steering::kOverlay));
  if (IsSkipped()) return;
  std::vector<net::IpAddress> many;
  for (std::uint32_t i = 0; i <= VIREO_STEERING_MAX_ADDRESSES; ++i) {
    many.push_back(net::IpAddress::V4(0x0a000000u + i));
  }
  const Status set = program_->SetAddresses(many);
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(program_->SetAddresses(std::span(many).first(VIREO_STEERING_MAX_ADDRESSES)).ok());
}

TEST_F(SteeringTest, AllTakesEveryFrame) {
  ASSERT_NO_FATAL_FAILURE(Start(Steering::kAll));
  if (IsSkipped()) return;
  for (const Case& c : OverlayCases()) {
    EXPECT_EQ(Run(MakeFrame(c.frame)), XDP_REDIRECT) << c.what;
  }
  EXPECT_EQ(program_->ReadCounters(), SteeringProgram::Counters{});
}

TEST_F(SteeringTest, QueueWithoutSocketPassesToTheKernel) {
  for (const Steering steering : {Steering::kAll, Steering::kOverlay}) {
    ASSERT_NO_FATAL_FAILURE(Start(steering));
    if (IsSkipped()) return;
    ASSERT_EQ(Run(MakeFrame({})), XDP_REDIRECT);
    close(socket_);
    socket_ = -1;
    EXPECT_EQ(Run(MakeFrame({})), XDP_PASS);
  }
}

TEST_F(SteeringTest, AttachingNamesWhatIsWrong) {
  ASSERT_NO_FATAL_FAILURE(Start(Steering::kAll));
  if (IsSkipped()) return;
  const Status attached = program_->Attach(0x7ffffff0, "eth-absent", Hook::kNative);
  ASSERT_FALSE(attached.ok());
  EXPECT_NE(attached.error().message.find("eth-absent"), std::string::npos)
      << attached.error().message;
}

}  // namespace
}  // namespace vireo::ebpf
