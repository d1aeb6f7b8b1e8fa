"""What each service costs before it does anything: the CPU time of its imports, and its memory."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from tests.bench import paired

SERVICES = ("nova-api", "nova-conductor", "nova-scheduler", "nova-compute")
_SECONDS = 120

# The WSGI application, but for its row in the database, which is not there.
_API = """
from nova import monkey_patch
monkey_patch.patch(backend="threading")
from nova.api.openstack import wsgi_app
wsgi_app._setup_service = lambda host, name: None
import {package}.wsgi.osapi_compute
"""
_COMMAND = "import nova.cmd.{module}\n"
_LIBVIRT = "import nova.virt.libvirt.driver\n"
_INSTALL = "from nova_xloud.seams.install import install\ninstall()\n"
_MEASURED = """
import json, time
cpu = time.process_time()
lines = open("/proc/self/smaps_rollup").read().splitlines()[1:]
kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
print(json.dumps({"cpu": cpu * 1000, "pss": kib["Pss"] / 1024, "rss": kib["Rss"] / 1024}))
"""


def program(service, *, extended):
    """The Python that loads a service as its command does, up to where it would start."""
    if service == "nova-api":
        return _API.format(package="nova_xloud" if extended else "nova") + _MEASURED
    loads = _COMMAND.format(module=service.removeprefix("nova-"))
    if service == "nova-compute":
        loads += _LIBVIRT
    return loads + (_INSTALL if extended else "") + _MEASURED


def in_turns(service, pairs, seed, *, same=False):
    """``(stock, extended)`` of so many pairs of fresh processes.

    Each is ``{"cpu": ms, "pss": MiB, "rss": MiB}``. The first of both only warms the disk's cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        configuration = pathlib.Path(folder)
        shutil.copy(pathlib.Path(sys.prefix, "etc/nova/api-paste.ini"), configuration)
        (configuration / "nova.conf").write_text("[api]\nauth_strategy = noauth2\n")
        programs = [program(service, extended=e) for e in (False, not same)]
        for text in programs:
            _fresh(text, folder, seed)
        measured = []
        for turn, extended_first in enumerate(paired.order(pairs, seed)):
            answers = [None, None]
            for index in (1, 0) if extended_first else (0, 1):
                answers[index] = _fresh(programs[index], folder, seed + turn)
            measured.append(tuple(answers))
    return measured


def _fresh(text, configuration, hash_seed):
    environment = {
        **os.environ,
        "OS_NOVA_CONFIG_DIR": configuration,
        "PYTHONHASHSEED": str(hash_seed),
    }
    done = subprocess.run(
        [sys.executable, "-c", text],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])
