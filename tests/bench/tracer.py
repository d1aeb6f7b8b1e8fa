"""Times what an adjustment passes through, inside the lab's services; nothing of it is in ours.

Copied into the lab's folder of modules as ``sitecustomize.py``, so that each service imports it
first when it is started. When a module of the table below is imported, its functions there are
wrapped: each call writes one line of JSON. Standard library only.
"""

import functools
import importlib.abc
import importlib.machinery
import json
import os
import sys
import threading
import time

# Where to; a file that is there, or nothing is written.
_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "spans.jsonl")

# module: {function: the name of the span}. A method's name is that of its class first.
TARGETS = {
    "nova_xloud.api.controllers": {
        "XloudAdjustController.adjust": "api",
        "XloudAdjustController._server": "api: read the instance, policy",
    },
    "nova_xloud.api.quotas": {
        "quota_of": "api: quota",
        "_CoresAndRam.refusal": "api: quota",
        "_Classes.refusal": "api: quota",
    },
    "nova_xloud.rpc.client": {"XloudAPI._ask": "rpc"},
    "nova_xloud.rpc.endpoint": {
        "XloudEndpoint.now": "host",
        "XloudEndpoint.reserve": "host",
        "XloudEndpoint.adjust": "host",
    },
    # The ping itself is in a thread of its own, which is waited for here.
    "nova_xloud.compute.liveness": {"LivenessProbe.answers": "guest pinged"},
    "nova_xloud.adapters.locks": {"InstanceLocks.hold": "lock"},
    "nova_xloud.adapters.record": {
        "NovaRecord.refresh": "record read",
        "NovaRecord.write": "record written",
        "NovaActions.start": "action begun",
        "NovaActions._finish": "action ended",
        "NovaActions.notify": "notification",
    },
    "nova_xloud.adapters.placement": {
        "PlacementClaims.read": "claim read",
        "PlacementClaims.write": "claim written",
    },
    "nova_xloud.libvirt.domain": {
        "LibvirtDomain.read": "guest read",
        "LibvirtDomain.set_definition": "step: definition",
        "LibvirtDomain.set_memory": "step: memory",
        "LibvirtDomain.set_vcpus": "step: vCPUs",
        "LibvirtDomain.set_vcpus_online": "step: CPUs online",
    },
}

# Those whose time is that until their ``with`` block begins.
_CONTEXTS = ("lock",)


def _write(name, began, ended):
    span = {
        "name": name,
        "began": began,
        "ended": ended,
        "thread": f"{os.getpid()}-{threading.get_ident()}",
    }
    try:
        # One write a line, appended: the lines of several processes do not mix.
        file = os.open(_FILE, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        return
    try:
        os.write(file, (json.dumps(span) + "\n").encode())
    finally:
        os.close(file)


def timed(function, name):
    """The function, whose calls are written down."""
    if name in _CONTEXTS:
        return functools.wraps(function)(lambda *args, **more: _Entered(function, args, more, name))

    @functools.wraps(function)
    def call(*args, **more):
        began = time.time()
        try:
            return function(*args, **more)
        finally:
            _write(name, began, time.time())

    return call


class _Entered:
    """A context manager, whose entering is timed."""

    def __init__(self, function, args, more, name):
        self._inner = function(*args, **more)
        self._name = name

    def __enter__(self):
        began = time.time()
        try:
            return self._inner.__enter__()
        finally:
            _write(self._name, began, time.time())

    def __exit__(self, *error):
        return self._inner.__exit__(*error)


def wrap(module, functions):
    """Have these functions of a module timed.

    :raises AttributeError: there is none of that name: the table above is out of date
    """
    for path, name in functions.items():
        *owners, attribute = path.split(".")
        owner = functools.reduce(getattr, owners, module)
        setattr(owner, attribute, timed(getattr(owner, attribute), name))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the table as Python does, and wraps when they have been loaded."""

    def find_spec(self, fullname, path, target=None):
        if fullname not in TARGETS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            wrap(module, TARGETS[fullname])

        spec.loader.exec_module = exec_module
        return spec


if __name__ == "sitecustomize":
    sys.meta_path.insert(0, _Finder())
