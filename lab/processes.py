"""Starts the lab's daemons, waits until they are healthy, and stops them by process id.

A daemon gets its own session, a log and a record (``run/<name>.json``). The record has its process
id and that process's start time, so that a process id which the kernel has given to another process
is never killed. Nothing here looks for a process by its name. Processes that daemons have started
are found by the variable ``MARK`` in their environment, which names this lab's state folder.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import sockets
from lab.errors import CommandFailed, LabError, ServiceFailed
from lab.layout import REPOSITORY, Layout

MARK = "NOVA_XLOUD_LAB"
STOP_SECONDS = 10.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Daemon:
    """One long-running program of the lab.

    :ivar healthy: returns whether the daemon can be used. It is called repeatedly and must be
        quick; an OSError counts as False
    :ivar environment: variables besides those of :func:`daemon_environment`
    :ivar made_of: the files that the daemon reads when it starts, and folders whose ``*.py`` files
        it imports. If one has changed since the daemon's start, :func:`start` restarts the daemon
    :ivar timeout: seconds within which the daemon has to be healthy after its start
    :ivar port: the TCP port on which the daemon's own process has to listen to be healthy
    """

    name: str
    command: Sequence[str]
    healthy: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    made_of: Sequence[Path] = ()
    timeout: float = 60.0
    port: int | None = None


@dataclass(frozen=True)
class Record:
    """The process of a daemon, as recorded in a file when the daemon was started.

    :ivar start_time: clock ticks from the machine's boot to the start of the process
    :ivar boot_id: the machine's boot in which the process was started
    :ivar fingerprint: a hash of what the daemon was made of
    """

    pid: int
    start_time: int
    boot_id: str
    fingerprint: str

    def alive(self) -> bool:
        """Return whether this same process still runs; a zombie counts as ended."""
        return self.boot_id == _boot_id() and self.start_time == start_time(self.pid)


def start(layout: Layout, daemons: Iterable[Daemon]) -> list[str]:
    """Start those daemons that do not run or are out of date, and wait until all are healthy.

    :returns: the names of those that were started
    :raises ServiceFailed: a daemon ended, or was not healthy in time
    """
    wanted = list(daemons)
    fresh = [daemon for daemon in wanted if not _is_current(layout, daemon)]
    for daemon in fresh:
        stop(layout, [daemon.name])
        _spawn(layout, daemon)
    for daemon in wanted:
        _wait_healthy(layout, daemon)
    return [daemon.name for daemon in fresh]


def stop(layout: Layout, names: Iterable[str]) -> list[str]:
    """Send SIGTERM to these daemons, wait for all of them, and kill those that are left.

    :returns: the names of those that ran
    :raises LabError: a process outlives SIGKILL, because it hangs in the kernel
    """
    records = {name: record for name in names if (record := read_record(layout, name))}
    running = {name: record for name, record in records.items() if record.alive()}
    end_processes({record.pid: record.start_time for record in running.values()})
    for name in records:
        _record_path(layout, name).unlink(missing_ok=True)
    return list(running)


def end_processes(processes: Mapping[int, int], seconds: float = STOP_SECONDS) -> None:
    """End processes, given as {pid: start time}, with SIGTERM and after some time with SIGKILL.

    :raises LabError: a process outlives SIGKILL, because it hangs in the kernel
    """

    def left() -> dict[int, int]:
        return {pid: began for pid, began in processes.items() if start_time(pid) == began}

    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for pid in left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience
        while left() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    if left():
        raise LabError(f"processes {sorted(left())} outlive SIGKILL: they hang in the kernel")


def running(layout: Layout) -> dict[str, Record]:
    """Return all daemons that run now, by name, in the order in which they were started."""
    alive: dict[str, Record] = {}
    for path in layout.run.glob("*.json"):
        record = read_record(layout, path.stem)
        if record and record.alive():
            alive[path.stem] = record
    return dict(sorted(alive.items(), key=lambda item: item[1].start_time))


def marked(layout: Layout) -> dict[int, int]:
    """Return {pid: start time} of the daemons of this lab and of all that they have started."""
    mark = f"{MARK}={layout.state}".encode()
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        began = start_time(int(entry.name))
        if mark in environment and began is not None:
            found[int(entry.name)] = began
    return found


def check_running(layout: Layout, daemons: Iterable[Daemon]) -> None:
    """Raise ServiceFailed for the first daemon that has ended, with the end of the daemon's log."""
    for daemon in daemons:
        record = read_record(layout, daemon.name)
        if record is None or not record.alive():
            log = f"{daemon.name}.log"
            raise ServiceFailed(f"{daemon.name} ended\n{tail(layout.logs / log)}")


def run_command(
    layout: Layout,
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 300.0,
) -> None:
    """Run a command to its end, and append its output to ``logs/<name>.log``.

    :param timeout: seconds after which the command is killed
    :raises CommandFailed: the command failed or was killed; the message has the end of the log
    """
    log = layout.logs / f"{name}.log"
    with log.open("ab") as sink:
        sink.write(f"$ {' '.join(command)}\n".encode())
        sink.flush()
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**daemon_environment(layout), **(environment or {})},
                cwd=cwd,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"{name}: not done in {timeout:.0f} s\n{tail(log)}") from error
    if done.returncode != 0:
        raise CommandFailed(f"{name}: exit status {done.returncode}\n{tail(log)}")


def tail(log: Path, lines: int = 25) -> str:
    """Return the path of a log and its last lines, indented, as text."""
    try:
        text = log.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        text = ["(no log)"]
    return "\n".join([f"  {log}:", *("  | " + line for line in text)])


def daemon_environment(layout: Layout) -> dict[str, str]:
    """Return the environment for daemons and commands.

    It is that of this process, without variables that would change how daemons behave.
    """
    meddling = ("OS_", "PYTHON", "LIBVIRT_", "RABBITMQ_", "ERL_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(meddling)}
    # Times in logs agree with those in the APIs.
    own = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    return {**kept, **own, "PYTHONPATH": str(layout.site)}


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5), stat field 22).

    :returns: None if there is no such process, or only its zombie
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold spaces and parentheses.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def started_at(layout: Layout, daemon: Daemon) -> float:
    """Return when a daemon was started, in seconds since 1970; the time now if it does not run."""
    record = read_record(layout, daemon.name)
    if record is None or not record.alive():
        return time.time()
    since_boot = record.start_time / TICKS_PER_SECOND
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot


def read_record(layout: Layout, name: str) -> Record | None:
    try:
        return Record(**json.loads(_record_path(layout, name).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _spawn(layout: Layout, daemon: Daemon) -> None:
    log = layout.logs / f"{daemon.name}.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(
            daemon.command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=REPOSITORY,
            env={**daemon_environment(layout), **daemon.environment, MARK: str(layout.state)},
        )
    began = start_time(process.pid)
    if began is None:
        raise ServiceFailed(f"{daemon.name} ended at once\n{tail(log)}")
    record = Record(process.pid, began, _boot_id(), _fingerprint(daemon))
    _record_path(layout, daemon.name).write_text(json.dumps(record.__dict__) + "\n")
    _children.append(process)


# Popen objects are kept: polling them reaps those that end while this process still runs, and
# Python does not warn that they were dropped while running.
_children: list[subprocess.Popen[bytes]] = []


def _wait_healthy(layout: Layout, daemon: Daemon) -> None:
    log = layout.logs / f"{daemon.name}.log"
    deadline = time.monotonic() + daemon.timeout
    while True:
        for child in _children:
            child.poll()
        check_running(layout, [daemon])
        if _healthy(layout, daemon):
            return
        if time.monotonic() > deadline:
            raise ServiceFailed(f"{daemon.name}: no answer in {daemon.timeout:.0f} s\n{tail(log)}")
        time.sleep(POLL_SECONDS)


def _healthy(layout: Layout, daemon: Daemon) -> bool:
    record = read_record(layout, daemon.name)
    if record and daemon.port and not sockets.listens(record.pid, daemon.port):
        return False
    try:
        return daemon.healthy()
    except OSError:
        return False


def _is_current(layout: Layout, daemon: Daemon) -> bool:
    record = read_record(layout, daemon.name)
    return bool(record and record.alive() and record.fingerprint == _fingerprint(daemon))


def _fingerprint(daemon: Daemon) -> str:
    digest = hashlib.sha256(repr([*daemon.command, sorted(daemon.environment.items())]).encode())
    for source in daemon.made_of:
        files = [source] if source.is_file() else sorted(source.rglob("*.py"))
        for path in files:
            digest.update(str(path).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _record_path(layout: Layout, name: str) -> Path:
    return layout.run / f"{name}.json"


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
