#!/usr/bin/env bash
# A router whose uplink is a DPDK device (net_af_xdp): it resolves neighbours, answers ARP, ND and
# pings, routes by a gateway, and takes fragments.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

router_network
netns g
# The site is behind a gateway: b's link to r becomes g's.
on b ip link del eth0
link r eth0 g eth0
link g eth1 b eth0
plain_frames g eth0
plain_frames b eth0
address g eth0 192.0.2.254/24 2001:db8::fe/64
address g eth1 198.51.100.254/24 2001:db8:1::fe/64
address b eth0 198.51.100.2/24 2001:db8:1::2/64
on g sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
on b ip route add default via 198.51.100.254
on b ip -6 route add default via 2001:db8:1::fe

uplink='kind = "ethdev"
device = "net_af_xdp0,iface=eth0,start_queue=0"
addresses = ["192.0.2.1/24", "2001:db8::1/64"]
gateway = ["192.0.2.254", "2001:db8::fe"]'
for endpoint in 198.51.100.2:51821 '[2001:db8:1::2]:51821'; do
  step "a peer behind a gateway, $endpoint"
  site_b
  router_file "$uplink" "$endpoint" never >"$WORK/router.toml"
  router r "$WORK/router.toml"
  pings b 192.0.2.1
  pings b 2001:db8::1
  # A ping in fragments is put together and dropped by name, being larger than a packet's buffer.
  on g ping -c 1 -W 1 -s 3000 192.0.2.1 >"$WORK/log/fragments" && fail "a fragmented ping was answered"
  vireo site drops --all |
    jq -e '.drops[] | select(.reason == "too_big") | (.packets | tonumber) > 0' >/dev/null ||
    fail "the fragmented ping was not counted as too_big"
  exercise
  stop_router "$router" r
  end b wg1
done
