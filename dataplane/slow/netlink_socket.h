// A socket to the kernel's routing tables, NETLINK_ROUTE (RFC 3549, netlink(7)).
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/result.h"

namespace vireo {

// A message to the kernel: a header, a fixed body, then attributes.
class NetlinkMessage {
 public:
  // `body` is one of the kernel's structs for `type`.
  template <typename Body>
  NetlinkMessage(std::uint16_t type, std::uint16_t flags, const Body& body) {
    header().nlmsg_type = type;
    header().nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    Append(std::as_bytes(std::span(&body, 1)));
  }

  // REQUIRES: all attributes together stay below 200 bytes.
  void Add(std::uint16_t type, ConstBytes value);
  void Add(std::uint16_t type, std::uint32_t value) {
    Add(type, std::as_bytes(std::span(&value, 1)));
  }

  [[nodiscard]] nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  [[nodiscard]] ConstBytes bytes() const { return ConstBytes(bytes_).first(size_); }

 private:
  void Append(ConstBytes bytes);

  alignas(nlmsghdr) std::array<std::byte, 256> bytes_{};
  std::size_t size_ = NLMSG_HDRLEN;
};

// A message from the kernel; spans into the receive buffer.
struct NetlinkAnswer {
  std::uint16_t type = 0;
  ConstBytes body;  // behind the header: the fixed struct, then attributes

  // Copies the fixed struct out. False if the message is too short.
  template <typename Body>
  [[nodiscard]] bool Read(Body& out) const {
    if (body.size() < sizeof out) return false;
    std::memcpy(&out, body.data(), sizeof out);
    return true;
  }
  // The value of an attribute behind a fixed struct of `Body`; empty if it is not there.
  template <typename Body>
  [[nodiscard]] ConstBytes Find(std::uint16_t type_wanted) const {
    return FindAttribute(body.size() < NLMSG_ALIGN(sizeof(Body))
                             ? ConstBytes()
                             : body.subspan(NLMSG_ALIGN(sizeof(Body))),
                         type_wanted);
  }
  static ConstBytes FindAttribute(ConstBytes attributes, std::uint16_t type);
};

// A 32-bit value of an attribute, host order; `otherwise` if it is not there.
[[nodiscard]] std::uint32_t ReadNumber(ConstBytes attribute, std::uint32_t otherwise);

// Belongs to the network namespace of the thread that opened it. One thread.
class NetlinkSocket {
 public:
  using Each = std::function<void(const NetlinkAnswer&)>;

  // `groups`: multicast groups to hear, RTMGRP_*.
  static Result<NetlinkSocket> Open(std::uint32_t groups);

  NetlinkSocket(NetlinkSocket&& other) noexcept;
  NetlinkSocket& operator=(NetlinkSocket&&) = delete;
  ~NetlinkSocket();

  // Sends a request and passes on its answers until the kernel has said all, at most a second.
  // Returns 0 or an errno. REQUIRES: no groups.
  [[nodiscard]] int Request(NetlinkMessage& message, const Each& each);

  // Passes on what has come by now, without blocking. False: the kernel had to drop some.
  [[nodiscard]] bool Receive(const Each& each);

  [[nodiscard]] int fd() const { return fd_; }

 private:
  explicit NetlinkSocket(int fd) : fd_(fd) {}
  // One datagram, from the kernel only. Returns its size, or -errno.
  [[nodiscard]] long ReceiveOnce(int flags);

  int fd_ = -1;
  std::uint32_t sequence_ = 0;
  alignas(nlmsghdr) std::array<std::byte, 32768> buffer_;
};

}  // namespace vireo
