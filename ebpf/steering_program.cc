#include "ebpf/steering_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <unistd.h>
#include <vireo_xdp.skel.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace vireo::ebpf {
namespace {

// Errors are returned, not printed.
int Quiet(enum libbpf_print_level, const char*, va_list) { return 0; }

vireo_steering_address KeyOf(const net::IpAddress& address) {
  vireo_steering_address key{};
  if (address.is_v4()) {
    key.bytes[10] = key.bytes[11] = 0xff;
    std::memcpy(&key.bytes[12], address.bytes.data(), 4);
  } else {
    std::memcpy(key.bytes, address.bytes.data(), sizeof key.bytes);
  }
  return key;
}

Error AttachError(const std::string& name, Hook hook, int number) {
  const std::string at = "attach XDP program to " + name;
  switch (number) {
    case EOPNOTSUPP:
      return {ErrorCode::kUnsupported, at + (hook == Hook::kNative ? ": its driver has no XDP"
                                                                   : ": this kernel has no XDP")};
    case EBUSY:
    case EEXIST:
      return {ErrorCode::kAlreadyExists,
              at + ": another program is attached; stop its owner or run `ip link set dev " + name +
                  " xdp off`"};
    case ERANGE:
    case EINVAL:
      return {ErrorCode::kInvalidArgument,
              at + ": the driver refuses it, most often because the MTU of " + name +
                  " or of its peer is too large for XDP; set a smaller one (`ip link set dev " +
                  name + " mtu 1500`)"};
    case EPERM:
    case EACCES:
      return {ErrorCode::kPermissionDenied,
              at + ": not permitted; run as root or with CAP_NET_ADMIN and CAP_BPF"};
    case ENODEV:
      return {ErrorCode::kNotFound, at + ": no such interface"};
    default:
      return SystemError(at, number);
  }
}

}  // namespace

Result<std::unique_ptr<SteeringProgram>> SteeringProgram::Load(Steering steering) {
  libbpf_set_print(Quiet);
  vireo_xdp* skeleton = vireo_xdp__open();
  if (skeleton == nullptr) return SystemError("open XDP program", errno);
  skeleton->rodata->steering_mode =
      steering == Steering::kAll ? VIREO_STEER_ALL : VIREO_STEER_OVERLAY;
  if (const int error = vireo_xdp__load(skeleton); error != 0) {
    vireo_xdp__destroy(skeleton);
    if (error == -EPERM || error == -EACCES) {
      return Error{
          ErrorCode::kPermissionDenied,
          "load XDP program: not permitted; run as root or with CAP_NET_ADMIN and CAP_BPF"};
    }
    return SystemError("load XDP program", -error);
  }
  return std::unique_ptr<SteeringProgram>(new SteeringProgram(skeleton));
}

SteeringProgram::~SteeringProgram() {
  Detach();
  vireo_xdp__destroy(skeleton_);
}

Status SteeringProgram::Attach(unsigned index, const std::string& name, Hook hook) {
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.flags = hook == Hook::kNative ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  const int link = bpf_link_create(fd(), static_cast<int>(index), BPF_XDP, &options);
  if (link < 0) return AttachError(name, hook, -link);
  link_ = link;
  return {};
}

void SteeringProgram::Detach() {
  if (link_ >= 0) close(link_);
  link_ = -1;
}

Status SteeringProgram::SetSocket(std::uint32_t queue, int socket) {
  if (bpf_map__update_elem(skeleton_->maps.sockets, &queue, sizeof queue, &socket, sizeof socket,
                           BPF_ANY) != 0) {
    return SystemError("steer queue " + std::to_string(queue) + " to its socket", errno);
  }
  return {};
}

void SteeringProgram::SetMac(const net::MacAddress& mac) {
  std::memcpy(skeleton_->bss->config.mac, mac.bytes.data(), mac.bytes.size());
}

void SteeringProgram::AllowPort(std::uint16_t port) {
  skeleton_->bss->config.udp_ports[port / 64] |= std::uint64_t{1} << (port % 64);
}

void SteeringProgram::RefusePort(std::uint16_t port) {
  skeleton_->bss->config.udp_ports[port / 64] &= ~(std::uint64_t{1} << (port % 64));
}

Status SteeringProgram::SetAddresses(std::span<const net::IpAddress> addresses) {
  if (addresses.size() > VIREO_STEERING_MAX_ADDRESSES) {
    return Error{ErrorCode::kExhausted, "at most " + std::to_string(VIREO_STEERING_MAX_ADDRESSES) +
                                            " addresses can be steered, not " +
                                            std::to_string(addresses.size())};
  }
  // While the map is between two states any address is taken: rather a packet too many than an
  // overlay packet lost.
  skeleton_->bss->config.match_addresses = 0;
  const bpf_map* map = skeleton_->maps.addresses;
  vireo_steering_address key;
  while (bpf_map__get_next_key(map, nullptr, &key, sizeof key) == 0) {
    bpf_map__delete_elem(map, &key, sizeof key, 0);
  }
  for (const net::IpAddress& address : addresses) {
    key = KeyOf(address);
    const std::uint8_t present = 1;
    if (bpf_map__update_elem(map, &key, sizeof key, &present, sizeof present, BPF_ANY) != 0) {
      return SystemError("steer packets to " + address.ToString(), errno);
    }
  }
  skeleton_->bss->config.match_addresses = addresses.empty() ? 0 : 1;
  return {};
}

SteeringProgram::Counters SteeringProgram::ReadCounters() const {
  Counters sums{};
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return sums;
  std::vector<std::uint64_t> values(static_cast<std::size_t>(cpus));
  for (std::uint32_t key = 0; key < sums.size(); ++key) {
    if (bpf_map__lookup_elem(skeleton_->maps.counters, &key, sizeof key, values.data(),
                             values.size() * sizeof values[0], 0) != 0) {
      continue;
    }
    for (const std::uint64_t value : values) sums[key] += value;
  }
  return sums;
}

int SteeringProgram::fd() const { return bpf_program__fd(skeleton_->progs.vireo_steer); }

}  // namespace vireo::ebpf
