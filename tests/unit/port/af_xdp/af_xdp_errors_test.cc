// What is said when an AF_XDP port cannot be had, and what is left behind by a killed process.
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/port/af_xdp/af_xdp_fixture.h"

extern char** environ;

namespace vireo::test {
namespace {

using AfXdpErrorsTest = AfXdpTest;

void ExpectError(const AfXdpOptions& options, ErrorCode code, const std::string& advice) {
  auto port = AfXdpPort::Open(options);
  ASSERT_FALSE(port.ok()) << "no error; expected advice: " << advice;
  const Error& error = port.error();
  EXPECT_EQ(error.code, code) << error.message;
  EXPECT_NE(error.message.find(advice), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
}

std::uint32_t AttachedProgram(const std::string& interface) {
  std::uint32_t id = 0;
  bpf_xdp_query_id(static_cast<int>(if_nametoindex(interface.c_str())), 0, &id);
  return id;
}

TEST_F(AfXdpErrorsTest, SayWhatToDo) {
  VethPair veth("v0", "p0");
  AfXdpOptions options = Options("v1");
  ExpectError(options, ErrorCode::kNotFound, "interface v1 does not exist; see `ip link`");
  options.interface = "a-name-that-is-too-long";
  ExpectError(options, ErrorCode::kInvalidArgument, "is not an interface name");
  options = Options("v0");
  options.workers = 2;
  ExpectError(options, ErrorCode::kInvalidArgument, "`ethtool -L v0 combined 2`");
  options.workers = 65;
  ExpectError(options, ErrorCode::kInvalidArgument, "1 to 64 workers");
  options = Options("v0");
  options.ring_size = 100;
  ExpectError(options, ErrorCode::kInvalidArgument, "power of two");
  options = Options("v0");
  options.pool = MakePool(512, 1000);
  ExpectError(options, ErrorCode::kInvalidArgument, "at least 1600");
  options.pool = MakePool(128, 1600);
  ExpectError(options, ErrorCode::kExhausted, "make the packet pool larger");
  EXPECT_TRUE(PoolIsWhole(options.pool));
  EXPECT_EQ(AttachedProgram("v0"), 0u);
}

TEST_F(AfXdpErrorsTest, TooManyQueuesAreRefusedToo) {
  VethPair veth("v0", "p0", 1500, 4);
  ExpectError(Options("v0"), ErrorCode::kInvalidArgument, "`ethtool -L v0 combined 1`");
}

TEST_F(AfXdpErrorsTest, MtuTooLargeForThePacketsOrForXdp) {
  VethPair veth("v0", "p0", 3600);
  ExpectError(Options("v0"), ErrorCode::kInvalidArgument, "`ip link set dev v0 mtu 1578`");
  // Fits the packets, but not veth's XDP.
  AfXdpOptions options = Options("v0");
  options.pool = MakePool(512, 3800);
  ExpectError(options, ErrorCode::kInvalidArgument, "too large for XDP");
  EXPECT_EQ(AttachedProgram("v0"), 0u);
}

TEST_F(AfXdpErrorsTest, OnePortAnInterface) {
  VethPair veth("v0", "p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  const std::uint32_t program = AttachedProgram("v0");
  EXPECT_NE(program, 0u);
  ExpectError(Options("v0"), ErrorCode::kAlreadyExists, "`ip link set dev v0 xdp off`");
  EXPECT_EQ(AttachedProgram("v0"), program);
  port.reset();
  EXPECT_EQ(AttachedProgram("v0"), 0u);
}

// Takes all effective capabilities from the thread while it lives.
class WithoutCapabilities {
 public:
  WithoutCapabilities() {
    syscall(SYS_capget, &header_, before_);
    __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {before_[0], before_[1]};
    none[0].effective = none[1].effective = 0;
    ok_ = syscall(SYS_capset, &header_, none) == 0;
  }
  ~WithoutCapabilities() { syscall(SYS_capset, &header_, before_); }
  WithoutCapabilities(const WithoutCapabilities&) = delete;
  WithoutCapabilities& operator=(const WithoutCapabilities&) = delete;
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[_LINUX_CAPABILITY_U32S_3]{};
  bool ok_ = false;
};

TEST_F(AfXdpErrorsTest, MissingPrivilegesAreNamed) {
  VethPair veth("v0", "p0");
  {
    WithoutCapabilities dropped;
    ASSERT_TRUE(dropped.ok());
    ExpectError(Options("v0"), ErrorCode::kPermissionDenied, "run as root or with CAP_");
  }
  EXPECT_NE(Open(Options("v0")), nullptr);
}

// Runs this program again as `--hold v0`, which opens a port, says so and waits.
class Holder {
 public:
  Holder() {
    int out[2];
    if (pipe(out) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    std::string arguments[] = {"holder", "--hold", "v0"};
    char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
    posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    char said[32]{};
    holds_ = read(out[0], said, sizeof said - 1) > 0 && std::string(said).starts_with("holding");
    close(out[0]);
  }
  ~Holder() { Kill(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  [[nodiscard]] bool holds() const { return holds_; }

 private:
  pid_t pid_ = -1;
  bool holds_ = false;
};

TEST_F(AfXdpErrorsTest, KilledProcessLeavesNothingAttached) {
  VethPair veth("v0", "p0");
  {
    Holder holder;
    ASSERT_TRUE(holder.holds());
    EXPECT_NE(AttachedProgram("v0"), 0u);
    holder.Kill();
  }
  // The kernel lets go of a closed link in a work queue.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (AttachedProgram("v0") != 0 && std::chrono::steady_clock::now() < end) usleep(1000);
  EXPECT_EQ(AttachedProgram("v0"), 0u);
  EXPECT_NE(Open(Options("v0")), nullptr);
}

}  // namespace

// The other side of Holder.
int HoldPort(const char* interface) {
  EalOptions eal;
  eal.huge_pages = HugePages::kNever;
  eal.memory_mib = 64;
  if (!StartEal(eal).ok()) return 1;
  AfXdpOptions options;
  options.name = "uplink";
  options.interface = interface;
  options.pool = MakePacketPool("hold", 1024, 1600);
  options.ring_size = 256;
  auto port = AfXdpPort::Open(options);
  if (!port.ok()) return 1;
  if (write(STDOUT_FILENO, "holding\n", 8) != 8) return 1;
  for (;;) pause();
}

}  // namespace vireo::test

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--hold") return vireo::test::HoldPort(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  vireo::test::StartPortTests();
  return RUN_ALL_TESTS();
}
