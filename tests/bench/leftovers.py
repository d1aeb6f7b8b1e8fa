"""What is kept of instances that are gone: found by walking through all that is reachable."""

from collections import deque

_CONTAINERS = (list, tuple, set, frozenset, deque)


def of(uuids, roots):
    """Where one of ``uuids`` is still named, as paths; empty: nowhere.

    Containers are walked through, and objects of nova-xloud; what is Nova's own is not.

    :param roots: ``{name: object}`` to begin with
    """
    seen, found, todo = set(), [], list(roots.items())
    while todo:
        path, one = todo.pop()
        if isinstance(one, str):
            if one in uuids:
                found.append(path)
            continue
        if id(one) in seen:
            continue
        seen.add(id(one))
        todo += _inside(path, one)
    return sorted(found)


def roots_of(manager):
    """Where our manager keeps things by instance."""
    # Here, because it asks for Nova.
    from nova_xloud.adapters import nova_objects

    return {
        "engine": manager.xloud,
        "probe": manager.xloud_ports._probe,
        "locks": manager.xloud_ports._locks,
        "agents": manager.xloud_ports._agents,
        "watch": manager._watch,
        "boots": manager._boot_grace,
        "meter": manager._metrics.meter,
        "ran already": getattr(manager.driver, "xloud_ran_already", None),
        "logged": nova_objects._UNREADABLE,
    }


def _inside(path, one):
    if isinstance(one, dict):
        for key, value in list(one.items()):
            yield f"{path} (a key)", key
            yield f"{path}[...]", value
    elif isinstance(one, _CONTAINERS):
        for value in list(one):
            yield f"{path}[...]", value
    elif type(one).__module__.startswith("nova_xloud."):
        slots = [name for cls in type(one).__mro__ for name in getattr(cls, "__slots__", ())]
        for name in {*getattr(one, "__dict__", {}), *slots}:
            if hasattr(one, name):
                yield f"{path}.{name}", getattr(one, name)
