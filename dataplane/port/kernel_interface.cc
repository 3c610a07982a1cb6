#include "dataplane/port/kernel_interface.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vireo {
namespace {

// Asks the kernel about interface `name` by ioctl.
class InterfaceQuery {
 public:
  explicit InterfaceQuery(const std::string& name)
      : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    name.copy(request_.ifr_name, IFNAMSIZ - 1);
  }
  ~InterfaceQuery() {
    if (fd_ >= 0) close(fd_);
  }
  InterfaceQuery(const InterfaceQuery&) = delete;
  InterfaceQuery& operator=(const InterfaceQuery&) = delete;

  // The answer, or nullptr with errno set.
  const ifreq* Ask(unsigned long what) {
    return ioctl(fd_, what, &request_) == 0 ? &request_ : nullptr;
  }
  bool AskDriver(void* command) {
    request_.ifr_data = static_cast<char*>(command);
    return ioctl(fd_, SIOCETHTOOL, &request_) == 0;
  }

 private:
  int fd_;
  ifreq request_{};
};

std::uint16_t Mtu(const ifreq& answer) {
  return static_cast<std::uint16_t>(std::clamp(answer.ifr_mtu, 0, 65535));
}

}  // namespace

Result<KernelInterface> FindKernelInterface(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return Error{ErrorCode::kInvalidArgument, "\"" + name + "\" is not an interface name"};
  }
  KernelInterface interface;
  interface.name = name;
  interface.index = if_nametoindex(name.c_str());
  if (interface.index == 0) {
    return Error{ErrorCode::kNotFound, "interface " + name + " does not exist; see `ip link`"};
  }
  InterfaceQuery query(name);
  const ifreq* answer = query.Ask(SIOCGIFHWADDR);
  if (answer == nullptr) return SystemError("read MAC of " + name, errno);
  const auto type = answer->ifr_hwaddr.sa_family;
  if (type != ARPHRD_ETHER && type != ARPHRD_LOOPBACK) {
    return Error{ErrorCode::kInvalidArgument, name + " is not an Ethernet interface"};
  }
  std::memcpy(interface.mac.bytes.data(), answer->ifr_hwaddr.sa_data, interface.mac.bytes.size());
  answer = query.Ask(SIOCGIFMTU);
  if (answer == nullptr) return SystemError("read MTU of " + name, errno);
  interface.mtu = Mtu(*answer);

  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (query.AskDriver(&channels)) {
    interface.rx_queues = static_cast<std::uint16_t>(channels.combined_count + channels.rx_count);
    interface.tx_queues = static_cast<std::uint16_t>(channels.combined_count + channels.tx_count);
  }
  return interface;
}

std::uint16_t ReadMtu(const std::string& name) {
  InterfaceQuery query(name);
  const ifreq* answer = query.Ask(SIOCGIFMTU);
  return answer == nullptr ? 0 : Mtu(*answer);
}

bool IsInterfaceUp(const std::string& name) {
  InterfaceQuery query(name);
  const ifreq* answer = query.Ask(SIOCGIFFLAGS);
  constexpr int kUp = IFF_UP | IFF_RUNNING;
  return answer != nullptr && (answer->ifr_flags & kUp) == kUp;
}

}  // namespace vireo
