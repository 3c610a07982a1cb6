#!/usr/bin/env bash
# Segmentation and coalescing keep every byte: files by TCP, and numbered UDP packets given to the
# kernel in bundles, both ways, over IPv4 and IPv6, on links that bundle and links that do not.
. "$(dirname "$0")/lib.sh"

head -c 20000000 /dev/urandom >"$WORK/file"
pair
pings a 10.0.0.2

# counted FROM TO ADDRESS SECONDS RATE SIZE: numbered packets in bundles. None may be missing but those
# for which another's socket was full at the receiver: on a busy machine wireguard-go and iperf3 get to
# their sockets too late for 20 ms of a moderate stream.
counted() {
  local full
  full=$(full_sockets "$2" 51820)
  sequence "$@" --segments 16
  full=$(($(full_sockets "$2" 51820) - full))
  jq -e --argjson full "$full" '.sent > 0 and .lost <= $full and .duplicated == 0 and .reordered == 0 and
    .damaged == 0' "$WORK/sequence" >/dev/null ||
    fail "packets were lost or spoilt, and only $full met full sockets: $(cat "$WORK/sequence")"
}
bundles() {
  local size
  for size in "$@"; do
    step "bundles of UDP packets of $size bytes"
    counted a b 10.0.0.2 0.5 2000 "$size"
    counted b a 10.0.0.1 0.5 2000 "$size"
  done
}
files() {
  step "files, $1"
  transfer a b 10.0.0.2 "$WORK/file"
  transfer b a 10.0.0.1 "$WORK/file"
  transfer a b fd00::2 "$WORK/file"
  transfer b a fd00::1 "$WORK/file"
}
files "on links that bundle"
# Sizes that do not divide evenly, and the smallest and largest that fit.
bundles 25 777 1392
counted a b fd00::2 0.5 2000 1372

plain_frames a eth0
plain_frames b eth0
files "on links that do not bundle"
bundles 1392

step "iperf3: no packet of a moderate stream is lost"
full=$(full_sockets b)
serve b iperf3 -s -1
wait_for 5 "iperf3" listening b 5201
on a iperf3 -c 10.0.0.2 -u -b 50M -l 1200 -t 2 -J >"$WORK/iperf3" || fail "iperf3: $(cat "$WORK/iperf3")"
lost=$(jq '.end.sum.lost_packets' "$WORK/iperf3")
full=$(($(full_sockets b) - full))
step "$lost packets missing, $full thrown away by full sockets behind us"
[ "$lost" -le "$full" ] || fail "$lost packets of 50 Mbit/s are missing, and only $full met full sockets"
step "iperf3: four TCP streams each way"
for direction in "" -R; do
  serve b iperf3 -s -1
  wait_for 5 "iperf3" listening b 5201
  on a iperf3 -c 10.0.0.2 -P 4 -t 2 -J $direction >"$WORK/iperf3" || fail "iperf3: $(cat "$WORK/iperf3")"
  step "$(jq -r '.end.sum_received.bits_per_second / 1e6 | floor' "$WORK/iperf3") Mbit/s"
done
