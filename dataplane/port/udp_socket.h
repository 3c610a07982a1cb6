// The kernel's UDP sockets of a port: one for each family and queue, all on one port number.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/port/file_descriptor.h"

namespace vireo {

// Since Linux 4.18 and 5.0; older headers lack them.
inline constexpr int kUdpSegment = 103;  // UDP_SEGMENT
inline constexpr int kUdpGro = 104;      // UDP_GRO

struct UdpSockets {
  std::uint16_t port = 0;              // bound, host order
  std::vector<FileDescriptor> v4, v6;  // one a queue; empty if the host lacks the family
  bool can_segment = false;            // the kernel knows UDP_SEGMENT
};

// Which families to open.
enum class Families : std::uint8_t {
  kAvailable,  // IPv6 only if the host has it
  kIpv4,
  kBoth,
};

// Opens and binds non-blocking sockets to all local addresses at `port` (0: the kernel chooses),
// marked with `fwmark` (0: not). They report TOS, drops and, with GRO, segment sizes. As with
// kernel WireGuard, packets never carry DF: too large ones are fragmented (IP_PMTUDISC_DONT).
// Errors: kAddressInUse, kPermissionDenied (low port, fwmark), kExhausted.
Result<UdpSockets> OpenUdpSockets(std::uint16_t port, std::uint16_t queues, std::uint32_t fwmark,
                                  Families families);

// What becomes of packets that are larger than the path: cut, or refused and lost.
enum class Fragmenting : bool { kAllowed, kNever };
void SetFragmenting(int socket, bool v6, Fragmenting fragmenting);

// Sets SO_MARK, 0 removes it. Thread-safe. Error kPermissionDenied without CAP_NET_ADMIN.
Status SetFwmark(const FileDescriptor& socket, std::uint32_t fwmark);

}  // namespace vireo
