// Follows an interface of the kernel: up or down, its MTU, its end.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dataplane/base/result.h"

namespace vireo {

// Thread: that which runs the io_context.
class LinkMonitor {
 public:
  struct State {
    bool exists = false;
    bool up = false;         // administratively
    std::uint16_t mtu = 0;   // bytes; 65535 stands for anything larger
    friend bool operator==(const State&, const State&) = default;
  };
  using Changed = std::function<void(const State&)>;

  // Calls `changed` with the present state before it returns, and then whenever it differs.
  // Errors: kPermissionDenied and the like, from the netlink socket.
  static Result<std::unique_ptr<LinkMonitor>> Follow(boost::asio::io_context& context,
                                                     std::string interface, Changed changed);

 private:
  LinkMonitor(boost::asio::io_context& context, int netlink, std::string interface,
              Changed changed);
  void Wait();
  void Look();
  [[nodiscard]] State Read() const;

  boost::asio::posix::stream_descriptor netlink_;
  std::string interface_;
  Changed changed_;
  State last_;
  bool first_ = true;
};

}  // namespace vireo
