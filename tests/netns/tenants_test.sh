#!/bin/bash
# Tenant networks over three routers: two tenants with the same addresses, a VM that moves, and what
# the underlay shows. Hosts of the tenants are namespaces behind AF_XDP ports.
#
#   va, vb: red VMs at sites a and b     ua, ub: blue ones, with the same addresses and MACs
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

SITES="a b c"
declare -A NUMBER=([a]=1 [b]=2 [c]=3) VNI=([v]=7 [u]=8)
# b64 HEX: the bytes in base64, as protobuf's JSON has them.
b64() { printf "$(printf '%s' "$1" | sed 's/../\\x&/g')" | base64; }
mac_of() { echo "02:00:00:00:00:0${NUMBER[$1]}"; }
mac64() { b64 "02000000000${NUMBER[$1]}"; }
vtep64() { b64 "0a09000${NUMBER[$1]}"; }
addresses64() { echo "[\"$(b64 "0a01000${NUMBER[$1]}")\", \"$(b64 "fd01000000000000000000000000000${NUMBER[$1]}")\"]"; }

# vm NAMESPACE HOME: the VM of site HOME's number wakes up in the namespace, as it was.
vm() {
  on "$1" ip link set eth0 down
  on "$1" ip link set eth0 address "$(mac_of "$2")"
  plain_frames "$1" eth0
  address "$1" eth0 "10.1.0.${NUMBER[$2]}/24" "fd01::${NUMBER[$2]}/64"
  on "$1" ip link set eth0 up # its first frame may come at once
  on "$1" ip route replace default via 10.1.0.254
}
site_file() {
  router_head "$1" "$1" never
  echo "vtep = [\"10.9.0.${NUMBER[$1]}\"]"
  echo 'country = "HR"'
  printf '[[port]]\nname = "up"\nrole = "uplink"\nkind = "socket"\nlisten_port = 51820\n'
  local port
  for port in red blue spare; do
    printf '[[port]]\nname = "%s"\nrole = "bridged"\nkind = "af_xdp"\ninterface = "%s"\n' $port $port
  done
  local other
  for other in $SITES; do
    [ "$other" != "$1" ] || continue
    printf '[[peer]]\nname = "%s"\npublic_key = "%s"\nendpoint = "192.0.2.%s:51820"\n' \
      "$other" "$(pub "$other")" "${NUMBER[$other]}"
    printf 'allowed_ips = ["10.9.0.%s/32"]\n' "${NUMBER[$other]}"
  done
}
# place SITE HOME: where the VM of HOME is, as the router of SITE says it.
place() {
  if [ "$1" = "$2" ]; then echo "\"port\": \"$3\""; else echo "\"router\": \"$(pub "$2")\""; fi
}
batch() {
  local site=$1 other tenant changes=
  for other in $SITES; do
    [ "$other" != "$site" ] || continue
    changes+="{\"put_router\": {\"public_key\": \"$(pub "$other")\", \"name\": \"$other\",
      \"country\": \"HR\", \"vtep\": \"$(vtep64 "$other")\"}},"
  done
  for tenant in v u; do
    local vni=${VNI[$tenant]} port=red
    [ $tenant = v ] || port=blue
    changes+="{\"put_network\": {\"vni\": $vni, \"tenant\": \"$tenant\", \"subnets\": [
      {\"address\": \"$(b64 0a010000)\", \"length\": 24, \"gateway\": \"$(b64 0a0100fe)\"},
      {\"address\": \"$(b64 fd010000000000000000000000000000)\", \"length\": 64}]}},"
    changes+="{\"attach_port\": {\"port\": \"$port\", \"vni\": $vni}},"
    for other in $SITES; do
      [ "$other" = "$site" ] ||
        changes+="{\"put_member\": {\"vni\": $vni, \"router\": \"$(pub "$other")\"}},"
    done
    for other in a b; do
      changes+="{\"put_endpoint\": {\"vni\": $vni, \"mac\": \"$(mac64 $other)\",
        \"addresses\": $(addresses64 $other), $(place "$site" $other $port)}},"
    done
  done
  changes+="{\"attach_port\": {\"port\": \"spare\", \"vni\": 7}}"
  echo "{\"changes\": [$changes]}"
}

netns sw $SITES va vb vc ua ub
on sw ip link add br0 type bridge
on sw ip link set br0 up
for site in $SITES; do
  link sw "to-$site" "$site" eth0
  on sw ip link set "to-$site" master br0
  address "$site" eth0 "192.0.2.${NUMBER[$site]}/24"
  link "$site" red "v$site" eth0
  on "$site" ip link add spare type veth peer name spare-vm
  on "$site" ip link set spare up
  on "$site" ip link set spare-vm up
done
for site in a b; do link "$site" blue "u$site" eth0; done
on c ip link add blue type veth peer name blue-vm
on c ip link set blue up
on c ip link set blue-vm up
keys $SITES
declare -A PID
for site in $SITES; do
  site_file "$site" >"$WORK/$site.toml"
  router "$site" "$WORK/$site.toml"
  PID[$site]=$router
done
for site in $SITES; do
  batch "$site" >"$WORK/$site.json"
  vireo "$site" apply "$WORK/$site.json" >/dev/null
done
for host in va ua; do vm $host a; done
for host in vb ub; do vm $host b; done

step "both tenants reach their own, with the same addresses"
on sw timeout 60 tcpdump -U -i br0 -w "$WORK/underlay.pcap" >/dev/null 2>&1 &
capture=$!
for host in va ua; do
  pings $host 10.1.0.2 5
  pings $host fd01::2 5
  pings $host 10.1.0.254 # the gateway is in every router
done
[[ $(on vb ip neigh show 10.1.0.1) == *"$(mac_of a)"* ]] || fail "vb has not learnt va's MAC"
head -c 2000000 /dev/urandom >"$WORK/file"
transfer va vb 10.1.0.2 "$WORK/file"
transfer ub ua 10.1.0.1 "$WORK/file"
transfer va vb fd01::2 "$WORK/file"

step "large datagrams arrive, or their sender is told what fits"
pings va 10.1.0.2 3 -M dont -s 1472
! on va ping -c 1 -W 2 -M do -s 1472 10.1.0.2 >"$WORK/large" 2>&1 || fail "1500 bytes with DF cannot fit"
grep -qi "mtu" "$WORK/large" || fail "no word about the MTU: $(cat "$WORK/large")"
pings va 10.1.0.2 3 -M do -s 1300

step "a tenant's packets do not reach the other"
vireo b networks | jq -e '[.networks[].network.vni] == [7, 8]' >/dev/null || fail "networks are not listed"
before=$(on ub cat /sys/class/net/eth0/statistics/rx_packets)
pings va 10.1.0.2 20
[ "$(on ub cat /sys/class/net/eth0/statistics/rx_packets)" -le $((before + 2)) ] ||
  fail "blue's host gets red's packets"

step "the underlay shows nothing in clear"
marker=VireoSecretMarker
for _ in 1 2 3; do on va bash -c "echo $marker$marker >/dev/udp/10.1.0.2/9"; done
sleep 0.3
kill $capture
wait $capture || true
[ -s "$WORK/underlay.pcap" ] || fail "nothing was captured"
! grep -qa "$marker" "$WORK/underlay.pcap" || fail "the marker is readable on the underlay"

step "an endpoint lies about its address"
on va ip addr add 10.1.0.77/24 dev eth0
! on va ping -q -c 3 -i 0.1 -W 1 -I 10.1.0.77 10.1.0.2 >/dev/null 2>&1 || fail "the lie was answered"
vireo a drops | jq -e '.drops[] | select(.reason == "source_address_spoofed" or .reason == "arp_spoofed") | select((.packets | tonumber) > 0)' >/dev/null ||
  fail "the lie was not counted"
on va ip addr del 10.1.0.77/24 dev eth0

step "a VM moves from a to c under traffic, and nothing is lost"
on vb ping -q -i 0.01 -c 600 -W 5 10.1.0.1 >"$WORK/ping" 2>&1 &
ping=$!
sleep 1
for site in $SITES; do
  if [ $site = c ]; then to=(--to-port red); else to=(--to-router "$(pub c)"); fi
  vireo $site moves arm 7 "$(mac_of a)" --epoch 1 "${to[@]}"
done
vireo a moves hold 7 "$(mac_of a)"
on va ip link set eth0 down
sleep 0.3
vm vc a
on vc ping -q -c 1 -W 2 10.1.0.254 >/dev/null 2>&1 || true # any frame tells that it is here
wait $ping || true
grep -q " 0% packet loss" "$WORK/ping" || fail "the move lost pings: $(tail -n 3 "$WORK/ping")"
! grep -q duplicates "$WORK/ping" || fail "the move doubled pings: $(tail -n 3 "$WORK/ping")"
vireo c moves | jq -e '.moves[0].state | IN("settled", "finished")' >/dev/null || fail "not settled: $(vireo c moves)"
[ "$(vireo a moves | jq -r '.moves[0].held')" -gt 0 ] || fail "nothing was held: $(vireo a moves)"
head -c 1000000 /dev/urandom >"$WORK/file"
transfer vb vc 10.1.0.1 "$WORK/file"

moved=$(vireo a moves | jq -r '.moves[0] | "\(.held) held, \(.redirected) passed on, \(.dropped) dropped"')
echo "    at the source: $moved"

step "a network that may not be in our country has no packets"
jq -n '{changes: [{put_network: {vni: 8, tenant: "u", policy: {countries: ["DE"]}}}]}' >"$WORK/policy.json"
vireo a apply "$WORK/policy.json" >/dev/null
no_pings ua 10.1.0.2
vireo a drops | jq -e '.drops[] | select(.reason == "policy_forbids") | select((.packets | tonumber) > 0)' >/dev/null ||
  fail "the refusal was not counted"

for site in $SITES; do stop_router "${PID[$site]}" "$site"; done
