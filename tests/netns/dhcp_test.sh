#!/usr/bin/env bash
# What a network answers guests that are not ours: DHCP for udhcpc and dhclient, router
# advertisements for the kernel, ARP and neighbour discovery while the other site is down.
. "$(dirname "$0")/lib.sh"
for program in udhcpc dhclient arping ndisc6; do
  command -v $program >/dev/null || skip "$program is not installed: run deploy/setup --test"
done
. "$(dirname "$0")/router.sh"
. "$(dirname "$0")/tenants.sh"

GATEWAY=10.1.0.254
sites a b
network 7 tenant=red mtu=1400 subnet=10.1.0.0/24,$GATEWAY subnet=fd01::/64,fd01::fe dns=10.1.0.53,fd01::53
berth g1 a 7
berth g2 b 7
berth stranger a 7
# The first endpoint's IPv6 address is the one that a host makes of its MAC.
AUTONOMOUS=fd01::ff:fe00:1
endpoint 1 7 g1 10.1.0.1,$AUTONOMOUS
endpoint 2 7 g2
start_sites
for guest in g1 g2; do
  on $guest ip link set eth0 address "$(mac_of "${guest#g}")"
  on $guest ip link set eth0 mtu 1500
done

# What both clients call: keeps the words of the lease and configures the interface. udhcpc says
# `deconfig`, `bound`, `renew`, `nak`; dhclient says it in $reason.
export LEASE=$WORK/lease
cat >"$WORK/on-lease" <<'SCRIPT'
#!/bin/bash
what=${reason:-$1} ip=${new_ip_address:-$ip} mask=${new_subnet_mask:-$subnet}
case ${what,,} in
  bound | renew | rebind | reboot)
    ip link set eth0 mtu "${new_interface_mtu:-$mtu}"
    ip address replace "$ip/$mask" dev eth0
    ip route replace default via "${new_routers:-$router}" dev eth0
    ;;
  deconfig | preinit) ip link set eth0 up ;;
  stop | release) ip address flush dev eth0 scope global ;;
esac
echo "${what,,} $ip/$mask ${new_routers:-$router} ${new_domain_name_servers:-$dns} ${new_interface_mtu:-$mtu}" >>"$LEASE"
SCRIPT
chmod +x "$WORK/on-lease"
# lease EVENT: the last one has all that the record says. udhcpc has the mask as a length, too.
lease() {
  grep -qE "^$1 10\.1\.0\.1/(24|255\.255\.255\.0) $GATEWAY 10\.1\.0\.53 1400$" "$LEASE" ||
    fail "no \"$1\" with what the record says: $(cat "$LEASE")"
}
answers() { grep -q "^$1" "$LEASE"; }
# configured: the guest has its address and nothing else, and reaches the other site.
configured() {
  [ "$(on g1 ip -4 -brief address show dev eth0 | awk '{print $3}')" = 10.1.0.1/24 ] ||
    fail "g1 has $(on g1 ip -4 -brief address show dev eth0)"
  pings g1 10.1.0.2
}
unconfigure() {
  on g1 ip address flush dev eth0 scope global
  : >"$LEASE"
}
wake g2 2

step "udhcpc: an address, and a renewal"
: >"$LEASE"
on g1 ip link set eth0 up
serve g1 udhcpc -f -n -i eth0 -s "$WORK/on-lease" -t 5 -T 1 -A 1 -O mtu
client=$served
wait_for 15 "udhcpc's lease" answers bound
lease bound
configured
kill -USR1 "$client" # renew now, by unicast to the server
wait_for 10 "udhcpc's renewal" answers renew
lease renew
kill "$client"
wait "$client" || true
unconfigure

step "udhcpc wants another address and gets its own"
on g1 timeout 15 udhcpc -f -n -q -i eth0 -r 10.1.0.99 -s "$WORK/on-lease" -t 5 -T 1 -A 1 -O mtu \
  >"$WORK/log/udhcpc" 2>&1 || fail "udhcpc got no lease"
lease bound
unconfigure

step "dhclient: an address, and a renewal"
cat >"$WORK/dhclient.conf" <<'CONF'
timeout 10;
retry 2;
initial-interval 1;
request subnet-mask, routers, domain-name-servers, interface-mtu;
supersede dhcp-renewal-time 1;
CONF
# dhclient_start LEASES: in the foreground until dhclient_stop.
dhclient_start() {
  serve g1 env -u reason dhclient -4 -d -v -cf "$WORK/dhclient.conf" -sf "$WORK/on-lease" -lf "$1" \
    -pf "$WORK/dhclient.pid" -e "LEASE=$LEASE" eth0
  client=$served
}
dhclient_stop() {
  kill "$client"
  wait "$client" || true
}
touch "$WORK/leases"
dhclient_start "$WORK/leases"
wait_for 15 "dhclient's lease" answers bound
lease bound
configured
wait_for 10 "dhclient's renewal" answers renew
lease renew
dhclient_stop

step "dhclient starts again: its lease is confirmed"
unconfigure
dhclient_start "$WORK/leases"
wait_for 15 "the confirmation" answers reboot
lease reboot
dhclient_stop

step "dhclient has a lease of somewhere else: it is refused and gets its own"
unconfigure
sed -i 's/10\.1\.0\.1;/10.1.0.99;/' "$WORK/leases"
dhclient_start "$WORK/leases"
wait_for 20 "dhclient's new lease" answers bound
grep -q "DHCPNAK" "$WORK/log/g1-env" || fail "nobody refused the address: $(cat "$WORK/log/g1-env")"
lease bound
configured
dhclient_stop

step "who is no endpoint gets nothing"
on stranger ip link set eth0 address 02:00:00:00:00:99
on stranger ip link set eth0 up
ask_in_vain() {
  ! on stranger timeout 10 udhcpc -f -n -q -i eth0 -s "$WORK/on-lease" -t 2 -T 1 -A 1 \
    >"$WORK/log/stranger" 2>&1 || fail "a stranger got a lease: $(cat "$WORK/log/stranger")"
}
drops_more a source_mac_spoofed ask_in_vain

step "router advertisements: default route, address and MTU in the kernel"
on g1 ip link set eth0 down
on g1 sysctl -qw net.ipv6.conf.eth0.accept_ra=1 net.ipv6.conf.eth0.router_solicitations=3 \
  net.ipv6.conf.eth0.router_solicitation_delay=0 net.ipv6.conf.eth0.router_solicitation_interval=1 \
  net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra_mtu=1
on g1 ip link set eth0 mtu 1500
on g1 ip link set eth0 up
has_address() { on g1 ip -6 -brief address show dev eth0 | grep -q "$AUTONOMOUS/64"; }
wait_for 15 "the kernel's own address" has_address
on g1 ip -6 route show default | grep -q 'via fe80::56:49ff:fe52:454f dev eth0' ||
  fail "no default route: $(on g1 ip -6 route show)"
[ "$(on g1 sysctl -n net.ipv6.conf.eth0.mtu)" = 1400 ] || fail "the kernel did not take the MTU"
pings g1 fd01::2
pings g1 fd01::fe

step "ARP and ND are answered while the other site is down"
kill "${ROUTER[b]}"
wait "${ROUTER[b]}" || true
on g1 arping -c 2 -w 5 -I eth0 10.1.0.2 >"$WORK/arping" || fail "no answer to ARP: $(cat "$WORK/arping")"
grep -qi "$(mac_of 2)" "$WORK/arping" || fail "ARP has another MAC: $(cat "$WORK/arping")"
grep -q "Received 2 response" "$WORK/arping" || fail "not one answer each: $(cat "$WORK/arping")"
on g1 ndisc6 -1 -w 2000 fd01::2 eth0 >"$WORK/ndisc6" || fail "no answer to ND: $(cat "$WORK/ndisc6")"
grep -qi "$(mac_of 2)" "$WORK/ndisc6" || fail "ND has another MAC: $(cat "$WORK/ndisc6")"
ask_for_nobody() {
  ! on g1 arping -c 1 -w 1 -I eth0 10.1.0.77 >/dev/null || fail "nobody's address was answered"
}
drops_more a target_unknown ask_for_nobody
stop_router "${ROUTER[a]}" a
