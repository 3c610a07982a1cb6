#!/bin/bash
# A tap port in a bridge of the host's kernel, as a hypervisor has it, and an AF_XDP port on a veth
# at the other site, in one bridged network. The tap's host computes no checksum and cuts no
# segment of its own.
#
#   host h --- br0 --- tap0 router a eth0 --- eth0 router b vm --- eth0 host v
#   10.1.0.1                192.0.2.1         192.0.2.2              10.1.0.2
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

MAC_H=02:00:00:00:00:01 MAC_V=02:00:00:00:00:02
b64() { printf "$(printf '%s' "$1" | sed 's/../\\x&/g')" | base64; }
addresses64() { echo "[\"$(b64 "0a01000$1")\", \"$(b64 "fd01000000000000000000000000000$1")\"]"; }
# site_file NAME NUMBER OTHER PORT_TOML
site_file() {
  router_head "$1" "$1" never
  cat <<TOML
vtep = ["10.9.0.$2"]
[[port]]
name = "up"
role = "uplink"
kind = "socket"
listen_port = 51820
[[port]]
name = "hosts"
role = "bridged"
$4
[[peer]]
name = "$3"
public_key = "$(pub "$3")"
endpoint = "192.0.2.$((3 - $2)):51820"
allowed_ips = ["10.9.0.$((3 - $2))/32"]
TOML
}
# batch OTHER OTHER_NUMBER PLACE_OF_H PLACE_OF_V
batch() {
  cat <<JSON
{"changes": [
  {"put_router": {"public_key": "$(pub "$1")", "name": "$1", "vtep": "$(b64 "0a09000$2")"}},
  {"put_network": {"vni": 7, "tenant": "t"}},
  {"attach_port": {"port": "hosts", "vni": 7}},
  {"put_member": {"vni": 7, "router": "$(pub "$1")"}},
  {"put_endpoint": {"vni": 7, "mac": "$(b64 020000000001)", "addresses": $(addresses64 1), $3}},
  {"put_endpoint": {"vni": 7, "mac": "$(b64 020000000002)", "addresses": $(addresses64 2), $4}}]}
JSON
}
# iperf SERVER_NS CLIENT_NS ADDRESS [OPTION...]: three seconds of TCP to the server; prints the rate.
iperf() {
  local server=$1 client=$2 to=$3
  shift 3
  serve "$server" iperf3 -s -1 -p 5201
  local pid=$served
  wait_for 10 "iperf3's server" listening "$server" 5201
  on "$client" timeout 30 iperf3 -c "$to" -p 5201 -t 3 -J "$@" >"$WORK/iperf" 2>&1 ||
    fail "iperf3 to $to: $(jq -r .error "$WORK/iperf" 2>/dev/null || head -c 300 "$WORK/iperf")"
  wait "$pid" || true
  jq -r '.end.sum_received.bits_per_second / 1e6 | floor | "    \(.) Mbit/s"' "$WORK/iperf"
  jq -e '.end.sum_received.bits_per_second > 2e7' "$WORK/iperf" >/dev/null || fail "iperf3 to $to crawls"
}

netns a b h v
link a eth0 b eth0
link b vm v eth0
address a eth0 192.0.2.1/24
address b eth0 192.0.2.2/24
plain_frames v eth0
keys a b
site_file a 1 b 'kind = "tap"
interface = "tap0"' >"$WORK/a.toml"
site_file b 2 a 'kind = "af_xdp"
interface = "vm"' >"$WORK/b.toml"
router a "$WORK/a.toml"
a=$router
router b "$WORK/b.toml"
b=$router
batch b 2 '"port": "hosts"' "\"router\": \"$(pub b)\"" | vireo a apply - >/dev/null
batch a 1 "\"router\": \"$(pub a)\"" '"port": "hosts"' | vireo b apply - >/dev/null

# The host is a namespace on the bridge that the tap is in; its veth has all its offloads.
on a ip link add br0 type bridge
on a ip link set br0 up
on a ip link set tap0 up master br0
link a to-h h eth0
on a ip link set to-h master br0
on h ip link set eth0 address $MAC_H
on v ip link set eth0 address $MAC_V
address h eth0 10.1.0.1/24 fd01::1/64
address v eth0 10.1.0.2/24 fd01::2/64

step "pings both ways, IPv4 and IPv6"
pings h 10.1.0.2 5
pings v 10.1.0.1 5
pings h fd01::2 5
pings v fd01::1 5
[ "$(vireo a ports | jq -r '.ports[] | select(.name == "hosts") | "\(.kind) \(.device) \(.up)"')" = \
  "tap tap0 true" ] || fail "vireo ports does not show the tap up: $(vireo a ports)"

step "datagrams of 1500 bytes"
pings h 10.1.0.2 3 -M dont -s 1472
pings v 10.1.0.1 3 -M dont -s 1472
sequence h v 10.1.0.2 1 1000 1300
faultless
sequence v h 10.1.0.1 1 1000 1300
faultless
# Linux asks for no fragments until it has been told what fits.
on h ping -c 1 -W 2 -M want -s 1472 10.1.0.2 >/dev/null 2>&1 || true
on v ping -c 1 -W 2 -M want -s 1472 10.1.0.1 >/dev/null 2>&1 || true
sequence h v 10.1.0.2 1 500 1472
faultless
sequence v h 10.1.0.1 1 500 1472
faultless

step "TCP both ways, IPv4 and IPv6"
head -c 3000000 /dev/urandom >"$WORK/file"
transfer h v 10.1.0.2 "$WORK/file"
transfer v h 10.1.0.1 "$WORK/file"
transfer h v fd01::2 "$WORK/file"
transfer v h fd01::1 "$WORK/file"
iperf v h 10.1.0.2
iperf v h 10.1.0.2 -R

step "what the host hands over in one piece is cut, what comes for it is joined"
# Frames through the tap's interface, as the kernel counts them, against those that the port saw.
read -r kernel_tx kernel_rx < <(on a cat /sys/class/net/tap0/statistics/tx_packets \
  /sys/class/net/tap0/statistics/rx_packets | xargs)
read -r port_rx port_tx < <(vireo a ports | jq -r '.ports[] | select(.name == "hosts") |
  "\(.counters.rx_packets) \(.counters.tx_packets)"')
echo "    out of the host: $kernel_tx pieces, $port_rx frames; into it: $kernel_rx pieces, $port_tx frames"
[ "$port_rx" -gt $((kernel_tx * 2)) ] || fail "the host's segments are not large"
[ "$port_tx" -gt $((kernel_rx * 2)) ] || fail "nothing was joined for the host"

step "ports come and go at run time, and another port's pings do not notice"
on v ping -q -i 0.01 -c 1500 -W 5 10.1.0.1 >"$WORK/steady" 2>&1 &
steady=$!
MAC_W=02:00:00:00:00:03
netns w
for cycle in $(seq 20); do
  cat >"$WORK/put.json" <<JSON
{"changes": [
  {"put_port": {"name": "late", "kind": "tap", "role": "bridged", "interface": "tap1"}},
  {"attach_port": {"port": "late", "vni": 7}},
  {"put_endpoint": {"vni": 7, "mac": "$(b64 020000000003)", "addresses": $(addresses64 3), "port": "late"}}]}
JSON
  vireo a apply "$WORK/put.json" >/dev/null || fail "put_port in cycle $cycle"
  if [ "$cycle" -eq 1 ] || [ "$cycle" -eq 20 ]; then
    on a ip link set tap1 address $MAC_W
    on a ip link set tap1 netns "$(ns w)"
    address w tap1 10.1.0.3/24
    on w ip link set tap1 up
    pings w 10.1.0.1 3 # to the other tap of the same router
  fi
  vireo a ports remove late >/dev/null || fail "remove_port in cycle $cycle"
  ! on a ip link show tap1 >/dev/null 2>&1 && ! on w ip link show tap1 >/dev/null 2>&1 ||
    fail "tap1 is left behind in cycle $cycle"
done
wait $steady || true
grep -q " 0% packet loss" "$WORK/steady" || fail "the other port lost pings: $(tail -n 3 "$WORK/steady")"
echo "    $(grep transmitted "$WORK/steady")"
vireo a ports | jq -e '[.ports[].name] == ["up", "hosts"]' >/dev/null || fail "ports are left: $(vireo a ports)"

step "a batch whose second port cannot be opened leaves nothing"
jq -n '{changes: [
  {put_port: {name: "one", kind: "tap", role: "bridged", interface: "tap1"}},
  {put_port: {name: "two", kind: "af_xdp", role: "bridged", interface: "nowhere"}}]}' >"$WORK/put.json"
! vireo a apply "$WORK/put.json" >"$WORK/refusal" 2>&1 || fail "a port on no interface was opened"
grep -q 'change 1 (put_port): port "two": ' "$WORK/refusal" || fail "the refusal says: $(cat "$WORK/refusal")"
! on a ip link show tap1 >/dev/null 2>&1 || fail "tap1 is left behind"

step "an AF_XDP port at run time"
link a late0 w eth0
plain_frames w eth0
on w ip link set eth0 address $MAC_W
address w eth0 10.1.0.3/24
vireo a ports add late --kind af_xdp --interface late0 --network 7 >/dev/null
jq -n --arg mac "$(b64 020000000003)" --argjson addresses "$(addresses64 3)" \
  '{changes: [{put_endpoint: {vni: 7, mac: $mac, addresses: $addresses, port: "late"}}]}' | vireo a apply - >/dev/null
pings w 10.1.0.1 5
vireo a ports | jq -e '.ports[] | select(.name == "late") | .spec.interface == "late0"' >/dev/null ||
  fail "the port's spec is not given back: $(vireo a ports)"
vireo a ports remove late >/dev/null
! on a ip link show late0 | grep -q xdp || fail "an XDP program is left on late0"

step "a port on a device that DPDK drives, at run time"
on w ip link set eth0 up
vireo a ports add late --kind ethdev --device net_af_xdp9,iface=late0,start_queue=0 --network 7 >/dev/null
jq -n --arg mac "$(b64 020000000003)" --argjson addresses "$(addresses64 3)" \
  '{changes: [{put_endpoint: {vni: 7, mac: $mac, addresses: $addresses, port: "late"}}]}' | vireo a apply - >/dev/null
pings w 10.1.0.1 5
transfer w h 10.1.0.1 "$WORK/file"
vireo a ports remove late >/dev/null

step "the tap goes with its router"
stop_router "$a" a
! on a ip link show tap0 >/dev/null 2>&1 || fail "tap0 is left behind"
stop_router "$b" b
