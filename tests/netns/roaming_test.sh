#!/usr/bin/env bash
# Addresses change while traffic flows: ours, theirs, and the UDP port as a NAT would do it.
. "$(dirname "$0")/lib.sh"

endpoint_of() { on "$1" wg show "$2" endpoints | awk 'NR==1{print $2}'; }
knows() { [ "$(endpoint_of "$1" "$2")" = "$3" ]; }

pair
pings a 10.0.0.2
pings b 10.0.0.1
handshake=$(handshake_of a wg0)

step "our address changes"
address a eth0 192.0.2.11/24
on a ip address del 192.0.2.1/24 dev eth0
pings a 10.0.0.2
wait_for 2 "their learning our new address" knows b wg1 192.0.2.11:51820
pings b 10.0.0.1

step "their address changes"
address b eth0 192.0.2.22/24
on b ip address del 192.0.2.2/24 dev eth0
# wireguard-go goes on sending from the address it used last; setting the endpoint makes it forget.
on b wg set wg1 peer "$(pub us)" endpoint 192.0.2.11:51820
# The packet that tells us may be answered to the old address still; none after that.
on b ping -c 1 -W 1 10.0.0.1 >"$WORK/log/first-ping" || true
wait_for 2 "our learning their new address" knows a wg0 192.0.2.22:51821
pings b 10.0.0.1
pings a 10.0.0.2

step "their port changes, as behind a NAT that forgot"
on b wg set wg1 listen-port 51999
on b ping -c 1 -W 1 10.0.0.1 >"$WORK/log/first-ping" || true
wait_for 2 "our learning their new port" knows a wg0 192.0.2.22:51999
pings b 10.0.0.1
pings a 10.0.0.2

step "our port changes by wg set"
on a wg set wg0 listen-port 51888
pings a 10.0.0.2
wait_for 2 "their learning our new port" knows b wg1 192.0.2.11:51888
pings b 10.0.0.1

step "the underlay changes from IPv4 to IPv6"
address a eth0 2001:db8::1/64
address b eth0 2001:db8::2/64
on a wg set wg0 peer "$(pub go)" endpoint '[2001:db8::2]:51999'
pings a 10.0.0.2
wait_for 2 "their learning our IPv6 address" knows b wg1 '[2001:db8::1]:51888'
pings b 10.0.0.1

[ "$(handshake_of a wg0)" = "$handshake" ] || step "note: a new handshake took place meanwhile"

step "an unauthenticated packet moves no endpoint"
on b python3 - <<'PY'
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for index in range(64):
    s.sendto(struct.pack("<IIQ", 4, index, 1) + bytes(48), ("2001:db8::1", 51888))
s.sendto(struct.pack("<I", 1) + bytes(144), ("2001:db8::1", 51888))
PY
knows a wg0 '[2001:db8::2]:51999' || fail "a forged packet moved the endpoint"
pings a 10.0.0.2
