"""Namespaces, veth pairs and processes that go away again, whatever happens."""

import contextlib
import os
import signal
import subprocess
import time

# Where a release build puts the programs.
PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "release",
                        "bin")
HOST_SOCKETS = "/var/run/wireguard"


class LabError(Exception):
    """One line for a person: what was wrong and where."""


def run(*command, stdin=None, timeout=60):
    """Runs a command to its end and returns its output; LabError if it fails."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True,
                              timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no end after {timeout} s: {' '.join(command)}") from error
    if done.returncode != 0:
        why = (done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}")
        raise LabError(f"{' '.join(command)}: {why.splitlines()[-1]}")
    return done.stdout


def program(folder, name):
    """The built program `name` in `folder`; LabError if it is not there."""
    path = os.path.abspath(os.path.join(folder, name))
    if not os.access(path, os.X_OK):
        raise LabError(f"{path} is missing: build it (cmake --build build/release) or give --bin")
    return path


def wait_for(what, condition, seconds=10):
    """Polls until `condition()` is true; LabError naming `what` if it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


def machine_busy(seconds=0.3):
    """Share of all processors that was in use over a moment: how noisy the machine is."""
    def read():
        with open("/proc/stat", encoding="ascii") as stat:
            ticks = [int(word) for word in stat.readline().split()[1:]]
        return sum(ticks), ticks[3] + ticks[4]
    total, idle = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    return 1 - (idle_after - idle) / max(1, total_after - total)


@contextlib.contextmanager
def priority(nice):
    """Lets everything started meanwhile go before other work on the machine; 0 changes nothing.

    With autogroups, a nice value counts only inside one session, so the session's own is set too.
    """
    if nice == 0:
        yield
        return
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    autogroup = "/proc/self/autogroup"
    if not os.path.exists(autogroup):
        yield
        return

    def write(value):
        with open(autogroup, "w", encoding="ascii") as file:
            file.write(value)
    with open(autogroup, encoding="ascii") as file:
        before = file.read().split()[-1]
    write(str(nice))
    try:
        yield
    finally:
        write(before)


class Process:
    """A background process in a namespace; its output is kept for the error message."""

    def __init__(self, namespace, command, log):
        self.command = command
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                process_group=0)

    def check(self):
        """LabError with the last line of output if the process is gone."""
        if self.process.poll() is None:
            return True
        with open(self.log, encoding="utf-8", errors="replace") as output:
            lines = output.read().strip().splitlines() or ["no output"]
        raise LabError(f"{' '.join(self.command)} ended: {lines[-1]}")

    def cpu_seconds(self):
        """Processor time used so far, all threads."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Ends the process (only this one, by its id)."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Lab:
    """Everything one run makes. Use as a context manager; leaving it removes all of it."""

    def __init__(self, directory, tag):
        self.directory = directory
        self.tag = tag
        self.namespaces = []
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()
        for namespace in reversed(self.namespaces):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)

    def namespace(self, role):
        """Makes a namespace without IPv6, whose router solicitations are not wanted here."""
        name = f"vireo-{self.tag}-{role}"
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        self.inside(name, "ip", "link", "set", "lo", "up")
        for scope in ("all", "default"):
            self.inside(name, "sysctl", "-q", "-w", f"net.ipv6.conf.{scope}.disable_ipv6=1")
        return name

    def veth(self, one, other, mtu=1500):
        """Joins (namespace, device) `one` and `other`, both ends up."""
        run("ip", "link", "add", one[1], "netns", one[0], "mtu", str(mtu), "type", "veth",
            "peer", "name", other[1], "netns", other[0], "mtu", str(mtu))
        for namespace, device in (one, other):
            run("ip", "-n", namespace, "link", "set", device, "up")

    def address(self, namespace, device, address):
        run("ip", "-n", namespace, "address", "add", address, "dev", device)

    def offload(self, namespace, device, *settings):
        """`settings` as ethtool -K takes them: name, on or off, …"""
        self.inside(namespace, "ethtool", "-K", device, *settings)

    @staticmethod
    def inside(namespace, *command, **options):
        return run("ip", "netns", "exec", namespace, *command, **options)

    def start(self, namespace, *command):
        log = os.path.join(self.directory, f"{self.tag}-{len(self.processes)}.log")
        process = Process(namespace, command, log)
        self.processes.append(process)
        return process

    def cpu_seconds(self):
        """Of all background processes together."""
        return sum(process.cpu_seconds() for process in self.processes)
