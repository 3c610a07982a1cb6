#!/usr/bin/env bash
# Two QEMU guests on vhost-user ports at two sites of one network: addresses by DHCP, pings, TCP both
# ways with large segments, and what an idle guest costs its router.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/vms.sh"

HOME=([1]=a [2]=b [3]=c)
sites "$(vhost_port a)" "$(vhost_port b)" 'kind = "af_xdp"
interface = "vm0"'

# Both send a file and take one; whoever is first waits for the other. nc ends when its input does, so
# the receiver has one that does not.
transfers='head -c 4000000 /dev/urandom >/file
sha256sum </file | sed "s/^/guest: sent /"
nc -l -p 5301 </dev/ttyS0 | sha256sum | sed "s/^/guest: received /" &
until ping -c 1 -W 1 PEER >/dev/null; do :; done
ping -c 10 PEER | sed -n "s/^/guest: pings: /;/received/p"
ping -c 3 -s 1300 PEER | sed -n "s/^/guest: large pings: /;/received/p"
until nc PEER 5301 </file; do sleep 1; done
wait
echo "guest: idle"
sleep 12'
image 1 "${transfers//PEER/10.1.0.2}"
image 2 "${transfers//PEER/10.1.0.1}"

step "two guests boot"
boot 1 a one
one=$guest
boot 2 b two
two=$guest
for name in one two; do
  wait_for 100 "an address of guest $name" said $name "address"
done
said one "address 10.1.0.1/24" || fail "guest one: $(grep -a 'guest: address' "$WORK/log/one")"
said two "address 10.1.0.2/24" || fail "guest two: $(grep -a 'guest: address' "$WORK/log/two")"

step "they reach each other"
for name in one two; do
  wait_for 100 "the transfers of guest $name" said $name idle
  said $name "pings: 10 packets transmitted, 10 packets received" || fail "guest $name lost pings"
  said $name "large pings: 3 packets transmitted, 3 packets received" ||
    fail "guest $name lost large pings"
done
sum_of() { grep -aoE "guest: $2 [0-9a-f]+" "$WORK/log/$1" | cut -d' ' -f3; }
[ "$(sum_of one sent)" = "$(sum_of two received)" ] || fail "guest one's file arrived damaged"
[ "$(sum_of two sent)" = "$(sum_of one received)" ] || fail "guest two's file arrived damaged"

step "idle guests cost their routers next to nothing"
ticks() { awk '{print $14 + $15}' "/proc/${ROUTER[$1]}/stat"; }
sleep 1
before=$(ticks a)
sleep 5
used=$(($(ticks a) - before))
echo "    $used of $((5 * $(getconf CLK_TCK))) ticks"
[ $((used * 50)) -le $((5 * $(getconf CLK_TCK))) ] || fail "an idle router took $used ticks in 5 s"

step "the guests leave"
for pid in "$one" "$two"; do wait_for 60 "a guest's power-off" gone "$pid"; done
wait_for 5 "the port's going down" eval \
  "vireo a ports | jq -e '.ports[] | select(.name == \"vm\") | .up | not'"
for site in $SITES; do stop_router "${ROUTER[$site]}" "$site"; done
