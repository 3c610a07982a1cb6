/* XDP steering: which frames of a NIC go to the dataplane's AF_XDP sockets.
 *
 * Theory of operation. In mode VIREO_STEER_ALL every frame is redirected to the socket of its
 * receive queue. In mode VIREO_STEER_OVERLAY only UDP over IPv4 or IPv6, behind at most two VLAN
 * tags, to the NIC's own MAC, to one of the configured UDP ports and (if the router gave its
 * addresses) to one of them is redirected; what looks like that but cannot be WireGuard is dropped
 * and counted, and everything else, also whatever this program does not understand, stays with the
 * kernel. A queue without a socket passes its frames to the kernel in both modes.
 *
 * IP fragments stay with the kernel, the first one too: only it has a UDP header, and the kernel
 * needs all of them. A UDP socket bound to the same port receives the reassembled packet.
 * IPv6 packets with extension headers before UDP stay with the kernel as well.
 */
/* libbpf's headers want linux/bpf.h before them. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

#include "ebpf/steering.h"

#define VLAN_TAGS_MAX 2
#define IPV4_FRAGMENT_BITS 0x3fff /* more fragments, and the offset */
#define IPV6_FRAGMENT_HEADER 44
#define WIREGUARD_MESSAGE_MIN 32 /* a keepalive */

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, VIREO_STEERING_MAX_QUEUES);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, VIREO_STEERING_COUNTER_COUNT);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, VIREO_STEERING_MAX_ADDRESSES);
  __type(key, struct vireo_steering_address);
  __type(value, __u8);
} addresses SEC(".maps");

/* Set before loading, so that the verifier removes the code of the other mode. */
const volatile __u32 steering_mode = VIREO_STEER_OVERLAY;
struct vireo_steering_config config = {};

struct vlan_tag {
  __be16 control;
  __be16 type;
};

static __always_inline int Count(enum vireo_steering_counter counter, int verdict) {
  __u32 key = counter;
  __u64* value = bpf_map_lookup_elem(&counters, &key);
  if (value) ++*value;
  return verdict;
}

static __always_inline int ToDataplane(struct xdp_md* ctx) {
  return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

/* clang makes a call of memcmp, which BPF does not have. */
static __always_inline int SameMac(const __u8* a, const __u8* b) {
  __u8 difference = 0;
#pragma unroll
  for (int i = 0; i < ETH_ALEN; ++i) difference |= a[i] ^ b[i];
  return difference == 0;
}

static __always_inline int PortIsOurs(__be16 port) {
  __u32 number = bpf_ntohs(port);
  return config.udp_ports[number / 64] >> (number % 64) & 1;
}

static __always_inline int AddressIsOurs(const struct vireo_steering_address* address) {
  return !config.match_addresses || bpf_map_lookup_elem(&addresses, address) != 0;
}

/* `udp` is readable and its port is ours; `ip_payload` is what the IP header says follows it. */
static __always_inline int Overlay(struct xdp_md* ctx, const struct udphdr* udp, const void* end,
                                   __u32 ip_payload) {
  const __u8* message = (const void*)(udp + 1);
  __u32 size = bpf_ntohs(udp->len);
  if (size < sizeof *udp + WIREGUARD_MESSAGE_MIN) {
    return Count(VIREO_XDP_DROPPED_TOO_SHORT, XDP_DROP);
  }
  if (size > ip_payload || (const void*)(message + WIREGUARD_MESSAGE_MIN) > end ||
      size > (__u64)(end - (const void*)udp)) {
    return Count(VIREO_XDP_DROPPED_TRUNCATED, XDP_DROP);
  }
  if (message[0] < 1 || message[0] > 4 || (message[1] | message[2] | message[3])) {
    return Count(VIREO_XDP_DROPPED_NOT_WIREGUARD, XDP_DROP);
  }
  return ToDataplane(ctx);
}

static __always_inline int SteerIpv4(struct xdp_md* ctx, const struct iphdr* ip, const void* end) {
  if ((const void*)(ip + 1) > end || ip->protocol != IPPROTO_UDP) return XDP_PASS;
  if (ip->version != 4 || ip->ihl < 5) return XDP_PASS;
  if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_BITS)) {
    return Count(VIREO_XDP_PASSED_FRAGMENT, XDP_PASS);
  }
  __u32 header = ip->ihl * 4;
  __u32 total = bpf_ntohs(ip->tot_len);
  const struct udphdr* udp = (const void*)ip + header;
  if ((const void*)(udp + 1) > end || !PortIsOurs(udp->dest)) return XDP_PASS;
  struct vireo_steering_address address = {};
  address.bytes[10] = address.bytes[11] = 0xff;
  __builtin_memcpy(&address.bytes[12], &ip->daddr, sizeof ip->daddr);
  if (!AddressIsOurs(&address)) return XDP_PASS;
  return Overlay(ctx, udp, end, total > header ? total - header : 0);
}

static __always_inline int SteerIpv6(struct xdp_md* ctx, const struct ipv6hdr* ip,
                                     const void* end) {
  if ((const void*)(ip + 1) > end || ip->version != 6) return XDP_PASS;
  if (ip->nexthdr == IPV6_FRAGMENT_HEADER) {
    const __u8* next = (const void*)(ip + 1);
    int is_udp = (const void*)(next + 1) <= end && *next == IPPROTO_UDP;
    return is_udp ? Count(VIREO_XDP_PASSED_FRAGMENT, XDP_PASS) : XDP_PASS;
  }
  const struct udphdr* udp = (const void*)(ip + 1);
  if (ip->nexthdr != IPPROTO_UDP || (const void*)(udp + 1) > end || !PortIsOurs(udp->dest)) {
    return XDP_PASS;
  }
  struct vireo_steering_address address;
  __builtin_memcpy(&address, &ip->daddr, sizeof address);
  if (!AddressIsOurs(&address)) return XDP_PASS;
  return Overlay(ctx, udp, end, bpf_ntohs(ip->payload_len));
}

SEC("xdp")
int vireo_steer(struct xdp_md* ctx) {
  if (steering_mode == VIREO_STEER_ALL) return ToDataplane(ctx);

  const void* end = (const void*)(long)ctx->data_end;
  const struct ethhdr* ethernet = (const void*)(long)ctx->data;
  if ((const void*)(ethernet + 1) > end) return XDP_PASS;
  /* On a NIC in promiscuous mode (a bridge's uplink) frames of others come by here too. */
  if (!SameMac(ethernet->h_dest, config.mac)) return XDP_PASS;

  __be16 type = ethernet->h_proto;
  const void* next = ethernet + 1;
#pragma unroll
  for (int i = 0; i < VLAN_TAGS_MAX; ++i) {
    if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD)) break;
    const struct vlan_tag* tag = next;
    if ((const void*)(tag + 1) > end) return XDP_PASS;
    type = tag->type;
    next = tag + 1;
  }
  if (type == bpf_htons(ETH_P_IP)) return SteerIpv4(ctx, next, end);
  if (type == bpf_htons(ETH_P_IPV6)) return SteerIpv6(ctx, next, end);
  return XDP_PASS;
}

const char program_license[] SEC("license") = "Apache-2.0";
