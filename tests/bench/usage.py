"""What a process takes of its machine: memory and threads."""

import gc
import pathlib

_SMAPS, _STATUS = pathlib.Path("/proc/self/smaps_rollup"), pathlib.Path("/proc/self/status")


def threads():
    """How many threads this process has now."""
    return int(_fields(_STATUS)["Threads"])


def of_this_process():
    """``{"rss": MiB, "pss": MiB, "threads": how many}``, once the garbage is collected."""
    gc.collect()
    fields = _fields(_SMAPS) | _fields(_STATUS)
    return {
        "rss": int(fields["Rss"]) / 1024,
        "pss": int(fields["Pss"]) / 1024,
        "threads": int(fields["Threads"]),
    }


def _fields(path):
    """The first word of each line's value, by its name."""
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return {name: value.split()[0] for name, colon, value in lines if colon and value.split()}
