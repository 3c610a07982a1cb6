#!/usr/bin/env bash
# Bad input: exit code 2, one line that says what to do, and nothing left behind.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

netns r
link r eth0 r eth1
keys us go
wrong=0
nothing_left() {
  local left
  left=$(pgrep -f '(^|/)vireo-dataplane ' || true)
  [ -z "$left" ] || echo "processes $left"
  ! compgen -G '/run/wireguard/*' >/dev/null || echo "UAPI socket $(ls /run/wireguard)"
  ! compgen -G "$WORK/*.control" >/dev/null || echo "control socket"
  ! on r ip -brief link | grep -vE '^(lo|eth[01](@\S+)?|tun7) ' || echo "interface"
  ! on r ip link | grep xdp || echo "XDP program"
}
# refused NAME EXPECTED_TEXT COMMAND...: runs it in r.
refused() {
  local name=$1 text=$2 code=0 lines why=()
  shift 2
  on r timeout -k 2 20 "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || code=$?
  lines=$(grep -c . "$WORK/err" || true)
  [ "$code" -eq 2 ] || why+=("exit code $code")
  [ "$lines" -eq 1 ] || why+=("$lines lines on stderr")
  grep -qiE -- "$text" "$WORK/err" || why+=("does not say '$text'")
  mapfile -t -O "${#why[@]}" why < <(nothing_left)
  if [ ${#why[@]} -eq 0 ]; then
    step "$name: $(head -n 1 "$WORK/err")"
    return
  fi
  wrong=$((wrong + 1))
  printf 'WRONG %s: %s\n' "$name" "$(IFS=';' && echo "${why[*]}")" >&2
  sed 's/^/      /' "$WORK/err" >&2
}
good() {
  router_head bad us never
  cat <<TOML
[[port]]
name = "up"
role = "uplink"
kind = "socket"
listen_port = 51820

[[port]]
name = "access"
role = "access"
kind = "af_xdp"
interface = "eth1"
addresses = ["10.1.0.1/24"]

[[peer]]
name = "b"
public_key = "$(pub go)"
endpoint = "192.0.2.2:51821"
allowed_ips = ["10.0.0.2/32"]
TOML
}
file=$WORK/bad.toml
# config NAME EXPECTED SED_SCRIPT: the good configuration, changed.
config() {
  good | sed -E "$3" >"$file"
  refused "$1" "$2" "$DATAPLANE" --config "$file"
}
good >"$file"
router r "$file" # the base of the table is right
stop_router "$router" r

config "unknown key" 'bad.toml:[0-9]+.*lisen_port' 's/^listen_port/lisen_port/'
config "unknown table" 'bad.toml:[0-9]+' 's/^\[\[peer\]\]/[[pear]]/'
config "overlapping listen ports" 'listen_port.*51820' \
  '/^role = "access"/,/^addresses/{s/access/uplink/;s/^kind.*/kind = "socket"\nlisten_port = 51820/;/^(interface|addresses)/d}'
config "bad base64" 'public_key|key' 's#^public_key = .*#public_key = "not base64!"#'
config "short key" 'key' 's#^public_key = .*#public_key = "AAAA"#'
config "key file missing" 'nowhere.key' 's#^private_key_file = .*#private_key_file = "nowhere.key"#'
config "absent interface" 'eth77' 's/"eth1"/"eth77"/'
config "no TOML at all" 'bad.toml:[0-9]+' '1s/.*/this is = = no TOML/'
config "port out of range" '70000|65535' 's/^listen_port = .*/listen_port = 70000/'
config "bad prefix" '10.0.0.2/99|allowed' 's#10.0.0.2/32#10.0.0.2/99#'
refused "file missing" 'nowhere.toml' "$DATAPLANE" --config "$WORK/nowhere.toml"
refused "unknown option" 'bogus' "$DATAPLANE" --bogus
refused "bad interface name" 'name' "$DATAPLANE" wg 'a/b'
refused "long interface name" 'name|15' "$DATAPLANE" wg abcdefghijklmnopqrstuvwxyz
refused "bad log level" 'level|loud' "$DATAPLANE" wg wg0 --log-level loud

step "missing privileges"
good >"$file"
drop=(setpriv --bounding-set=-net_admin,-net_raw,-sys_admin,-bpf --inh-caps=-net_admin,-net_raw,-sys_admin,-bpf)
refused "AF_XDP without privileges" 'CAP_NET_ADMIN|privilege|root|permi' "${drop[@]}" "$DATAPLANE" --config "$file"
refused "TUN without privileges" 'CAP_NET_ADMIN|privilege|root|permi' "${drop[@]}" "$DATAPLANE" wg wg0

step "no /dev/net/tun"
refused "no /dev/net/tun" '/dev/net/tun' unshare --mount bash -c \
  'mount -t tmpfs none /dev/net && exec "$0" wg wg0' "$DATAPLANE"

step "an interface without XDP"
on r ip tuntap add mode tun name tun7
good | sed 's/"eth1"/"tun7"/' >"$file"
refused "TUN as AF_XDP port" 'tun7' "$DATAPLANE" --config "$file"
on r ip link del tun7

step "the CLI"
refused "no dataplane there" 'nowhere' "$CLI" --socket "$WORK/nowhere" peers
good | sed 's/^listen_port/lisen_port/;s/10.0.0.2\/32/10.0.0.2\/99/' >"$file"
code=0
"$CLI" config check "$file" >"$WORK/out" 2>&1 || code=$?
[ "$code" -eq 1 ] || fail "vireo config check exits with $code on a bad file"
[ "$(grep -cE 'bad.toml:[0-9]+' "$WORK/out")" -eq 2 ] || fail "not every mistake named with its line: $(cat "$WORK/out")"
good >"$file"
"$CLI" config check "$file" || fail "vireo config check refuses a good file"

[ "$wrong" -eq 0 ] || fail "$wrong of the cases above are wrong"
