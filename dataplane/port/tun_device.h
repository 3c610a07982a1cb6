// The kernel's TUN and TAP interfaces: opening them, their offloads, their MTU.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/port/file_descriptor.h"

struct ifreq;

namespace vireo {

// What passes: IP packets, or Ethernet frames.
enum class TunMode : bool { kTun, kTap };

// An interface with one descriptor per queue. It goes away with the last descriptor.
// Thread-safe, but for moves.
class TunDevice {
 public:
  // Makes the interface `name` ("tun%d": the kernel numbers it) in the calling thread's network
  // namespace, or takes over a persistent one, non-blocking, down, with `mtu`.
  // Errors: kInvalidArgument (name), kAlreadyExists, kPermissionDenied, kUnsupported (no TUN).
  static Result<TunDevice> Open(const std::string& name, TunMode mode, std::uint16_t queues,
                                std::uint16_t mtu);

  [[nodiscard]] int fd(std::uint16_t queue) const { return queues_[queue].get(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] unsigned index() const { return index_; }
  // Packets carry a virtio_net_hdr: checksums and segmentation may be left to the other side.
  [[nodiscard]] bool has_offload() const { return has_offload_; }
  // UDP segmentation as well (Linux 6.2 and later).
  [[nodiscard]] bool has_udp_segmentation() const { return has_udp_segmentation_; }

  // The address of the host's end of a TAP interface; all zero if there is none.
  [[nodiscard]] net::MacAddress ReadMac() const;
  // Whether it is set up, also after a rename.
  [[nodiscard]] bool IsUp() const;
  // The interface's MTU now, also after a rename. Error kNotFound once it is gone.
  [[nodiscard]] Result<std::uint16_t> ReadMtu() const;

 private:
  TunDevice() = default;
  Status OpenQueue(const std::string& name, short flags);
  bool Ask(unsigned long what, ifreq& answer) const;
  void EnableOffload();
  Status SetMtu(std::uint16_t mtu) const;

  std::vector<FileDescriptor> queues_;
  FileDescriptor control_;  // a socket in the interface's namespace, for ioctls
  std::string name_;
  unsigned index_ = 0;
  bool has_offload_ = false;
  bool has_udp_segmentation_ = false;
};

}  // namespace vireo
