"""What is measured through a tunnel. Each function returns the figure and what led to it."""

import json
import time

from lab import LabError, run

PORT = 9000
IP_AND_UDP_HEADERS = 28


def warm_up(lab, path, perf):
    """Pings until the first answer: handshake done, neighbours known."""
    deadline = time.monotonic() + 15
    while True:
        for process in lab.processes:
            process.check()
        answer = json.loads(lab.inside(path.sender, perf, "ping", "--json", "--to", path.address,
                                       "--count", "1", "--timeout", "500"))
        if answer["answered"] == 1:
            return
        if time.monotonic() > deadline:
            raise LabError(f"no ping through the tunnel to {path.address} in 15 s")


def ping(lab, path, perf, options):
    """Idle round trip, median, microseconds."""
    result = json.loads(lab.inside(
        path.sender, perf, "ping", "--json", "--to", path.address,
        "--count", str(options.pings), "--interval", str(options.ping_interval)))
    if result["answered"] < result["sent"] * 0.9:
        raise LabError(f"only {result['answered']} of {result['sent']} pings were answered")
    return result["rtt_us"]["p50"], result


def tcp(lab, path, _perf, options):
    """One TCP stream, bits a second at the receiver."""
    server = lab.start(path.receiver, "iperf3", "--server", "--one-off", "--bind", path.address)
    time.sleep(0.3)
    try:
        result = json.loads(lab.inside(path.sender, "iperf3", "--client", path.address, "--json",
                                       "--time", str(options.tcp_seconds),
                                       timeout=options.tcp_seconds + 20))
    finally:
        server.stop()
        lab.processes.remove(server)
    end = result["end"]
    return end["sum_received"]["bits_per_second"], {
        "retransmits": end["sum_sent"].get("retransmits"),
        "seconds": end["sum_received"]["seconds"]}


def udp(payload):
    """Highest rate of `payload`-byte datagrams within the loss limit, packets a second."""
    def search(lab, path, perf, options):
        result = json.loads(run(
            perf, "udp-search", "--json", "--send-netns", path.sender,
            "--receive-netns", path.receiver, "--to", f"{path.address}:{PORT}",
            "--size", str(payload), "--loss", str(options.loss),
            "--seconds", str(options.trial_seconds), "--trials", str(options.trials),
            "--flows", str(options.flows), "--coalesce", "500",
            "--segments", str(options.segments), timeout=120))
        if result["best_pps"] is None:
            for process in lab.processes:
                process.check()  # the best reason there can be
            raise LabError(f"every trial at {payload} bytes lost more than {options.loss} %")
        return result["best_pps"], result
    return search


MEASURES = {
    "ping": ("ping p50, µs", ping, lambda value: f"{value:.1f}"),
    "udp64": ("UDP 64-byte payload, kpps", udp(64), lambda value: f"{value / 1e3:.1f}"),
    "udp1400": ("UDP 1400-byte IP packets, kpps", udp(1400 - IP_AND_UDP_HEADERS),
                lambda value: f"{value / 1e3:.1f}"),
    "tcp": ("TCP 1 stream, Gbit/s", tcp, lambda value: f"{value / 1e9:.3f}"),
}
