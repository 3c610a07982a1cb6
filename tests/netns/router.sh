# Sourced after lib.sh: a router with a host behind it, and a wireguard-go site to talk to.
#
#   host h --- acc0 router r eth0 --- eth0 site b (wireguard-go)
#   10.1.0.2   10.1.0.1      192.0.2.1   192.0.2.2, inside 10.0.0.2

[ -x "$DATAPLANE" ] || fail "$DATAPLANE is not built"

# begin_router NS FILE: starts a router; sets $router to its pid.
begin_router() {
  ip netns exec "$(ns "$1")" "$DATAPLANE" --config "$2" >>"$WORK/log/$1-router" 2>&1 </dev/null &
  router=$!
}
# await_router NS PID: returns when it forwards.
await_router() {
  local log=$WORK/log/$1-router
  wait_for 60 "the router's being ready in $1" eval "grep -qw ready '$log' || gone $2"
  ! gone "$2" || fail "the router in $1 ended: $(tail -n 1 "$log")"
}
# router NS FILE: both.
router() {
  begin_router "$1" "$2"
  await_router "$1" "$router"
}
# stop_router PID NS: ends it, which must be clean.
stop_router() {
  local code=0
  kill "$1"
  wait "$1" || code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 143 ] || fail "the router in $2 exited with $code"
  rm -f "$WORK/log/$2-router"
}
# router_head NAME KEY HUGEPAGES
router_head() {
  cat <<TOML
[router]
name = "$1"
private_key_file = "$WORK/$2.key"
control_socket = "$WORK/$1.control"
uapi_name = "$1"
state_dir = "$WORK/state-$1"
hugepages = "$3"
TOML
}
# vireo NAME COMMAND...: the CLI on that router, as JSON.
vireo() {
  local name=$1
  shift
  timeout 5 "$CLI" --socket "$WORK/$name.control" "$@" --json
}

router_network() {
  netns r h b
  link r eth0 b eth0
  link r acc0 h eth0
  plain_frames b eth0
  plain_frames h eth0
  address b eth0 192.0.2.2/24 2001:db8::2/64
  address h eth0 10.1.0.2/24 fd01::2/64
  on h ip route add default via 10.1.0.1
  on h ip -6 route add default via fd01::1
  keys us go
}
site_b() {
  wireguard b wg1 go
  configure b wg1 go 51821 10.0.0.2/32 fd00::2/128
  on b wg set wg1 peer "$(pub us)" allowed-ips 10.1.0.0/24,fd01::/64
  on b ip route add 10.1.0.0/24 dev wg1
  on b ip -6 route add fd01::/64 dev wg1
}
# router_file UPLINK_TOML ENDPOINT HUGEPAGES > FILE
router_file() {
  router_head site us "$3"
  cat <<TOML
[[port]]
name = "up"
role = "uplink"
listen_port = 51820
$1

[[port]]
name = "access"
role = "access"
kind = "af_xdp"
interface = "acc0"
addresses = ["10.1.0.1/24", "fd01::1/64"]

[[peer]]
name = "b"
public_key = "$(pub go)"
endpoint = "$2"
allowed_ips = ["10.0.0.2/32", "fd00::2/128"]
TOML
}
# An uplink that has its interface for itself.
ALL_FRAMES='kind = "af_xdp"
interface = "eth0"
steer = "all"
addresses = ["192.0.2.1/24", "2001:db8::1/64"]'
# plain_router: the router in r, with such an uplink, the host h behind it and wireguard-go in b.
plain_router() {
  router_network
  site_b
  router_file "$ALL_FRAMES" 192.0.2.2:51821 never >"$WORK/router.toml"
  router r "$WORK/router.toml"
  pings h 10.0.0.2
}
# exercise [AS_KERNEL]: everything a router with one host and one peer must do.
exercise() {
  pings h 10.1.0.1
  pings h 10.0.0.2 5
  pings b 10.1.0.2 5 -I 10.0.0.2
  pings h fd00::2 5
  pings b fd01::2 5 -I fd00::2
  # Inside the tunnel 1420 bytes fit; larger ones are refused with an ICMP that says so.
  pings h 10.0.0.2 3 -M do -s 1372
  head -c 3000000 /dev/urandom >"$WORK/file"
  transfer h b 10.0.0.2 "$WORK/file"
  transfer b h 10.1.0.2 "$WORK/file"
  transfer h b fd00::2 "$WORK/file"
  sequence h b 10.0.0.2 1 1000 600
  faultless
  sequence b h 10.1.0.2 1 1000 64
  faultless
  [ "$(wg show site latest-handshakes | awk '{print $2}')" -gt 0 ] || fail "wg shows no handshake"
  vireo site peers | jq -e . >/dev/null || fail "vireo peers is no JSON"
  # Both interfaces are set up and have a carrier; DPDK's name for one has the interface in it.
  [ "$(vireo site ports | jq -r '[.ports[] | select(.up) | .device] | sort | join(" ")' |
    grep -o 'acc0\|eth0' | sort | xargs)" = "acc0 eth0" ] ||
    fail "vireo ports does not show acc0 and eth0 up: $(vireo site ports)"
  vireo site drops | jq -e . >/dev/null || fail "vireo drops is no JSON"
}
no_xdp_left() {
  local interface
  for interface in eth0 acc0; do
    ! on r ip link show "$interface" | grep -q xdp || fail "an XDP program is left on $interface"
  done
}
# router_scenarios HUGEPAGES: AF_XDP with all frames and with overlay frames only, over both
# families.
router_scenarios() {
  router_network
  local file=$WORK/router.toml all=$ALL_FRAMES overlay
  overlay='kind = "af_xdp"
interface = "eth0"
steer = "overlay"'

  step "all frames of the uplink are ours, IPv4"
  site_b
  router_file "$all" 192.0.2.2:51821 "$1" >"$file"
  router r "$file"
  pings b 192.0.2.1
  pings b 2001:db8::1
  exercise
  stop_router "$router" r
  no_xdp_left
  end b wg1

  step "all frames of the uplink are ours, IPv6"
  site_b
  router_file "$all" '[2001:db8::2]:51821' "$1" >"$file"
  router r "$file"
  exercise
  stop_router "$router" r
  no_xdp_left
  end b wg1

  step "the kernel keeps the rest of the uplink"
  address r eth0 192.0.2.1/24 2001:db8::1/64
  site_b
  router_file "$overlay" 192.0.2.2:51821 "$1" >"$file"
  router r "$file"
  exercise
  pings b 192.0.2.1
  plain_frames r eth0
  head -c 1000000 /dev/urandom >"$WORK/file"
  transfer b r 192.0.2.1 "$WORK/file" # the kernel's own traffic beside the overlay's
  stop_router "$router" r
  no_xdp_left
}
