#include "dataplane/port/tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace vireo {
namespace {

// Since Linux 6.2; older headers lack them.
constexpr unsigned kTunUdpSegmentation = 0x20 | 0x40;  // TUN_F_USO4, TUN_F_USO6
constexpr unsigned kTunTcpSegmentation = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
constexpr int kVnetHeaderSize = 10;  // sizeof(virtio_net_hdr)

// The kernel's own rules (dev_valid_name), before it answers a mere EINVAL.
bool IsInterfaceName(std::string_view name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    return c == '/' || c == ':' || static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
  });
}

ifreq Request(std::string_view name) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1));
  return request;
}

Error NoTun(int number) {
  switch (number) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
      return {ErrorCode::kUnsupported,
              "/dev/net/tun is missing: load the module (modprobe tun), or give the container the "
              "device (--device /dev/net/tun)"};
    case EPERM:
    case EACCES:
      return {ErrorCode::kPermissionDenied, "/dev/net/tun may not be opened: run as root"};
    default:
      return SystemError("/dev/net/tun cannot be opened", number);
  }
}

Error CannotMake(const std::string& name, int number) {
  const std::string quoted = "interface '" + name + "'";
  switch (number) {
    case EPERM:
    case EACCES:
      return {ErrorCode::kPermissionDenied,
              quoted + " may not be made: run as root or with CAP_NET_ADMIN"};
    case EBUSY:
      return {ErrorCode::kAlreadyExists,
              quoted + " is in use by another process: stop that one or choose another name"};
    case EINVAL:
      if (if_nametoindex(name.c_str()) != 0) {
        return {ErrorCode::kAlreadyExists,
                quoted + " exists and is of another kind: delete it (ip link delete " + name +
                    ") or choose another name"};
      }
      [[fallthrough]];
    default:
      return SystemError(quoted + " cannot be made", number);
  }
}

}  // namespace

Result<TunDevice> TunDevice::Open(const std::string& name, TunMode mode, std::uint16_t queues,
                                  std::uint16_t mtu) {
  if (!IsInterfaceName(name)) {
    return Error{ErrorCode::kInvalidArgument,
                 "interface name '" + name +
                     "' is not valid: use 1 to 15 characters without '/', ':' or spaces"};
  }
  TunDevice device;
  device.control_ = FileDescriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!device.control_.is_open()) return SystemError("cannot make a control socket", errno);
  const auto flags = static_cast<short>((mode == TunMode::kTap ? IFF_TAP : IFF_TUN) |
                                        (queues > 1 ? IFF_MULTI_QUEUE : 0));
  const std::string* wanted = &name;
  for (std::uint16_t i = 0; i < queues; ++i) {
    if (Status opened = device.OpenQueue(*wanted, flags); !opened) return opened.error();
    wanted = &device.name_;  // the other queues join the first one's interface
  }
  device.index_ = if_nametoindex(device.name_.c_str());
  if (Status set = device.SetMtu(mtu); !set) return set.error();
  return device;
}

Status TunDevice::OpenQueue(const std::string& name, short flags) {
  FileDescriptor fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.is_open()) return NoTun(errno);
  unsigned features = 0;
  has_offload_ =
      ::ioctl(fd.get(), TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR) != 0;
  ifreq request = Request(name);
  request.ifr_flags = static_cast<short>(IFF_NO_PI | (has_offload_ ? IFF_VNET_HDR : 0) | flags);
  if (::ioctl(fd.get(), TUNSETIFF, &request) < 0) return CannotMake(name, errno);
  name_ = request.ifr_name;
  queues_.push_back(std::move(fd));
  if (has_offload_) EnableOffload();
  return {};
}

// Asks for all the kernel knows. Without TCP segmentation packets come one by one, complete.
void TunDevice::EnableOffload() {
  const int fd = queues_.back().get();
  int size = kVnetHeaderSize;
  ::ioctl(fd, TUNSETVNETHDRSZ, &size);
  has_udp_segmentation_ =
      ::ioctl(fd, TUNSETOFFLOAD, kTunTcpSegmentation | kTunUdpSegmentation) == 0;
  if (!has_udp_segmentation_) ::ioctl(fd, TUNSETOFFLOAD, kTunTcpSegmentation);
}

Status TunDevice::SetMtu(std::uint16_t mtu) const {
  ifreq request = Request(name_);
  request.ifr_mtu = mtu;
  if (::ioctl(control_.get(), SIOCSIFMTU, &request) == 0) return {};
  const int number = errno;
  return Error{number == EINVAL ? ErrorCode::kInvalidArgument : SystemError("", number).code,
               "interface '" + name_ + "' does not take an MTU of " + std::to_string(mtu) + ": " +
                   std::strerror(number)};
}

// The kernel's answer to `what`; the interface is found by its queue, since its name may change.
bool TunDevice::Ask(unsigned long what, ifreq& answer) const {
  return ::ioctl(queues_.front().get(), TUNGETIFF, &answer) == 0 &&
         ::ioctl(control_.get(), what, &answer) == 0;
}

net::MacAddress TunDevice::ReadMac() const {
  net::MacAddress mac;
  ifreq answer{};
  if (Ask(SIOCGIFHWADDR, answer)) {
    std::memcpy(mac.bytes.data(), answer.ifr_hwaddr.sa_data, mac.bytes.size());
  }
  return mac;
}

bool TunDevice::IsUp() const {
  ifreq answer{};
  constexpr int kUp = IFF_UP | IFF_RUNNING;
  return Ask(SIOCGIFFLAGS, answer) && (answer.ifr_flags & kUp) == kUp;
}

Result<std::uint16_t> TunDevice::ReadMtu() const {
  ifreq request{};
  if (!Ask(SIOCGIFMTU, request)) {
    return Error{ErrorCode::kNotFound, "interface '" + name_ + "' is gone"};
  }
  return static_cast<std::uint16_t>(std::min(request.ifr_mtu, 65535));
}

}  // namespace vireo
