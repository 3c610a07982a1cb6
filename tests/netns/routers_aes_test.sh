#!/usr/bin/env bash
# Two routers that share the aes256gcm suite, with a host behind each; a stock peer that is
# configured for the suite by mistake gets no session.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

netns h1 r1 r2 h2
link r1 eth0 r2 eth0
for i in 1 2; do
  link "r$i" acc0 "h$i" eth0
  plain_frames "h$i" eth0
  plain_frames "r$i" eth0
  address "h$i" eth0 "10.$i.0.2/24" "fd0$i::2/64"
  on "h$i" ip route add default via "10.$i.0.1"
  on "h$i" ip -6 route add default via "fd0$i::1"
done
keys k1 k2 other
# router_of I OTHER SUITE
router_of() {
  router_head "site$1" "k$1" never
  cat <<TOML
[[port]]
name = "up"
role = "uplink"
kind = "af_xdp"
interface = "eth0"
steer = "all"
addresses = ["192.0.2.$1/24"]
listen_port = 51820

[[port]]
name = "access"
role = "access"
kind = "af_xdp"
interface = "acc0"
addresses = ["10.$1.0.1/24", "fd0$1::1/64"]

[[peer]]
name = "other"
public_key = "$(pub "k$2")"
endpoint = "192.0.2.$2:51820"
allowed_ips = ["10.$2.0.0/24", "fd0$2::/64"]
suite = "$3"
TOML
}
router_of 1 2 aes256gcm >"$WORK/1.toml"
router_of 2 1 aes256gcm >"$WORK/2.toml"
step "both sides use aes256gcm"
router r1 "$WORK/1.toml"
router1=$router
router r2 "$WORK/2.toml"
router2=$router
pings h1 10.2.0.2 10
pings h2 fd01::2 10
head -c 20000000 /dev/urandom >"$WORK/file"
transfer h1 h2 10.2.0.2 "$WORK/file"
transfer h2 h1 fd01::2 "$WORK/file"
sequence h1 h2 10.2.0.2 2 2000 1200
faultless
stop_router "$router2" r2

step "one side uses chacha20poly1305: no session"
router_of 2 1 chacha20poly1305 >"$WORK/2.toml"
router r2 "$WORK/2.toml"
router2=$router
no_pings h2 10.1.0.2
[ "$(wg show site2 latest-handshakes | awk '{print $2}')" -eq 0 ] || fail "a handshake completed"
stop_router "$router1" r1
stop_router "$router2" r2
