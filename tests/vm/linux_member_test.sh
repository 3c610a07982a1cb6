#!/usr/bin/env bash
# A stock Linux, with the kernel's own wireguard and vxlan devices, is a member of a tenant's
# network beside two Vireo sites: pings and files of both families, ARP and neighbour discovery,
# broadcasts both ways. What it must not say is dropped by name.
. "$(dirname "$0")/guest.sh"
. "$TESTS/netns/router.sh"
. "$TESTS/netns/tenants.sh"

sites a b
network 7 tenant=red subnet=10.1.0.0/24 subnet=fd01::/64
network 8 tenant=blue subnet=10.1.0.0/24 # the member does not have it
berth g1 a 7
berth g2 b 7
berth blue a 8
endpoint 1 7 g1
endpoint 2 7 g2
endpoint 1 8 blue
start_sites
for host in g1 g2; do
  wake $host "${host#g}"
  on $host sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0
done
on sw ip tuntap add mode tap name tap0
on sw ip link set tap0 master br0 up
head -c 200000 /dev/urandom >"$WORK/file"
sum=$(sha256sum <"$WORK/file" | cut -d' ' -f1)

step "both sites are told of the member"
keys member
for site in a b; do
  # 10.9.0.33 is a host of the member's own, and not its tunnel end point.
  tell $site <<LINES
router $(pub member) name=member country=HR vtep=10.9.0.3 endpoint=192.0.2.3:51820 allowed=10.9.0.3/32,10.9.0.33/32
member 7 $(pub member)
endpoint 7 $(mac_of 3) router=$(pub member) ip=$(addresses_of 3)
LINES
done

mkdir "$WORK/guest"
cp "$WORK/file" "$WORK/guest/file"
cat >"$WORK/guest/wg.conf" <<CONF
[Interface]
PrivateKey = $(cat "$WORK/member.key")
ListenPort = 51820
[Peer]
PublicKey = $(pub a)
AllowedIPs = 10.9.0.1/32
Endpoint = 192.0.2.1:51820
[Peer]
PublicKey = $(pub b)
AllowedIPs = 10.9.0.2/32
Endpoint = 192.0.2.2:51820
CONF
cat >"$WORK/guest/run.sh" <<'RUN'
real() { /real/ip "$@" || echo "guest: FAILED ip $*"; }
# join VNI VTEP MAC [SITE]: a vxlan device to both sites, or one.
join() {
  real link add vx0 type vxlan id $1 local $2 dev wg0 dstport 4789
  real link set vx0 address $3
  for router in ${4:-10.9.0.1 10.9.0.2}; do
    /real/bridge fdb append 00:00:00:00:00:00 dev vx0 dst $router || echo "guest: FAILED fdb"
  done
  real link set vx0 up
}
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts
real link add wg0 type wireguard
wg setconf wg0 /wg.conf
real address add 10.9.0.3/32 dev wg0
real link set wg0 up mtu 1420
real route add 10.9.0.0/24 dev wg0
join 7 10.9.0.3 02:00:00:00:00:03
real address add 10.1.0.3/24 broadcast 10.1.0.255 dev vx0
real address add fd01::3/64 dev vx0
echo "guest: mtu $(cat /sys/class/net/vx0/mtu)"
for to in 10.1.0.1 10.1.0.2 fd01::1 fd01::2; do
  ping -c 3 -W 10 $to | sed -n "/received/s/^/guest: ping $to: /p"
done
ping -c 3 -W 5 10.1.0.255 | sed -n 's/.*\(from [0-9.]*\).*/guest: broadcast \1/p' | sort -u
nc -l -p 5301 >/received &
nc -l -p 5302 </file &
echo "guest: listening"
wait
sha256sum </received | sed 's/^/guest: received /'

# What it must not do. lie VNI VTEP MAC ADDRESS: to site a.
lie() {
  real link del vx0
  join $1 $2 $3 10.9.0.1
  real address add $4/24 dev vx0
  ping -c 2 -W 2 10.1.0.1 >/dev/null && echo "guest: FAILED $* was answered"
}
real address add 10.9.0.33/32 dev wg0
lie 7 10.9.0.3 02:00:00:00:00:02 10.1.0.3  # another router's endpoint
lie 7 10.9.0.3 02:00:00:00:00:03 10.1.0.77 # an address that is not its own
lie 7 10.9.0.33 02:00:00:00:00:03 10.1.0.3 # not from its tunnel end point
lie 8 10.9.0.3 02:00:00:00:00:03 10.1.0.3  # a network that it does not have
lie 9 10.9.0.3 02:00:00:00:00:03 10.1.0.3  # that nobody has
real address add 10.9.0.2/32 dev wg0
lie 7 10.9.0.2 02:00:00:00:00:02 10.1.0.2  # another router's tunnel end point
echo "guest: done"
RUN

boot_guest sw tap0 192.0.2.3/24 "$WORK/guest"
wait_for 120 "the guest's traffic" said listening
step "the guest has pinged everybody"
for to in 10.1.0.1 10.1.0.2 fd01::1 fd01::2; do
  said "ping $to: 3 packets transmitted, 3 packets received" || fail "the guest lost pings to $to"
done
for from in 10.1.0.1 10.1.0.2; do
  said "broadcast from $from" || fail "the guest's broadcast did not reach $from"
done
step "and is pinged, at sizes that fit and that do not"
for host in g1 g2; do
  pings $host 10.1.0.3
  pings $host fd01::3
done
pings g1 10.1.0.3 3 -M dont -s 1472
[[ $(on g1 ip neigh show 10.1.0.3) == *"$(mac_of 3)"* ]] || fail "g1 has another MAC of the guest"
on g1 ping -b -c 3 -i 0.2 -W 5 10.1.0.255 >"$WORK/broadcast" 2>&1 || true
grep -q "from 10.1.0.3" "$WORK/broadcast" || fail "a broadcast did not reach the guest: $(cat "$WORK/broadcast")"
step "a file each way by TCP, one over IPv4 and one over IPv6"
on g1 "$TESTS/netns/transfer" send 10.1.0.3 5301 "$WORK/file" || fail "sending to the guest"
fetch g2 fd01::3 5302 "$WORK/received"
cmp -s "$WORK/file" "$WORK/received" || fail "the guest's file arrived damaged"

step "what it must not say is dropped by name"
wait_for 100 "the guest's power-off" gone "$guest"
said "received $sum" || fail "our file arrived damaged at the guest"
! grep "guest: FAILED" "$WORK/log/guest" || fail "the guest says so"
said "done" || fail "the guest did not get to its end"
for reason in source_not_at_router arp_spoofed vtep_spoofed router_not_member network_unknown source_not_allowed; do
  [ "$(dropped a $reason)" -gt 0 ] || fail "site a dropped nothing as $reason: $(vireo a drops)"
done
grep 'guest:' "$WORK/log/guest" | sed 's/^/          /'
stop_sites
