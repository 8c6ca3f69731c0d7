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


@dataclasses.dataclass(frozen=True)
class Site:
    """Where a server is to be."""

    port: int = 0
    number: int = 0               # of the servers of its cluster
    cluster: tuple = ()           # the ports that these have for each other
    spare: int = 0                # a free port, for whatever it needs one
    folder: object = ""           # for its data
    root: object = ""             # where its package is unpacked


def nats_config(site):
    """Debian's package has no limits that matter here; what is not said is the program's default."""
    lines = [f"listen: 127.0.0.1:{site.port}", f"server_name: n{site.number}"]
    if len(site.cluster) > 1:
        routes = ", ".join(f'"nats://127.0.0.1:{other}"' for other in site.cluster)
        lines.append(f'cluster {{ name: "bench", listen: "127.0.0.1:{site.cluster[site.number]}", routes: [{routes}] }}')
    return lines


REDIS_ALWAYS = ("io-threads 1", "maxclients 16000", "tcp-backlog 4096", "timeout 0", "daemonize no", "loglevel warning")


def redis_config(site):
    """Nothing on disk; nobody is cut off for being slow; the backlog of all others for the connection storm."""
    return ["bind 127.0.0.1", f"port {site.port}", 'save ""', "appendonly no",
            "client-output-buffer-limit pubsub 0 0 0", *REDIS_ALWAYS]


def mosquitto_config(site):
    """Nothing on disk; nothing is dropped; Nagle's algorithm off, as everywhere else."""
    return [f"listener {site.port} 127.0.0.1", "allow_anonymous true", "persistence false", "max_connections -1",
            "max_queued_messages 0", "set_tcp_nodelay true", "log_dest stderr", "log_type error",
            f"user {getpass.getuser()}"]


def redis_durable_config(site):
    """Every change is on the disk before it is acknowledged; the log is not written anew meanwhile."""
    return ["bind 127.0.0.1", f"port {site.port}", f"dir {site.folder}", 'save ""', "appendonly yes",
            "appendfsync always", "auto-aof-rewrite-percentage 0", *REDIS_ALWAYS]


def slapd_config(site):
    """LMDB with its usual durability: every change is on the disk before it is acknowledged. Nothing is logged."""
    schemas = [f"include {site.root}/etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "inetorgperson")]
    return [*schemas, f"modulepath {site.root}/usr/lib/ldap", "moduleload back_mdb", "loglevel 0", "database mdb",
            "suffix dc=bench", "rootdn cn=manager,dc=bench", "rootpw secret", f"directory {site.folder}",
            "maxsize 4294967296", "index objectClass eq", "index uid eq"]


SLAPD_FIRST = """\
dn: dc=bench
objectClass: dcObject
objectClass: organization
dc: bench
o: bench

dn: ou=people,dc=bench
objectClass: organizationalUnit
ou: people
"""


def slapd_prepare(package, config, site):
    """The two entries above all others."""
    done = subprocess.run([package.program("slapadd"), "-f", str(config)], input=SLAPD_FIRST, text=True, check=False,
                          env=package.environment(), capture_output=True)
    if done.returncode != 0:
        raise Unavailable(f"slapadd failed: {done.stderr.strip()[-500:]}")


def etcd_config(site):
    """One member; every change is on the disk before it is acknowledged, as always."""
    here, peer = f"http://127.0.0.1:{site.port}", f"http://127.0.0.1:{site.spare}"
    return ["name: n0", f"data-dir: {site.folder}", f"listen-client-urls: {here}", f"advertise-client-urls: {here}",
            f"listen-peer-urls: {peer}", f"initial-advertise-peer-urls: {peer}", f"initial-cluster: n0={peer}",
            "log-level: error"]


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    package: str
    dialect: str      # of bench/load; or manner, of bench/inquire
    config: object
    words: tuple = ()  # that precede the configuration's path
    program: str = ""  # if it is not named like its package
    prepare: object = lambda package, config, site: None


# For scripts/bench fanout: they broadcast.
KINDS = {kind.name: kind for kind in [
    Kind("nats", "nats-server", "nats", nats_config, ("-c",)),
    Kind("redis", "redis-server", "redis", redis_config),
    Kind("mosquitto", "mosquitto", "mqtt", mosquitto_config, ("-c",)),
]}

# For scripts/bench identity: they keep records, each of them on the disk before it says so.
ROLLS = {kind.name: kind for kind in [
    Kind("redis", "redis-server", "redis", redis_durable_config),
    Kind("slapd", "slapd", "ldap", slapd_config, ("-h", "ldap://127.0.0.1:{port}", "-d", "0", "-f"),
         prepare=slapd_prepare),
    Kind("etcd", "etcd-server", "etcd", etcd_config, ("--config-file",), program="etcd"),
]}


class Running:
    """A peer's process, in `folder`. The caller stops it."""

    def __init__(self, kind, package, folder, site, prefix):
        self.address = f"127.0.0.1:{site.port}"
        self.name = kind.name
        config = pathlib.Path(folder).resolve() / f"{kind.name}{site.number}.conf"
        config.write_text("\n".join(kind.config(site)) + "\n")
        kind.prepare(package, config, site)
        self.log = config.with_suffix(".log")
        with open(self.log, "wb") as log:
            command = [*prefix, package.program(kind.program or kind.package),
                       *(word.format(port=site.port) for word in kind.words), str(config)]
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
def peers(kind, count, folder, prefix=(), package=None):
    """So many servers of that kind, a cluster if more than one; they accept connections."""
    package = package or fetch(kind.package)
    ports, others = free_ports(count + 1), free_ports(count)
    running = []
    try:
        for number, port in enumerate(ports[:count]):
            data = pathlib.Path(folder).resolve() / f"{kind.name}{number}"
            data.mkdir(mode=0o700)
            site = Site(port, number, tuple(others) if count > 1 else (), ports[count], data, package.root)
            running.append(Running(kind, package, folder, site, prefix))
        for one in running:
            one.wait()
        yield running
    finally:
        for one in running:
            one.stop()
