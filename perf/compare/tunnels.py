"""The tunnels under comparison, each built the same way from the outside.

Drop-in:  a ─ veth ─ b, a tunnel interface in each.
Routers:  client ─ veth ─ A ─ veth ─ B ─ veth ─ server, the tunnel between A and B.
"""

import os

from lab import HOST_SOCKETS, run, wait_for

TUNNEL_MTU = 1420
LISTEN_PORT = 51820
UNDERLAY = {"a": "10.99.0.1", "b": "10.99.0.2"}
OVERLAY = {"a": "10.98.0.1", "b": "10.98.0.2"}
# Router deployments: the hosts behind A and B, and what A and B are to them.
HOST = {"a": "10.81.0.2", "b": "10.82.0.2"}
GATEWAY = {"a": "10.81.0.1", "b": "10.82.0.1"}
SITE = {"a": "10.81.0.0/24", "b": "10.82.0.0/24"}
OTHER = {"a": "b", "b": "a"}


class Keys:
    """A private and a public key for each end."""

    def __init__(self):
        self.private = {end: run("wg", "genkey").strip() for end in "ab"}
        self.public = {end: run("wg", "pubkey", stdin=key).strip()
                       for end, key in self.private.items()}


class Path:
    """The namespaces to send from and receive in, and the receiver's address."""

    def __init__(self, sender, receiver, address):
        self.sender = sender
        self.receiver = receiver
        self.address = address


def start_interface(lab, namespace, command, end, keys, allowed):
    """Starts a userspace WireGuard that makes a TUN, and sets it up with `wg` as any user would."""
    name = f"{lab.tag.replace('-', '')}{end}"
    socket = f"{HOST_SOCKETS}/{name}.sock"
    process = lab.start(namespace, *(word.replace("IFNAME", name) for word in command))
    wait_for(f"{socket} of {command[0]}", lambda: process.check() and os.path.exists(socket))
    lab.inside(namespace, "wg", "set", name, "private-key", "/dev/stdin",
               "listen-port", str(LISTEN_PORT), "peer", keys.public[OTHER[end]],
               "endpoint", f"{UNDERLAY[OTHER[end]]}:{LISTEN_PORT}", "allowed-ips", allowed,
               stdin=keys.private[end])
    run("ip", "-n", namespace, "link", "set", name, "mtu", str(TUNNEL_MTU), "up")
    return name


def drop_in(lab, command, wire_like):
    """Two namespaces, `command` (with IFNAME in it) as the tunnel's end in each."""
    keys = Keys()
    namespaces = {end: lab.namespace(end) for end in "ab"}
    lab.veth((namespaces["a"], "under"), (namespaces["b"], "under"))
    for end, namespace in namespaces.items():
        if wire_like:
            lab.offload(namespace, "under", "tx-udp-segmentation", "off", "gro", "on", "tso", "off")
        lab.address(namespace, "under", f"{UNDERLAY[end]}/24")
    for end, namespace in namespaces.items():
        name = start_interface(lab, namespace, command, end, keys, f"{OVERLAY[OTHER[end]]}/32")
        lab.address(namespace, name, f"{OVERLAY[end]}/24")
    return Path(namespaces["a"], namespaces["b"], OVERLAY["b"])


def sites(lab):
    """The four namespaces of the router comparison, hosts configured, routers bare."""
    hosts = {end: lab.namespace("client" if end == "a" else "server") for end in "ab"}
    routers = {end: lab.namespace(f"router-{end}") for end in "ab"}
    lab.veth((routers["a"], "uplink"), (routers["b"], "uplink"))
    for end in "ab":
        lab.veth((hosts[end], "eth0"), (routers[end], "access"), mtu=TUNNEL_MTU)
        # A frame that leaves for an AF_XDP socket must be whole: checksum filled in, segmented.
        # GRO at the receiving host only makes receiving cheaper there, for either system.
        lab.offload(hosts[end], "eth0", "tx", "off", "tso", "off", "gso", "off", "gro", "on")
        lab.address(hosts[end], "eth0", f"{HOST[end]}/24")
        run("ip", "-n", hosts[end], "route", "add", "default", "via", GATEWAY[end])
    return hosts, routers


def kernel_routers(lab, command):
    """Routers that forward in the kernel, through `command`'s tunnel interface."""
    keys = Keys()
    hosts, routers = sites(lab)
    for end, namespace in routers.items():
        lab.address(namespace, "uplink", f"{UNDERLAY[end]}/24")
        lab.address(namespace, "access", f"{GATEWAY[end]}/24")
        lab.inside(namespace, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    for end, namespace in routers.items():
        name = start_interface(lab, namespace, command, end, keys, SITE[OTHER[end]])
        run("ip", "-n", namespace, "route", "add", SITE[OTHER[end]], "dev", name)
    return Path(hosts["a"], hosts["b"], HOST["b"])


def vireo_config(lab, end, keys, workers):
    """The TOML file of one Vireo router on AF_XDP ports."""
    name = f"{lab.tag.replace('-', '')}{end}"
    return f"""\
[router]
name = "{name}"
workers = {workers}
private_key = "{keys.private[end]}"
control_socket = "{lab.directory}/{name}.control"
uapi_name = "{name}"
state_dir = "{lab.directory}"

[[port]]
name = "uplink"
role = "uplink"
kind = "af_xdp"
interface = "uplink"
steer = "all"
addresses = ["{UNDERLAY[end]}/24"]
listen_port = {LISTEN_PORT}

[[port]]
name = "access"
role = "access"
kind = "af_xdp"
interface = "access"
steer = "all"
addresses = ["{GATEWAY[end]}/24"]
mtu = {TUNNEL_MTU}

[[peer]]
public_key = "{keys.public[OTHER[end]]}"
endpoint = "{UNDERLAY[OTHER[end]]}:{LISTEN_PORT}"
allowed_ips = ["{SITE[OTHER[end]]}"]
"""


def vireo_routers(lab, program, workers):
    """Routers that are Vireo on AF_XDP, uplink and access."""
    keys = Keys()
    hosts, routers = sites(lab)
    for end, namespace in routers.items():
        config = os.path.join(lab.directory, f"{lab.tag}-{end}.toml")
        with open(os.open(config, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w",
                  encoding="ascii") as file:
            file.write(vireo_config(lab, end, keys, workers))
        process = lab.start(namespace, program, "--config", config)
        socket = f"{lab.directory}/{lab.tag.replace('-', '')}{end}.control"
        wait_for(f"the control socket of router {end}",
                 lambda p=process, s=socket: p.check() and os.path.exists(s))
    return Path(hosts["a"], hosts["b"], HOST["b"])
