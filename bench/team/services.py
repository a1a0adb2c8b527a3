"""The servers of the demonstration, on loopback with free ports: Postgres, SeaweedFS, Ray, Dagster.

Each is a command under a guard, so that it ends with this process, however that ends. Names,
passwords and ports are new in every demonstration and are given on in the environment only.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from assets.home import ROOT, TEAM
from bench.team.programs import find_ports, find_program
from training.runs.processes import end_processes, start_guarded

READY_S = 600.0
"""Longest start of a server; a loaded machine imports slowly."""
BUCKET = "prefloop"
RAY_NODE = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
MEMORY = ["--object-store-memory", str(100 << 20)]
"""Bytes of a node's object store; chunks are the only objects."""
# two nodes share the ports of this machine: each takes free ones
FREE = [
    f"--{name}-port=0"
    for name in (
        "node-manager", "object-manager", "min-worker", "max-worker", "metrics-export",
        "dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent",
    )
]  # fmt: skip
RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # else Ray ends processes on a machine with full memory
    "RAY_num_prestart_python_workers": "0",
    "RAY_worker_niceness": "0",  # else other work on the machine starves the nodes' processes
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "600",
    # a loaded machine starts processes slowly
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
}


class Services:
    """Servers that run; `environment` is what their clients need."""

    def __init__(self, folder: Path) -> None:
        """Choose names, passwords and ports; nothing is started."""
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self._running: list[subprocess.Popen] = []
        names = ("postgres", "s3", "master", "volume", "filer", "admin", "ray", "dashboard", "page")
        self.ports = dict(zip(names, find_ports(len(names)), strict=True))
        self._password = secrets.token_hex(16)
        self.environment = {
            "AWS_ACCESS_KEY_ID": "prefloop",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports['s3']}",
            "PREFLOOP_POSTGRES": f"postgresql+psycopg2://prefloop:{self._password}"
            f"@127.0.0.1:{self.ports['postgres']}/postgres",
            "PREFLOOP_CACHE": str(folder / "cache"),
            # a job of Ray runs `dagster`, also if no virtual environment is active
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "RAY_ADDRESS": f"127.0.0.1:{self.ports['ray']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            **RAY_SETTINGS,
        }

    def start(self, recipe: Path, lake: str) -> None:
        """Start all servers, one after the other; the page shows a recipe's study in a lake."""
        os.environ.update(self.environment)
        self._start_postgres()
        self._start_store()
        self._start_ray()
        self._start_dagster(recipe, lake)

    def stop(self) -> None:
        """End all servers, the last one first."""
        for server in reversed(self._running):
            end_processes([server])
        self._running.clear()

    def _start_postgres(self) -> None:
        folder = self.folder / "postgres"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        # Postgres refuses to run as root
        user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.getuid() == 0 else []
        password = folder / "password"
        password.write_text(self._password, encoding="utf-8")
        for path in (folder, password):
            if user:
                shutil.chown(path, "nobody")
        made = subprocess.run(
            [
                *user, find_program("initdb"),
                "-D", folder / "data", "-U", "prefloop", "-A", "scram-sha-256",
                "--pwfile", password, "--no-sync",
            ],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        password.unlink()
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr}")
        port = str(self.ports["postgres"])
        command = [find_program("postgres"), "-D", folder / "data"]
        command += ["-k", folder, "-p", port, "-c", "listen_addresses=127.0.0.1"]
        self._start("postgres", [*user, *map(str, command)], self._answers_postgres, cwd=folder)

    def _answers_postgres(self) -> bool:
        from sqlalchemy import NullPool, create_engine
        from sqlalchemy.exc import OperationalError

        engine = create_engine(self.environment["PREFLOOP_POSTGRES"], poolclass=NullPool)
        with suppress(OperationalError):
            engine.connect().close()
            return True
        return False

    def _start_store(self) -> None:
        folder = self.folder / "store"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        program = find_program("weed")
        ports = [f"-{name}.port={self.ports[name]}" for name in ("master", "volume", "filer")]
        self._start(
            "store",
            [
                program, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                f"-s3.port={self.ports['s3']}", f"-admin.port={self.ports['admin']}",
                "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
                "-master.telemetry=false", *ports,
            ],
            self._answers_store, cwd=folder, env=os.environ | {"S3_BUCKET": BUCKET},
        )  # fmt: skip

    def _answers_store(self) -> bool:
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        options = {"timeout": "2s", "allow_http": True}
        store = S3Store(BUCKET, client_options=options, retry_config={"max_retries": 0})
        with suppress(BaseError, OSError):
            obstore.put(store, "ready", b"")
            return True
        return False

    def _start_ray(self) -> None:
        """Start a head without a place for replicas, and two nodes with one CPU each."""
        address = self.environment["RAY_ADDRESS"]
        head = ["--head", "--node-ip-address=127.0.0.1", f"--port={self.ports['ray']}"]
        head += ["--num-cpus=0", "--include-dashboard=true", "--dashboard-host=127.0.0.1"]
        head += [f"--dashboard-port={self.ports['dashboard']}"]
        head += ["--temp-dir", str(self.folder / "ray")]
        # a node connects to the address that it is given
        environment = {key: text for key, text in os.environ.items() if key != "RAY_ADDRESS"}
        options = {"cwd": self.folder, "env": environment}
        command = [*RAY_NODE, *head, *FREE, *MEMORY]
        self._start("ray_head", command, lambda: self._count_nodes() >= 1, **options)
        for number in (1, 2):
            command = [*RAY_NODE, f"--address={address}", "--num-cpus=1", *FREE, *MEMORY]
            command += [f"--node-ip-address=127.0.0.{number}"]
            self._start(
                f"ray_node_{number}",
                command,
                lambda nodes=number + 1: self._count_nodes() >= nodes,
                **options,
            )

    def _count_nodes(self) -> int:
        """Return the living nodes, asked for by another process: this one stays unconnected."""
        command = [sys.executable, "-c", COUNT]
        with suppress(subprocess.TimeoutExpired):  # Ray waits for a head that has ended
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=COUNT_S
            )
            if not done.returncode:
                return int(done.stdout.split()[-1])
        return 0

    def _start_dagster(self, recipe: Path, lake: str) -> None:
        home = self.folder / "dagster_home"
        home.mkdir(exist_ok=True)
        shutil.copyfile(TEAM, home / TEAM.name)
        environment = os.environ | {
            "DAGSTER_HOME": str(home),
            "PREFLOOP_RECIPE": str(recipe),
            "PREFLOOP_LAKE": lake,
        }
        workspace = ["-w", str(TEAM.with_name("workspace.yaml"))]
        options = {"cwd": ROOT, "env": environment}
        page = [find_program("dagster-webserver")]
        page += ["-h", "127.0.0.1", "-p", str(self.ports["page"]), *workspace]
        self._start("page", page, self._answers_page, **options)
        daemon = [find_program("dagster-daemon"), "run", *workspace]
        self._start("daemon", daemon, self._runs_daemon, **options)

    def _runs_daemon(self) -> bool:
        printed = (self.folder / "daemon.log").read_text(encoding="utf-8", errors="replace")
        return "configured with the following daemons" in printed

    def _answers_page(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports["page"])) == 0

    def _start(
        self, name: str, command: Sequence[str], is_ready: Callable[[], bool], **options: object
    ) -> None:
        """Start a server and wait until it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time; the message has its last words.
        """
        log, started = self.folder / f"{name}.log", time.monotonic()
        with log.open("ab") as output:
            server = start_guarded(command, stdout=output, stderr=output, **options)
        self._running.append(server)
        while not is_ready():
            elapsed_s = time.monotonic() - started
            if server.poll() is not None or elapsed_s > READY_S:
                words = log.read_text(encoding="utf-8", errors="replace")[-3000:]
                raise RuntimeError(f"{name} does not answer after {elapsed_s:.0f} s:\n{words}")
            time.sleep(0.3)
        self.seconds[name] = round(time.monotonic() - started, 1)
        print(f"{name}: started in {self.seconds[name]} s", flush=True)


COUNT_S = 60.0
COUNT = """
import ray
ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
print(sum(node["Alive"] for node in ray.nodes()))
"""


@contextmanager
def run_services(folder: Path, recipe: Path, lake: str) -> Iterator[Services]:
    """Run all servers while the body runs, and stop them, also after an error or Ctrl-C."""
    services, before = Services(folder), dict(os.environ)
    try:
        services.start(recipe, lake)
        yield services
    finally:
        services.stop()
        _restore(before)


def _restore(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
