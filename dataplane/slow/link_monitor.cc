#include "dataplane/slow/link_monitor.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vireo {

Result<std::unique_ptr<LinkMonitor>> LinkMonitor::Follow(boost::asio::io_context& context,
                                                         std::string interface, Changed changed) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return SystemError("cannot open a netlink socket", errno);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    const int error = errno;
    close(fd);
    return SystemError("cannot follow the kernel's links", error);
  }
  std::unique_ptr<LinkMonitor> monitor(
      new LinkMonitor(context, fd, std::move(interface), std::move(changed)));
  monitor->Wait();
  monitor->Look();
  return monitor;
}

LinkMonitor::LinkMonitor(boost::asio::io_context& context, int netlink, std::string interface,
                         Changed changed)
    : netlink_(context, netlink),
      interface_(std::move(interface)),
      changed_(std::move(changed)) {}

void LinkMonitor::Wait() {
  netlink_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code& error) {
                        if (error) return;
                        // What the message says does not matter: the state is asked for anew, so
                        // lost messages (a full buffer) cannot leave us with an old one.
                        char buffer[8192];
                        while (recv(netlink_.native_handle(), buffer, sizeof buffer, 0) > 0) {
                        }
                        Wait();
                        Look();
                      });
}

void LinkMonitor::Look() {
  const State state = Read();
  if (!first_ && state == last_) return;
  first_ = false;
  last_ = state;
  changed_(state);  // may destroy this object
}

LinkMonitor::State LinkMonitor::Read() const {
  State state;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  interface_.copy(request.ifr_name, sizeof request.ifr_name - 1);
  if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
    state.exists = true;
    state.up = (request.ifr_flags & IFF_UP) != 0;
    if (ioctl(fd, SIOCGIFMTU, &request) == 0) {
      state.mtu = static_cast<std::uint16_t>(std::min(request.ifr_mtu, 65535));
    }
  }
  if (fd >= 0) close(fd);
  return state;
}

}  // namespace vireo
