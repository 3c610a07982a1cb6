#!/usr/bin/env bash
# Three sites, two tenants with the same addresses, guests of 1500 bytes, over links of 1280 and of
# 9000 bytes whose MTU the routers are told: TCP and UDP of both families work, guests are told what
# does not fit, each tenant sees only its own, and the underlay shows nothing in clear.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"
. "$(dirname "$0")/tenants.sh"

PATH_MTU=configured
sites a b c
# Without a gateway, so that the messages about sizes come from the packets' destinations.
network 7 tenant=red subnet=10.1.0.0/24 subnet=fd01::/64
network 8 tenant=blue subnet=10.1.0.0/24 subnet=fd01::/64
number=0
for site in a b c; do
  number=$((number + 1))
  berth "r$site" $site 7
  berth "b$site" $site 8
  endpoint $number 7 "r$site"
  endpoint $number 8 "b$site"
done
head -c 500000 /dev/urandom >"$WORK/file"

# underlay_mtu MTU: links of that size, and routers that are told.
underlay_mtu() {
  UPLINK=$(printf 'kind = "socket"\nmtu = %s' "$1")
  for site in a b c; do
    on sw ip link set "to-$site" mtu "$1"
    on $site ip link set eth0 mtu "$1"
  done
  start_sites
  for site in a b c; do
    wake "r$site" "${NUMBER[$site]}"
    wake "b$site" "${NUMBER[$site]}"
  done
}
# iperf TENANT NUMBER [OPTION...]: from site a's guest to that endpoint; all must arrive.
iperf() {
  local tenant=$1 server=${SITES[$2 - 1]} to=$2
  shift 2
  serve "$tenant$server" iperf3 -s -1
  wait_for 20 "iperf3" listening "$tenant$server" 5201
  on "${tenant}a" timeout 30 iperf3 -c "10.1.0.$to" -t 1 -J "$@" >"$WORK/iperf-$tenant" ||
    fail "$tenant: iperf3 $*: $(jq -r '.error // "failed"' "$WORK/iperf-$tenant")"
  jq -e '.end.sum_received // .end.sum | .bytes > 100000' "$WORK/iperf-$tenant" >/dev/null ||
    fail "$tenant: iperf3 $*: nearly nothing arrived: $(jq -c '.end.sum_received // .end.sum' "$WORK/iperf-$tenant")"
}
# received NS: packets at its interface so far.
received() { on "$1" cat /sys/class/net/eth0/statistics/rx_packets; }

step "links of 1280 bytes"
underlay_mtu 1280
watch_underlay
for guest in ra ba; do
  pings $guest 10.1.0.2
  pings $guest fd01::3
done
step "a large packet that may not be cut: its sender is told, and then knows"
# 1280 less UDP 8, IPv6 40, WireGuard 32, VXLAN 50.
too_large() { ! on ra ping -n -c 1 -W 3 -M do -s 1472 "$1" >"$WORK/large" 2>&1; }
too_large 10.1.0.2 && grep -qi 'mtu *= *1150' "$WORK/large" || fail "IPv4: $(cat "$WORK/large")"
on ra ip route get 10.1.0.2 | grep -q 'mtu 1150' || fail "the kernel does not know: $(on ra ip route get 10.1.0.2)"
pings ra 10.1.0.2 3 -M do -s 1122
pings ra fd01::3 3 -M do -s 1232 # what every IPv6 host may send passes, in the underlay's fragments
step "UDP as large as the guest's interface"
sequence ra rb 10.1.0.2 0.5 500 1472
faultless
pings ba 10.1.0.3 3 -M dont -s 1472 # cut on the way: nobody has told this guest anything
step "files by TCP, both families"
transfer ra rb 10.1.0.2 "$WORK/file"
transfer bc ba fd01::1 "$WORK/file"
stop_sites

step "links of 9000 bytes"
underlay_mtu 9000
for guest in ra ba; do pings $guest 10.1.0.2 3 -M do -s 1472; done
pings rc fd01::2 3 -M do -s 1452
sequence ra rb 10.1.0.2 0.5 500 1472
faultless
sequence rb ra fd01::1 0.5 500 1452
faultless
transfer ra rb 10.1.0.2 "$WORK/file"

step "iperf3 in both tenants at once, and each sees only its own"
before=$(received bc)
iperf r 2 & red=$!
iperf b 2 & blue=$!
wait $red && wait $blue || fail "iperf3 by TCP"
iperf r 3 -u -b 10M -l 1200 & red=$!
iperf b 2 -u -b 10M -l 1200 & blue=$!
wait $red && wait $blue || fail "iperf3 by UDP"
# What went to the red guest of site c, some 1000 packets, is not at the blue one there.
[ $(($(received bc) - before)) -lt 50 ] || fail "a guest of the other tenant got $(($(received bc) - before)) packets"

step "the underlay shows nothing in clear"
marker=VireoSecretMarker
for _ in 1 2 3; do on ra bash -c "echo $marker$marker >/dev/udp/10.1.0.2/9"; done
read_underlay $marker
stop_sites
