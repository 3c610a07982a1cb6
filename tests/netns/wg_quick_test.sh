#!/usr/bin/env bash
# The real wg-quick with our program as its user-space implementation.
. "$(dirname "$0")/lib.sh"

netns a b
link a eth0 b eth0
address a eth0 192.0.2.1/24
address b eth0 192.0.2.2/24
keys us go
wireguard b wg1 go
configure b wg1 go 51821 10.0.0.2/24 fd00::2/64
on b wg set wg1 peer "$(pub us)" allowed-ips 10.0.0.1/32,fd00::1/128,10.1.0.0/16

# wg-quick runs its implementation with the interface's name alone, as wireguard-go is run.
if [ "$VIREO_WG" = "$DATAPLANE wg" ]; then
  PATH=$BIN:$PATH
  implementation=$TESTS/../deploy/vireo-wg
else
  implementation=$VIREO_WG
fi
(umask 077 && cat >"$WORK/vireo0.conf") <<CONF
[Interface]
PrivateKey = $(cat "$WORK/us.key")
ListenPort = 51820
Address = 10.0.0.1/24, fd00::1/64
MTU = 1420
PostUp = touch $WORK/post-up-%i

[Peer]
PublicKey = $(pub go)
AllowedIPs = 10.0.0.2/32, fd00::2/128, 10.2.0.0/16
Endpoint = 192.0.2.2:51821
PersistentKeepalive = 25
CONF
quick() {
  on a env PATH="$PATH" WG_QUICK_USERSPACE_IMPLEMENTATION="$implementation" \
    wg-quick "$1" "$WORK/vireo0.conf" >"$WORK/log/wg-quick" 2>&1 </dev/null ||
    fail "wg-quick $1 exited with $?"
}
for round in 1 2; do
  step "wg-quick up, round $round"
  quick up
  [ -e "$WORK/post-up-vireo0" ] || fail "PostUp did not run"
  process_of a vireo0
  pings a 10.0.0.2
  pings b fd00::1
  on a ip route get 10.2.3.4 | grep -q 'dev vireo0' || fail "the route of AllowedIPs is missing"
  on a wg showconf vireo0 | grep -q 'PersistentKeepalive = 25' || fail "keepalive was not set"
  step "wg-quick save keeps what was set"
  on a wg set vireo0 peer "$(pub go)" persistent-keepalive 21
  quick save
  grep -q 'PersistentKeepalive = 21' "$WORK/vireo0.conf" || fail "wg-quick save lost a setting"
  sed -i 's/= 21/= 25/' "$WORK/vireo0.conf"
  step "wg-quick down"
  quick down
  wait_for 5 "the end of the process" gone "$process"
  ! on a ip link show vireo0 >/dev/null 2>&1 || fail "the interface is still there"
  [ ! -e /run/wireguard/vireo0.sock ] || fail "the socket is still there"
done
