# Sourced after router.sh: sites with tenants' networks, and guests of the tenants behind them.
#
#   guest --- port of the same name, site a's router, eth0 --- bridge in sw --- eth0, site b's ...
#             bridged AF_XDP                192.0.2.1, VTEP 10.9.0.1           192.0.2.2, ...
#
# Say it in this order: `sites`, `network`s, `berth`s, `endpoint`s, `start_sites`, `wake`s. All
# sites have all networks. An endpoint with number N has the MAC 02:00:00:00:00:0N and, in every
# network, the addresses 10.1.0.N and fd01::N.
#
# May be set before: COUNTRY[SITE], UPLINK (TOML, instead of a socket), PATH_MTU, GUEST_MTU.

declare -A NUMBER=() COUNTRY=() ROUTER=()
SITES=() NETWORKS=() BERTHS=() ENDPOINTS=() VNIS=()
UPLINK='kind = "socket"'
GUEST_MTU=1500
PATH_MTU=probe

mac_of() { printf '02:00:00:00:00:%02x' "$1"; }
addresses_of() { echo "10.1.0.$1,fd01::$1"; }

# sites NAME...: namespaces and keys of the sites' routers, on one bridge.
sites() {
  local site
  SITES=("$@")
  netns sw "$@"
  on sw ip link add br0 type bridge
  on sw ip link set br0 up
  for site in "$@"; do
    NUMBER[$site]=$((${#NUMBER[@]} + 1))
    COUNTRY[$site]=${COUNTRY[$site]:-HR}
    link sw "to-$site" "$site" eth0
    keep_order sw "to-$site"
    keep_order "$site" eth0
    on sw ip link set "to-$site" master br0
    address "$site" eth0 "192.0.2.${NUMBER[$site]}/24"
  done
  keys "$@"
}
# network VNI [WORD...]: as in tests/netns/changes.
network() {
  NETWORKS+=("network $*")
  VNIS+=("$1")
}
# berth NAME SITE VNI: a namespace that is a guest's place, behind a port at the site.
berth() {
  netns "$1"
  link "$2" "$1" "$1" eth0 "$GUEST_MTU"
  plain_frames "$1" eth0
  keep_order "$1" eth0
  BERTHS+=("$*")
}
# endpoint NUMBER VNI BERTH [ADDRESS,...]: its record says that it is there.
endpoint() { ENDPOINTS+=("$1 $2 $3 ${4:-$(addresses_of "$1")}"); }
site_of() {
  local name site vni
  for berth in "${BERTHS[@]}"; do
    read -r name site vni <<<"$berth"
    [ "$name" != "$1" ] || echo "$site"
  done
}
# wake NAMESPACE NUMBER: the endpoint is there now, as configured by hand.
wake() {
  on "$1" ip link set eth0 down
  on "$1" ip address flush dev eth0 scope global
  on "$1" ip link set eth0 address "$(mac_of "$2")"
  address "$1" eth0 "10.1.0.$2/24" "fd01::$2/64"
  on "$1" ip link set eth0 up # its first frame may come at once
  on "$1" ip route replace default via 10.1.0.254
}

site_file() {
  local site=$1 other name at vni
  router_head "$site" "$site" never
  echo "vtep = [\"10.9.0.${NUMBER[$site]}\"]"
  echo "country = \"${COUNTRY[$site]}\""
  echo "path_mtu = \"$PATH_MTU\""
  printf '[[port]]\nname = "up"\nrole = "uplink"\nlisten_port = 51820\n%s\n' "$UPLINK"
  for berth in "${BERTHS[@]}"; do
    read -r name at vni <<<"$berth"
    [ "$at" = "$site" ] || continue
    printf '[[port]]\nname = "%s"\nrole = "bridged"\nkind = "af_xdp"\ninterface = "%s"\n' "$name" "$name"
  done
  for other in "${SITES[@]}"; do
    [ "$other" != "$site" ] || continue
    printf '[[peer]]\nname = "%s"\npublic_key = "%s"\nendpoint = "192.0.2.%s:51820"\n' \
      "$other" "$(pub "$other")" "${NUMBER[$other]}"
    printf 'allowed_ips = ["10.9.0.%s/32"]\n' "${NUMBER[$other]}"
  done
}
# place SITE BERTH: where that is, for the site's router.
place() {
  local at
  at=$(site_of "$2")
  if [ "$at" = "$1" ]; then echo "port=$2"; else echo "router=$(pub "$at")"; fi
}
# endpoint_line SITE NUMBER VNI BERTH ADDRESSES [WORD...]: its record, for the site's router.
endpoint_line() {
  local site=$1 number=$2 vni=$3 berth=$4 addresses=$5
  shift 5
  echo "endpoint $vni $(mac_of "$number") $(place "$site" "$berth") ip=$addresses $*"
}
# what_it_is_told SITE: all that the site's router must know.
what_it_is_told() {
  local site=$1 other vni name at
  for other in "${SITES[@]}"; do
    [ "$other" = "$site" ] || echo "router $(pub "$other") name=$other" \
      "country=${COUNTRY[$other]} vtep=10.9.0.${NUMBER[$other]}"
  done
  printf '%s\n' "${NETWORKS[@]}"
  for vni in "${VNIS[@]}"; do
    for other in "${SITES[@]}"; do
      [ "$other" = "$site" ] || echo "member $vni $(pub "$other")"
    done
  done
  for berth in "${BERTHS[@]}"; do
    read -r name at vni <<<"$berth"
    [ "$at" != "$site" ] || echo "port $name $vni"
  done
  for endpoint in "${ENDPOINTS[@]}"; do
    endpoint_line "$site" $endpoint
  done
}
# tell SITE < LINES: applies the changes.
tell() {
  "$HERE/changes" >"$WORK/changes.json" && vireo "$1" apply "$WORK/changes.json" >/dev/null ||
    fail "$1 did not take the changes $(cat "$WORK/changes.json")"
}
# start_sites: their routers, told everything.
start_sites() {
  local site
  for site in "${SITES[@]}"; do
    site_file "$site" >"$WORK/$site.toml"
    begin_router "$site" "$WORK/$site.toml"
    ROUTER[$site]=$router
  done
  for site in "${SITES[@]}"; do
    await_router "$site" "${ROUTER[$site]}"
    what_it_is_told "$site" | tell "$site"
  done
}
stop_sites() {
  local site
  for site in "${SITES[@]}"; do stop_router "${ROUTER[$site]}" "$site"; done
}

# --- what a site says ---

# dropped SITE REASON: packets.
dropped() { vireo "$1" drops | jq --arg reason "$2" '[.drops[] | select(.reason == $reason) | .packets] | add // 0'; }
# drops_more SITE REASON COMMAND...: while it runs, the site drops packets for the reason.
drops_more() {
  local site=$1 reason=$2 before
  before=$(dropped "$site" "$reason")
  shift 2
  "$@"
  [ "$(dropped "$site" "$reason")" -gt "$before" ] || fail "$site dropped nothing as $reason: $(vireo "$site" drops)"
}

# --- what the underlay shows ---

# watch_underlay: from now on; `read_underlay MARKER` ends it: the marker must not be there.
watch_underlay() {
  on sw timeout 900 tcpdump -U -i br0 -w "$WORK/underlay.pcap" >/dev/null 2>"$WORK/log/tcpdump" &
  underlay=$!
  wait_for 20 "tcpdump" grep -q "listening on" "$WORK/log/tcpdump"
}
read_underlay() {
  sleep 0.2
  kill "$underlay"
  wait "$underlay" || true
  [ "$(stat -c %s "$WORK/underlay.pcap")" -gt 1000 ] || fail "nothing was captured on the underlay"
  ! grep -qa "$1" "$WORK/underlay.pcap" || fail "$1 is readable on the underlay"
}
