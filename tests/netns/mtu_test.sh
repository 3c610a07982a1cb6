#!/usr/bin/env bash
# Small and large links: the largest packet passes whole, one byte more does not, and files survive.
. "$(dirname "$0")/lib.sh"

head -c 3000000 /dev/urandom >"$WORK/file"
netns a b
link a eth0 b eth0 9000
address a eth0 192.0.2.1/24
address b eth0 192.0.2.2/24
keys us go
wireguard a wg0 us
wireguard b wg1 go
configure a wg0 us 51820 10.0.0.1/24 fd00::1/64
configure b wg1 go 51821 10.0.0.2/24 fd00::2/64
on a wg set wg0 peer "$(pub go)" endpoint 192.0.2.2:51821 allowed-ips 10.0.0.2/32,fd00::2/128
on b wg set wg1 peer "$(pub us)" endpoint 192.0.2.1:51820 allowed-ips 10.0.0.1/32,fd00::1/128

# at TUNNEL_MTU
at() {
  local mtu=$1
  on a ip link set wg0 mtu "$mtu"
  on b ip link set wg1 mtu "$mtu"
  step "tunnel MTU $mtu: the largest packet"
  wait_for 5 "the first ping" on a ping -n -q -c 1 -W 1 10.0.0.2
  pings a 10.0.0.2 3 -M do -s $((mtu - 28))
  pings b 10.0.0.1 3 -M do -s $((mtu - 28))
  # The kernel has no IPv6 on interfaces smaller than 1280.
  [ "$mtu" -lt 1280 ] || pings a fd00::2 3 -M do -s $((mtu - 48))
  ! on a ping -n -q -c 1 -W 1 -M do -s $((mtu - 27)) 10.0.0.2 >/dev/null 2>&1 ||
    fail "a packet of $((mtu + 1)) bytes passed a tunnel of MTU $mtu whole"
  step "tunnel MTU $mtu: fragments of a large packet"
  pings a 10.0.0.2 3 -M dont -s 20000
  step "tunnel MTU $mtu: a file each way"
  transfer a b 10.0.0.2 "$WORK/file"
  transfer b a 10.0.0.1 "$WORK/file"
}
# Overhead over IPv4: 20 IP, 8 UDP, 32 WireGuard; 80 in all is what wg-quick leaves.
at $((9000 - 80))
at 1420
on a ip link set eth0 mtu 1280
on b ip link set eth0 mtu 1280
# Padding never makes a message larger than the link: 1220 is exactly 1280 less the overhead.
at 1220
