#!/usr/bin/env bash
# `wg set`, `setconf`, `addconf` and `syncconf` leave ours in the same state as wireguard-go: every
# command goes to both, and what `wg showconf` prints must be equal.
. "$(dirname "$0")/lib.sh"

netns a b
keys us one two three
(umask 077 && wg genpsk >"$WORK/psk")
wireguard a wg0 us
wireguard b wg0b go

# The same text whatever the order of peers and of their allowed IPs.
state() {
  on "$1" wg showconf "$2" | awk -v RS= '{
    n = split($0, line, "\n"); out = ""
    for (i = 1; i <= n; i++) {
      if (line[i] ~ /^AllowedIPs/) {
        sub(/^AllowedIPs = /, "", line[i]); m = split(line[i], ip, ", "); asort_simple(ip, m)
        line[i] = "AllowedIPs ="; for (j = 1; j <= m; j++) line[i] = line[i] " " ip[j]
      }
      out = out line[i] "|"
    }
    print out
  }
  function asort_simple(a, n,  i, j, t) {
    for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j + 1] = a[j]; a[j + 1] = t }
  }' | sort
}
same() {
  [ "$(state a wg0)" = "$(state b wg0b)" ] && return
  diff <(state b wg0b) <(state a wg0) >&2 || true
  fail "after '$1' wireguard-go (<) and ours (>) differ"
}
# both WHAT ARGUMENTS...: wg set|setconf|... on both interfaces.
both() {
  local verb=$1 code_us=0 code_go=0
  shift
  on a wg "$verb" wg0 "$@" >"$WORK/us" 2>&1 || code_us=$?
  on b wg "$verb" wg0b "$@" >"$WORK/go" 2>&1 || code_go=$?
  [ "$code_us" = "$code_go" ] ||
    fail "wg $verb $*: ours exits $code_us ($(cat "$WORK/us")), wireguard-go $code_go"
  same "wg $verb $*"
}
one=$(pub one) two=$(pub two) three=$(pub three)
step "wg set"
both set private-key "$WORK/us.key" listen-port 51820
both set peer "$one" allowed-ips 10.0.0.0/24,fd00::/64 endpoint 192.0.2.9:1234 persistent-keepalive 25
both set peer "$two" preshared-key "$WORK/psk" allowed-ips 10.1.0.0/16
both set peer "$two" endpoint '[2001:db8::9]:4321'
both set fwmark 0x1234
step "an allowed IP moves to the peer that got it last"
both set peer "$three" allowed-ips 10.1.0.0/16,10.1.2.0/24
both set peer "$two" allowed-ips 10.1.0.0/16
both set peer "$one" allowed-ips 0.0.0.0/0,::/0
both set peer "$one" allowed-ips ''
both set peer "$one" persistent-keepalive off
both set peer "$two" preshared-key /dev/null
both set peer "$three" remove
both set peer "$three" remove
step "our own key as a peer"
both set peer "$(pub us)" allowed-ips 10.9.0.0/16
both set peer "$(pub us)" remove
step "host bits are cut, addresses are written the short way"
both set peer "$one" allowed-ips 10.5.6.7/8,fd00:0:0:1::5/64
both set fwmark 0

conf() {
  (umask 077 && cat >"$WORK/conf") <<CONF
[Interface]
PrivateKey = $(cat "$WORK/us.key")
ListenPort = $1
[Peer]
PublicKey = $2
PresharedKey = $(cat "$WORK/psk")
AllowedIPs = 10.7.0.0/16, fd07::/48
Endpoint = 198.51.100.1:5555
[Peer]
PublicKey = $3
AllowedIPs = 10.8.0.0/16
PersistentKeepalive = 15
CONF
}
step "wg setconf replaces all"
conf 51830 "$one" "$three"
both setconf "$WORK/conf"
step "wg syncconf changes the difference"
conf 51831 "$two" "$three"
both syncconf "$WORK/conf"
step "wg addconf adds"
conf 51831 "$one" "$two"
both addconf "$WORK/conf"

step "200 peers with 5 allowed IPs each"
# Any 32 bytes are a public key.
printf '[Interface]\nListenPort = 51840\n' >"$WORK/many"
for i in $(seq 200); do
  printf '[Peer]\nPublicKey = %s\nAllowedIPs = ' "$(printf '%032d' "$i" | base64)"
  printf '10.%d.%d.0/26, 10.%d.%d.64/26, 10.%d.%d.128/26, fd%02x:%x::/64, fd%02x:%x:1::/64\n' \
    $((i / 250 + 64)) $((i % 250)) $((i / 250 + 64)) $((i % 250)) $((i / 250 + 64)) \
    $((i % 250)) $((i % 256)) "$i" $((i % 256)) "$i"
done >>"$WORK/many"
both setconf "$WORK/many"
[ "$(on a wg show wg0 peers | wc -l)" -eq 200 ] || fail "not 200 peers"

step "raw UAPI: errors are answered as wireguard-go answers them"
cat >"$WORK/uapi.py" <<'PY'
import socket, sys
def ask(name, text):
    s = socket.socket(socket.AF_UNIX); s.settimeout(3); s.connect(f"/run/wireguard/{name}.sock")
    s.sendall(text.encode()); reply = b""
    try:
        while not reply.endswith(b"\n\n"):
            part = s.recv(65536)
            if not part: break
            reply += part
    except TimeoutError: reply += b"(timeout)"
    return [l for l in reply.decode().split("\n") if l.startswith("errno") or "timeout" in l]
key = "11" * 32
for text in ("set=1\nbogus=1\n\n", "set=1\nlisten_port=70000\n\n", "set=1\nprivate_key=zz\n\n",
             f"set=1\npublic_key={key}\nallowed_ip=10.0.0.0/99\n\n",
             f"set=1\npublic_key={key}\nendpoint=nonsense\n\n",
             f"set=1\npublic_key={key}\nprotocol_version=2\n\n",
             "set=1\npublic_key=short\n\n", "set=1\nallowed_ip=10.0.0.0/8\n\n",
             f"set=1\npublic_key={key}\nupdate_only=true\nallowed_ip=10.0.0.0/8\n\n", "set=1\n\n"):
    us, go = ask("wg0", text), ask("wg0b", text)
    if (us == ["errno=0"]) != (go == ["errno=0"]):
        sys.exit(f"{text!r}: ours answers {us}, wireguard-go {go}")
for name in ("wg0", "wg0b"):
    if ask(name, "get=1\n\n") != ["errno=0"]: sys.exit(f"get on {name} fails")
PY
python3 "$WORK/uapi.py" || fail "raw UAPI"
