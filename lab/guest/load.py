# SPDX-License-Identifier: Apache-2.0
"""The load of a guest: the line that asks for it, and the line in which the guest reports.

A guest whose kernel has ``xloud.load=`` on its command line has a load that can be driven. The
value is the load that it has from its boot, with commas in place of spaces (``cpu=1x50,build=2x60``
or ``idle``). While it runs a line on its serial console gives it another load as a whole:

    load NUMBER cpu=4x100 memory=600@200 cache=400@50 build=2x80

:cpu: burners, and the percentage of a CPU that each wants.
:memory: MiB to take, and MiB a second in which it is taken or freed (0 or none: at once). What is
    taken is used: all of it is written again within ten seconds.
:cache: MiB of the disk to read again and again, and MiB a second. The kernel keeps in its page
    cache what it has room for.
:build: jobs of a build, and the MiB that a file takes at most. A file takes a second to four; it
    takes memory in the first part and a CPU for all of it. Each eighth takes twice the MiB.

What a line does not name ends. ``NUMBER`` is another one for each load: a line with a number that
was obeyed already only makes the guest report. A report is one line:

    xloud-load: command=7 workers=5 taken_mib=600 cache_mib=0 files=0 killed=0 oom_kills=0 \
        swap_in_kib=0 swap_out_kib=0 stalls=0 stalled_ms=0 major_faults=0 available_kib=210044 \
        swap_used_kib=0 cpu_ms=9330 uptime=18.31

There is one after each command, as soon as a counter of distress has changed, each second while
there is a load, and else every five seconds. The counters are the kernel's, since the guest's boot.
"""

import re
from dataclasses import dataclass, fields

MAX_WORKERS = 62

_LINE = re.compile(rb"^xloud-load: (command=\d+(?: \w+=-?[\d.]+)+)\r?$", re.MULTILINE)
_ERROR = re.compile(rb"^xloud-load: error: (.*?)\r?$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """What a guest is to do; the module describes the fields. Without any it is idle.

    :raises ValueError: a number is negative, or there are more workers than the guest can have
    """

    burners: int = 0
    percent: int = 100
    memory_mb: int = 0
    memory_rate: int = 0
    cache_mb: int = 0
    cache_rate: int = 0
    jobs: int = 0
    job_mb: int = 100

    def __post_init__(self) -> None:
        if any(getattr(self, field.name) < 0 for field in fields(self)):
            raise ValueError(f"a load has no negative numbers: {self}")
        if self.burners + self.jobs > MAX_WORKERS or self.percent > 100:
            raise ValueError(
                f"a guest has at most {MAX_WORKERS} workers, with at most 100 % of a CPU: {self}"
            )

    def words(self) -> str:
        """Return the load as it is written on the console."""
        words = []
        if self.burners:
            words.append(f"cpu={self.burners}x{self.percent}")
        if self.memory_mb or self.memory_rate:
            words.append(f"memory={self.memory_mb}@{self.memory_rate}")
        if self.cache_mb:
            words.append(f"cache={self.cache_mb}@{self.cache_rate}")
        if self.jobs:
            words.append(f"build={self.jobs}x{self.job_mb}")
        return " ".join(words) or "idle"

    def argument(self) -> str:
        """Return the argument of the kernel's command line with which a guest boots so loaded."""
        return f"xloud.load={self.words().replace(' ', ',')}"


IDLE = Load()


def swap_argument(mib: int) -> str:
    """Return the argument of the kernel's command line for a guest with swap of so many MiB."""
    return f"xloud.swap={mib}"


@dataclass(frozen=True)
class Distress:
    """What of want of memory the guest's kernel has counted since it booted.

    :ivar killed: workers that the kernel has killed
    :ivar oom_kills: processes that the kernel has killed for want of memory
    :ivar swap_in_kib: what was swapped in, KiB
    :ivar swap_out_kib: what was swapped out, KiB
    :ivar stalls: allocations that had to free memory first
    :ivar stalled_ms: milliseconds in which some process has waited for memory
    """

    killed: int
    oom_kills: int
    swap_in_kib: int
    swap_out_kib: int
    stalls: int
    stalled_ms: int

    def is_harm(self) -> bool:
        """Return whether a process was killed, or memory was swapped out."""
        return self.killed > 0 or self.oom_kills > 0 or self.swap_out_kib > 0

    def since(self, before: "Distress") -> "Distress":
        """Return what was counted since an earlier report of the same boot."""
        return Distress(
            **{
                field.name: getattr(self, field.name) - getattr(before, field.name)
                for field in fields(self)
            }
        )

    def __str__(self) -> str:
        return (
            f"{self.oom_kills} processes killed, {self.swap_out_kib // 1024} MiB swapped out, "
            f"{self.stalls} stalls, {self.stalled_ms / 1000:.1f} s waited for memory"
        )


@dataclass(frozen=True)
class LoadReport:
    """One report of a guest's load.

    :ivar command: the number of the last command that was obeyed; 0 before the first
    :ivar workers: how many processes make the load
    :ivar taken_mb: memory that is taken, MiB
    :ivar cached_mb: how much of the disk was read, MiB
    :ivar files: files that were built since the command
    :ivar distress: what the kernel has counted
    :ivar major_faults: page faults that waited for a disk
    :ivar available_mb: the kernel's MemAvailable, MiB
    :ivar swap_used_mb: how much is in swap, MiB
    :ivar cpu_seconds: CPU time that the guest has used, by its own clock
    :ivar uptime: seconds since the guest's boot
    """

    command: int
    workers: int
    taken_mb: int
    cached_mb: int
    files: int
    distress: Distress
    major_faults: int
    available_mb: float
    swap_used_mb: float
    cpu_seconds: float
    uptime: float


def reports(console: bytes) -> list[LoadReport]:
    """Return all complete reports in a guest's console output, the oldest first."""
    return [_report(found[1]) for found in _LINE.finditer(console)]


def last_report(console: bytes) -> LoadReport | None:
    """Return the last complete report in a guest's console output; None if there is none."""
    found = list(_LINE.finditer(console))
    return _report(found[-1][1]) if found else None


def errors(console: bytes) -> list[str]:
    """Return what a guest's load has reported as errors, such as a command with unknown words."""
    return [found[1].decode(errors="replace") for found in _ERROR.finditer(console)]


def _report(line: bytes) -> LoadReport:
    values = dict(word.split("=") for word in line.decode().split())
    numbers = {name: int(value) for name, value in values.items() if name != "uptime"}
    return LoadReport(
        command=numbers["command"],
        workers=numbers["workers"],
        taken_mb=numbers["taken_mib"],
        cached_mb=numbers["cache_mib"],
        files=numbers["files"],
        distress=Distress(**{field.name: numbers[field.name] for field in fields(Distress)}),
        major_faults=numbers["major_faults"],
        available_mb=numbers["available_kib"] / 1024,
        swap_used_mb=numbers["swap_used_kib"] / 1024,
        cpu_seconds=numbers["cpu_ms"] / 1000,
        uptime=float(values["uptime"]),
    )
