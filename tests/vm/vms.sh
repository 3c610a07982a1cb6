# Sourced by tests of QEMU guests on vhost-user ports: sites on one underlay, one bridged network
# (VNI 7, 10.1.0.0/24) that all have, and guests.
#
# Endpoint N has the MAC 02:00:00:00:00:0N and the address 10.1.0.N; HOME says at which site. Site
# x's port in the network is called "vm", and the socket for its guest is $WORK/x.vm.
. "$here/world.sh"
. "$here/../netns/router.sh"

SITES="a b c"
declare -A NUMBER=([a]=1 [b]=2 [c]=3) HOME=() ROUTER=()
b64() { printf "$(printf '%s' "$1" | sed 's/../\\x&/g')" | base64; }
mac_of() { echo "02:00:00:00:00:0$1"; }

# site_file SITE PORT_TOML
site_file() {
  local other
  router_head "$1" "$1" never
  echo "vtep = [\"10.9.0.${NUMBER[$1]}\"]"
  # Probes would count among the frames that pass between the sites.
  echo 'path_mtu = "configured"'
  printf '[[port]]\nname = "up"\nrole = "uplink"\nkind = "socket"\nlisten_port = 51820\n'
  printf '[[port]]\nname = "vm"\nrole = "bridged"\n%s\n' "$2"
  for other in $SITES; do
    [ "$other" != "$1" ] || continue
    printf '[[peer]]\nname = "%s"\npublic_key = "%s"\nendpoint = "192.0.2.%s:51820"\n' \
      "$other" "$(pub "$other")" "${NUMBER[$other]}"
    printf 'allowed_ips = ["10.9.0.%s/32"]\n' "${NUMBER[$other]}"
  done
}
# batch SITE: the network and its endpoints, as the router of SITE is to know them.
batch() {
  local site=$1 other n changes=
  for other in $SITES; do
    [ "$other" != "$site" ] || continue
    changes+="{\"put_router\": {\"public_key\": \"$(pub "$other")\", \"name\": \"$other\",
      \"vtep\": \"$(b64 "0a09000${NUMBER[$other]}")\"}},"
  done
  changes+="{\"put_network\": {\"vni\": 7, \"tenant\": \"t\", \"subnets\": [
    {\"address\": \"$(b64 0a010000)\", \"length\": 24, \"gateway\": \"$(b64 0a0100fe)\"}]}},"
  changes+="{\"attach_port\": {\"port\": \"vm\", \"vni\": 7}}"
  for other in $SITES; do
    [ "$other" = "$site" ] ||
      changes+=",{\"put_member\": {\"vni\": 7, \"router\": \"$(pub "$other")\"}}"
  done
  for n in "${!HOME[@]}"; do
    local place="\"router\": \"$(pub "${HOME[$n]}")\""
    [ "${HOME[$n]}" != "$site" ] || place='"port": "vm"'
    changes+=",{\"put_endpoint\": {\"vni\": 7, \"mac\": \"$(b64 "02000000000$n")\",
      \"addresses\": [\"$(b64 "0a01000$n")\"], $place}}"
  done
  echo "{\"changes\": [$changes]}"
}
vhost_port() { printf 'kind = "vhost-user"\nsocket = "%s"\n' "$WORK/$1.vm"; }

# sites PORT_TOML...: the underlay and a router at each site, with that port, programmed.
sites() {
  local site
  netns sw $SITES
  on sw ip link add br0 type bridge
  on sw ip link set br0 up
  keys $SITES
  for site in $SITES; do
    link sw "to-$site" "$site" eth0
    on sw ip link set "to-$site" master br0
    address "$site" eth0 "192.0.2.${NUMBER[$site]}/24"
  done
  host_c
  for site in $SITES; do
    site_file "$site" "$1" >"$WORK/$site.toml"
    shift
    router "$site" "$WORK/$site.toml"
    ROUTER[$site]=$router
    batch "$site" >"$WORK/$site.json"
    vireo "$site" apply "$WORK/$site.json" >/dev/null
  done
}
# host_c: endpoint 3, a namespace behind a veth at site c.
host_c() {
  netns host
  link c vm0 host eth0
  plain_frames host eth0
  on host ip link set eth0 address "$(mac_of 3)"
  address host eth0 10.1.0.3/24
}

# image N COMMANDS [FILE...]: $WORK/N.gz, a guest that gets its address by DHCP and runs them.
image() {
  local folder=$WORK/image-$1
  mkdir -p "$folder"
  cat >"$folder/dhcp.sh" <<'DHCP'
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev $interface
[ -z "$mtu" ] || ip link set $interface mtu $mtu
DHCP
  chmod +x "$folder/dhcp.sh"
  cat >"$folder/run.sh" <<RUN
udhcpc -q -n -t 20 -T 1 -s /dhcp.sh -i eth0 >/dev/null 2>&1
echo "guest: address \$(ip -4 -o address show dev eth0 | awk '{print \$4}')"
$2
echo "guest: done"
RUN
  [ $# -le 2 ] || cp "${@:3}" "$folder/"
  (cat "$GUEST/guest.gz" && cd "$folder" && find . -type f | cpio -o -H newc --quiet | gzip -1) \
    >"$WORK/$1.gz"
}
# boot N SITE NAME [QEMU_OPTION...]: the guest of $WORK/N.gz on SITE's socket, with its console in
# log/NAME and its monitor at $WORK/NAME.qmp. Sets $guest to its pid.
boot() {
  local n=$1 site=$2 name=$3
  shift 3
  # vectors=0, romfile=: MSI-X and the network ROM are slow or broken without KVM. The ring takes
  # what waited for a guest that has moved in one go.
  timeout 230 qemu-system-x86_64 -machine q35,memory-backend=mem -accel tcg -m 128 \
    -object memory-backend-memfd,id=mem,size=128M,share=on \
    -display none -monitor none -serial "file:$WORK/log/$name" -no-reboot \
    -qmp "unix:$WORK/$name.qmp,server=on,wait=off" \
    -kernel "$GUEST/vmlinuz" -initrd "$WORK/$n.gz" -append "console=ttyS0 quiet panic=-1" \
    -chardev "socket,id=c0,path=$WORK/$site.vm" -netdev vhost-user,id=n0,chardev=c0 \
    -device "virtio-net-pci,netdev=n0,mac=$(mac_of "$n"),romfile=,vectors=0,rx_queue_size=1024" \
    "$@" >"$WORK/log/qemu-$name" 2>&1 </dev/null &
  guest=$!
}
qmp() {
  local name=$1
  shift
  "$here/qmp" "$WORK/$name.qmp" "$@"
}
said() { grep -qaE "guest: $2" "$WORK/log/$1"; }
