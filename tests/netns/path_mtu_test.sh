#!/usr/bin/env bash
# Two sites with a router between them that takes smaller or larger packets than the sites' own
# links: the path MTU is found, and guests of 1500 bytes simply work, whatever they speak.
#
#   va --- a ---(link 1)--- m ---(link 2)--- b --- vb
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

declare -A OTHER=([a]=b [b]=a) NUMBER=([a]=1 [b]=2)
b64() { printf "$(printf '%s' "$1" | sed 's/../\\x&/g')" | base64; }
# underlay SITE FAMILY: the address of the site there.
underlay() { if [ "$2" = 4 ]; then echo "192.0.${NUMBER[$1]}.2"; else echo "2001:db8:${NUMBER[$1]}::2"; fi; }
site_file() {
  local other=${OTHER[$1]} endpoint
  endpoint=$(underlay "$other" "$2")
  [ "$2" = 4 ] || endpoint="[$endpoint]"
  router_head "$1" "$1" never
  cat <<TOML
vtep = ["10.9.0.${NUMBER[$1]}"]
[[port]]
name = "up"
role = "uplink"
kind = "socket"
listen_port = 51820
[[port]]
name = "vm"
role = "bridged"
kind = "af_xdp"
interface = "vm"
[[peer]]
name = "$other"
public_key = "$(pub "$other")"
endpoint = "$endpoint:51820"
allowed_ips = ["10.9.0.${NUMBER[$other]}/32"]
TOML
}
# endpoint SITE HOME: the VM of HOME, as the router of SITE is told.
endpoint() {
  local n=${NUMBER[$2]} at="\"router\": \"$(pub "$2")\""
  [ "$1" != "$2" ] || at='"port": "vm"'
  echo "{\"put_endpoint\": {\"vni\": 7, \"mac\": \"$(b64 "02000000000$n")\", $at, \"addresses\":
    [\"$(b64 "0a01000$n")\", \"$(b64 "fd01000000000000000000000000000$n")\"]}}"
}
batch() {
  local other=${OTHER[$1]}
  echo "{\"changes\": [
    {\"put_router\": {\"public_key\": \"$(pub "$other")\", \"vtep\": \"$(b64 "0a09000${NUMBER[$other]}")\"}},
    {\"put_network\": {\"vni\": 7, \"tenant\": \"v\"}},
    {\"attach_port\": {\"port\": \"vm\", \"vni\": 7}},
    {\"put_member\": {\"vni\": 7, \"router\": \"$(pub "$other")\"}},
    $(endpoint "$1" a), $(endpoint "$1" b)]}"
}
# sites FAMILY: both routers, and a packet that makes them look at the path.
sites() {
  local site
  for site in a b; do
    site_file $site "$1" >"$WORK/$site.toml"
    router $site "$WORK/$site.toml"
    PID[$site]=$router
    batch $site >"$WORK/$site.json"
    vireo $site apply "$WORK/$site.json" >/dev/null
  done
  pings va 10.1.0.2
}
stop_sites() {
  local site
  for site in a b; do stop_router "${PID[$site]}" $site; done
}
path_of() { vireo "$1" peers | jq -r '.peers[0] | "\(.path_mtu) \(.path_mtu_state)"'; }
# found SECONDS MTU: both sites know how large a packet passes.
is_found() { [ "$(path_of a)" = "$1 complete" ] && [ "$(path_of b)" = "$1 complete" ]; }
found() {
  # A way that nobody uses is not looked at.
  serve va ping -n -q -i 0.2 10.1.0.2
  local talk=$served
  wait_for "$1" "the path MTU $2 ($(path_of a), $(path_of b))" is_found "$2"
  kill "$talk"
  wait "$talk" || true
  step "    found: $(path_of a)"
}
# link_2 MTU: of both ends.
link_2() {
  on m ip link set to-b mtu "$1"
  on b ip link set eth0 mtu "$1"
}
# guests: they send and get what fits their own links.
guests() {
  local to
  # The first packets that do not fit tell their sender what does.
  wait_for 10 "a large IPv6 ping" on va ping -n -q -c 1 -W 1 -s 1452 fd01::2
  wait_for 10 "a large IPv6 ping" on vb ping -n -q -c 1 -W 1 -s 1452 fd01::1
  wait_for 10 "a large IPv4 ping" on va ping -n -q -c 1 -W 1 -M want -s 1472 10.1.0.2
  wait_for 10 "a large IPv4 ping" on vb ping -n -q -c 1 -W 1 -M want -s 1472 10.1.0.1
  pings va 10.1.0.2 5 -M dont -s 1472
  pings va fd01::2 5 -s 1452
  # No IPv6 host needs to send less.
  pings va fd01::2 5 -M do -s 1232
  for to in 10.1.0.2 fd01::2; do
    transfer va vb $to "$WORK/file"
    sequence va vb $to 1 500 1400
    faultless
  done
  for to in 10.1.0.1 fd01::1; do
    transfer vb va $to "$WORK/file"
    sequence vb va $to 1 500 1400
    faultless
  done
}

netns va a m b vb
on m sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
link a eth0 m to-a 9000
link m to-b b eth0 9000
for site in a b; do
  n=${NUMBER[$site]}
  address m "to-$site" "192.0.$n.1/24" "2001:db8:$n::1/64"
  address $site eth0 "192.0.$n.2/24" "2001:db8:$n::2/64"
  on $site ip route add default via "192.0.$n.1"
  on $site ip -6 route add default via "2001:db8:$n::1"
  link $site vm "v$site" eth0
  on "v$site" ip link set eth0 address "02:00:00:00:00:0$n"
  plain_frames "v$site" eth0
  address "v$site" eth0 "10.1.0.$n/24" "fd01::$n/64"
done
keys a b
declare -A PID
head -c 1000000 /dev/urandom >"$WORK/file"

step "a jumbo path: what guests send passes whole"
sites 4
found 60 1630 # as large as buffers are
pings va 10.1.0.2 5 -M do -s 1472
guests

step "the path falls to 1280 bytes under way"
link_2 1280
found 60 1220
guests
! on va ping -n -c 1 -W 2 -M do -s 1472 10.1.0.2 >"$WORK/large" 2>&1 || fail "1500 bytes passed whole"
grep -qE "mtu ?= ?1170" "$WORK/large" || fail "no word about the MTU: $(cat "$WORK/large")"
stop_sites

step "1280 bytes over IPv6"
sites 6
found 60 1200
guests
stop_sites
