/* What the XDP steering program and its loader agree on. Included by C for BPF and by C++. */
#ifndef VIREO_EBPF_STEERING_H
#define VIREO_EBPF_STEERING_H

#include <linux/types.h>

/* Sockets the program can steer to: one a receive queue of the NIC. */
#define VIREO_STEERING_MAX_QUEUES 64
/* Local addresses of the router that overlay packets may be sent to. */
#define VIREO_STEERING_MAX_ADDRESSES 1024

enum vireo_steering_mode {
  VIREO_STEER_ALL = 0,     /* every frame goes to the dataplane */
  VIREO_STEER_OVERLAY = 1, /* only WireGuard's UDP ports; the kernel keeps the rest */
};

/* X(constant, "name", "meaning"): what the program counts beside what the sockets count. Only
 * VIREO_STEER_OVERLAY counts. */
#define VIREO_STEERING_COUNTERS(X)                                           \
  X(VIREO_XDP_PASSED_FRAGMENT, "xdp_passed_fragment",                        \
    "IP fragment of a UDP packet, left to the kernel, which reassembles it") \
  X(VIREO_XDP_DROPPED_TRUNCATED, "xdp_dropped_truncated",                    \
    "overlay packet whose IP or UDP length goes past the frame")             \
  X(VIREO_XDP_DROPPED_TOO_SHORT, "xdp_dropped_too_short",                    \
    "overlay packet shorter than the shortest WireGuard message (32 bytes)") \
  X(VIREO_XDP_DROPPED_NOT_WIREGUARD, "xdp_dropped_not_wireguard",            \
    "overlay packet whose message type or reserved bytes are not WireGuard's")

enum vireo_steering_counter {
#define X(constant, name, meaning) constant,
  VIREO_STEERING_COUNTERS(X)
#undef X
      VIREO_STEERING_COUNTER_COUNT
};

/* Written by the loader, at any time; read by the program for every frame. */
struct vireo_steering_config {
  __u64 udp_ports[65536 / 64]; /* one bit a UDP port, host order: port 51820 is bit 51820 */
  __u8 mac[6];                 /* of the NIC: frames to another unicast MAC stay with the kernel */
  __u8 match_addresses;        /* 0: any destination address; 1: only those of the address map */
  __u8 reserved;
};

/* Key of the address map: IPv6, or IPv4 as ::ffff:a.b.c.d. */
struct vireo_steering_address {
  __u8 bytes[16];
};

#endif
