#!/usr/bin/env bash
# The drop-in starts and ends as wireguard-go does, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"

netns a
nothing_left() {
  wait_for 5 "the end of the process" gone "$1"
  ! on a ip link show wg0 >/dev/null 2>&1 || fail "the interface is still there"
  [ ! -e /run/wireguard/wg0.sock ] || fail "the socket is still there"
  local left
  left=$(pgrep -f '(^|/)(vireo-dataplane|wireguard-go) ' || true)
  [ -z "$left" ] || fail "processes are still there: $left"
}
start() {
  wireguard a wg0 us
  process_of a wg0
}
step "the socket is ready when the command returns, and private"
start
[ "$(stat -c %a /run/wireguard/wg0.sock)" = 700 ] || [ "$(stat -c %a /run/wireguard/wg0.sock)" = 600 ] ||
  fail "others may open the socket: $(stat -c %A /run/wireguard/wg0.sock)"
[ "$(ps -o tty= -p "$process")" = '?' ] || fail "the process kept its terminal"

step "a second start on the same interface is refused"
code=0
on a timeout 10 $VIREO_WG wg0 >"$WORK/second" 2>&1 </dev/null || code=$?
[ "$code" -ne 0 ] || fail "a second process started on wg0"
on a wg show wg0 >/dev/null || fail "the first process suffered"

step "ends when the socket is deleted"
rm /run/wireguard/wg0.sock
nothing_left "$process"

step "ends when the interface is deleted"
start
on a ip link del wg0
nothing_left "$process"

step "ends on SIGTERM"
start
kill "$process"
nothing_left "$process"

step "a socket left by a killed process is no obstacle"
start
kill -KILL "$process"
wait_for 5 "the end of the process" gone "$process"
[ -e /run/wireguard/wg0.sock ] || fail "the test is wrong: SIGKILL left no socket"
start
kill "$process"
nothing_left "$process"

step "down and up: nothing is sent while down, the tunnel works again after"
netns b
link a eth0 b eth0
address a eth0 192.0.2.1/24
address b eth0 192.0.2.2/24
keys us go
start
wireguard b wg1 go
configure a wg0 us 51820 10.0.0.1/24
configure b wg1 go 51821 10.0.0.2/24
# The other side first: our keepalive starts a handshake at once, and the next is 5 s later.
on b wg set wg1 peer "$(pub us)" allowed-ips 10.0.0.1/32
on a wg set wg0 peer "$(pub go)" endpoint 192.0.2.2:51821 allowed-ips 10.0.0.2/32 \
  persistent-keepalive 1
pings a 10.0.0.2
on a ip link set wg0 down
sleep 1 # what was on its way
before=$(on b wg show wg1 transfer | cut -f2)
sleep 3
[ "$(on b wg show wg1 transfer | cut -f2)" = "$before" ] || fail "something was sent while down"
on a ip link set wg0 up
pings a 10.0.0.2
