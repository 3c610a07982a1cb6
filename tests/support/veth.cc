#include "tests/support/veth.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vireo::test {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
  std::abort();
}

void DisableIpv6(const std::string& interface) {
  const std::string path = "/proc/sys/net/ipv6/conf/" + interface + "/disable_ipv6";
  if (std::FILE* file = std::fopen(path.c_str(), "w")) {
    std::fputs("1", file);
    std::fclose(file);
  }
}

}  // namespace

std::optional<std::string> EnterPrivateNetwork() {
  if (unshare(CLONE_NEWNET) != 0) {
    return std::string("a network namespace of its own: ") + std::strerror(errno);
  }
  DisableIpv6("default");
  return std::nullopt;
}

void Shell(const std::string& command) {
  if (std::system(command.c_str()) != 0) Die("`" + command + "` failed");
}

VethPair::VethPair(std::string name, std::string peer, unsigned mtu, unsigned queues)
    : name_(std::move(name)), peer_(std::move(peer)) {
  const std::string count = std::to_string(queues);
  const std::string each =
      " mtu " + std::to_string(mtu) + " numrxqueues " + count + " numtxqueues " + count;
  Shell("ip link add " + name_ + " address 02:00:00:00:00:01" + each + " type veth peer name " +
        peer_ + " address 02:00:00:00:00:02" + each);
  Shell("ethtool -K " + peer_ + " tx off tso off gso off gro off >/dev/null");
  Shell("ip link set " + name_ + " up");
  Shell("ip link set " + peer_ + " up");
}

VethPair::~VethPair() { Shell("ip link del " + name_); }

RawSocket::RawSocket(const std::string& interface)
    : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  const int buffer = 4 << 20;
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Die("raw socket on " + interface);
  }
}

RawSocket::~RawSocket() { close(fd_); }

void RawSocket::Send(const Frame& frame) {
  if (send(fd_, frame.data(), frame.size(), 0) != static_cast<ssize_t>(frame.size())) {
    Die("send a frame of " + std::to_string(frame.size()) + " bytes");
  }
}

std::optional<Frame> RawSocket::ReceiveWithin(int milliseconds) {
  for (;;) {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, milliseconds) <= 0) return std::nullopt;
    std::array<std::byte, 65536> buffer;
    sockaddr_ll from{};
    socklen_t from_size = sizeof from;
    const ssize_t size = recvfrom(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT,
                                  reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
    return Frame(buffer.begin(), buffer.begin() + size);
  }
}

std::optional<Frame> RawSocket::Receive() { return ReceiveWithin(1000); }
std::optional<Frame> RawSocket::ReceiveNow() { return ReceiveWithin(0); }

Frame MakeFrame(std::size_t size, std::uint32_t seed) {
  static constexpr unsigned char kHeader[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
  Frame frame(size);
  std::memcpy(frame.data(), kHeader, sizeof kHeader);
  std::uint32_t state = seed * 2654435761u + 1;
  for (std::size_t i = sizeof kHeader; i < size; ++i) {
    state = state * 1664525u + 1013904223u;
    frame[i] = static_cast<std::byte>(state >> 24);
  }
  return frame;
}

}  // namespace vireo::test
