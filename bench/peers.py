"""Other servers, from Debian's packages, without installing or starting a service.

    fetch("nats-server") ──► apt-get download of it and of what it needs and is not here ──► dpkg-deb -x ──► a folder
                                                                                                │
    NATS, REDIS, MOSQUITTO: a configuration, a process on a free port of loopback  ◄────────────┘

The folders are kept in peers/ of $HERALD_CACHE, /var/cache/herald or ~/.cache/herald, whichever can be written first;
where scripts/env enters a root of its own, /var/cache/herald is in that root, and goes when that goes. Once fetched, a
package stays as it is: remove its folder to have a newer one. Needs apt and dpkg, not root."""

import contextlib
import dataclasses
import fcntl
import getpass
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

PATIENCE = 20.0


class Unavailable(Exception):
    """A peer that cannot be had; the text is for the user."""


# --- packages -----------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Package:
    name: str
    version: str
    root: pathlib.Path

    def program(self, name):
        for place in ("usr/sbin", "usr/bin"):
            if (self.root / place / name).exists():
                return str(self.root / place / name)
        raise Unavailable(f"{self.name} {self.version} has no {name}")

    def environment(self):
        libraries = [str(path) for path in sorted(self.root.glob("usr/lib/*-linux-gnu*"))]
        return os.environ | ({"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {})


def cache():
    """The folder of fetched packages: the first of its places that can be written."""
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "herald"
    places = [pathlib.Path("/var/cache/herald"), home]
    if "HERALD_CACHE" in os.environ:
        places.insert(0, pathlib.Path(os.environ["HERALD_CACHE"]))
    for place in places:
        with contextlib.suppress(OSError):
            (place / "peers").mkdir(parents=True, exist_ok=True)
            if os.access(place / "peers", os.W_OK):
                return place / "peers"
    raise Unavailable(f"none of {', '.join(map(str, places))} can be written; set HERALD_CACHE to a folder that can")


def apt(folder, *words):
    """Runs apt-get with lists and archives of our own, so that nobody has to be root. Its output."""
    settings = {"Dir::State::lists": folder / "lists", "Dir::Cache::archives": folder / "archives",
                "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "", "Debug::NoLocking": "1",
                "Acquire::Languages": "none", "APT::Sandbox::User": getpass.getuser()}
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items()), *words]
    try:
        done = subprocess.run(command, cwd=folder / "archives", capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=300)
    except FileNotFoundError as error:
        raise Unavailable("there is no apt-get here; peers are taken from Debian's packages") from error
    if done.returncode != 0:
        raise Unavailable(f"apt-get {words[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def unpack(name, folder, root):
    """Downloads the package and what it needs and is not installed, and unpacks them; the package's version."""
    apt(folder, "update")
    told = apt(folder, "install", "--simulate", "--no-install-recommends", "--reinstall", name)
    wanted = dict(re.findall(r"^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)", told, re.M))
    if name not in wanted:
        raise Unavailable(f"apt-get knows no way to install {name}")
    apt(folder, "download", *(f"{package}={version}" for package, version in wanted.items()))
    for archive in sorted((folder / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(archive), str(root)], check=True, stdin=subprocess.DEVNULL)
    return wanted[name]


def fetch(name, say=lambda text: None):
    """The package, from the cache if it is there. Several processes may ask at a time: one of them fetches."""
    place = cache()
    root, mark = place / name, place / name / "package.json"
    with open(place / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            say(f"fetching  {name} and what it needs into {root} (once)")
            half, work = place / f"{name}.half", place / f"{name}.work"
            for folder in (half, work, root):
                shutil.rmtree(folder, ignore_errors=True)
            work.mkdir()
            half.mkdir()
            version = unpack(name, work, half)
            (half / mark.name).write_text(json.dumps({"version": version}))
            half.rename(root)
            shutil.rmtree(work)
    return Package(name, json.loads(mark.read_text())["version"], root)


# --- servers ------------------------------------------------------------------------------------------------

def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def nats_config(port, number, cluster):
    """Debian's package has no limits that matter here; what is not said is the program's default."""
    lines = [f"listen: 127.0.0.1:{port}", f"server_name: n{number}"]
    if len(cluster) > 1:
        routes = ", ".join(f'"nats://127.0.0.1:{other}"' for other in cluster)
        lines.append(f'cluster {{ name: "bench", listen: "127.0.0.1:{cluster[number]}", routes: [{routes}] }}')
    return lines


def redis_config(port, number, cluster):
    """Nothing on disk; nobody is cut off for being slow; the backlog of all others for the connection storm."""
    return ["bind 127.0.0.1", f"port {port}", 'save ""', "appendonly no", "io-threads 1", "maxclients 16000",
            "client-output-buffer-limit pubsub 0 0 0", "tcp-backlog 4096", "timeout 0", "daemonize no",
            "loglevel warning"]


def mosquitto_config(port, number, cluster):
    """Nothing on disk; nothing is dropped; Nagle's algorithm off, as everywhere else."""
    return [f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence false", "max_connections -1",
            "max_queued_messages 0", "set_tcp_nodelay true", "log_dest stderr", "log_type error",
            f"user {getpass.getuser()}"]


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    package: str
    dialect: str
    config: object
    words: tuple = ()  # that precede the configuration's path


KINDS = {kind.name: kind for kind in [
    Kind("nats", "nats-server", "nats", nats_config, ("-c",)),
    Kind("redis", "redis-server", "redis", redis_config),
    Kind("mosquitto", "mosquitto", "mqtt", mosquitto_config, ("-c",)),
]}


class Running:
    """A peer's process, in `folder`. The caller stops it."""

    def __init__(self, kind, package, folder, port, prefix, number=0, cluster=()):
        self.address = f"127.0.0.1:{port}"
        self.name = kind.name
        config = pathlib.Path(folder) / f"{kind.name}{number}.conf"
        config.write_text("\n".join(kind.config(port, number, cluster)) + "\n")
        self.log = config.with_suffix(".log")
        with open(self.log, "wb") as log:
            command = [*prefix, package.program(kind.package), *kind.words, str(config.resolve())]
            self.process = subprocess.Popen(command, cwd=folder, env=package.environment(), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT, process_group=0)
        self.pid = self.process.pid

    def wait(self):
        """Until it accepts connections."""
        host, port = self.address.split(":")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return
            time.sleep(0.01)
        raise Unavailable(f"{self.name} did not start: {self.log.read_text(errors='replace')[-1000:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def peers(name, count, folder, prefix=(), package=None):
    """So many servers of that kind, a cluster if more than one; they accept connections."""
    kind = KINDS[name]
    package = package or fetch(kind.package)
    ports, cluster = free_ports(count), free_ports(count) if count > 1 else ()
    running = []
    try:
        for number, port in enumerate(ports):
            running.append(Running(kind, package, folder, port, prefix, number, cluster))
        for one in running:
            one.wait()
        yield running
    finally:
        for one in running:
            one.stop()
