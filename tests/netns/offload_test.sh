#!/usr/bin/env bash
# Segmentation and coalescing keep every byte: files by TCP, and numbered UDP packets given to the
# kernel in bundles, both ways, over IPv4 and IPv6, on links that bundle and links that do not.
. "$(dirname "$0")/lib.sh"

head -c 20000000 /dev/urandom >"$WORK/file"
pair
pings a 10.0.0.2

bundles() {
  local size
  for size in "$@"; do
    step "bundles of UDP packets of $size bytes"
    sequence a b 10.0.0.2 0.5 2000 "$size" --segments 16
    faultless
    sequence b a 10.0.0.1 0.5 2000 "$size" --segments 16
    faultless
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
sequence a b fd00::2 0.5 2000 1372 --segments 16
faultless

plain_frames a eth0
plain_frames b eth0
files "on links that do not bundle"
bundles 1392

step "iperf3: no packet of a moderate stream is lost"
serve b iperf3 -s -1
wait_for 5 "iperf3" listening b 5201
on a iperf3 -c 10.0.0.2 -u -b 50M -l 1200 -t 2 -J >"$WORK/iperf3" || fail "iperf3: $(cat "$WORK/iperf3")"
lost=$(jq '.end.sum.lost_packets' "$WORK/iperf3")
[ "$lost" -eq 0 ] || fail "iperf3 lost $lost packets at 50 Mbit/s"
step "iperf3: four TCP streams each way"
for direction in "" -R; do
  serve b iperf3 -s -1
  wait_for 5 "iperf3" listening b 5201
  on a iperf3 -c 10.0.0.2 -P 4 -t 2 -J $direction >"$WORK/iperf3" || fail "iperf3: $(cat "$WORK/iperf3")"
  step "$(jq -r '.end.sum_received.bits_per_second / 1e6 | floor' "$WORK/iperf3") Mbit/s"
done
