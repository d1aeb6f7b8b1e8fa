# SPDX-License-Identifier: Apache-2.0
"""Check every seam and extend Nova; if a seam does not fit, raise and leave Nova unchanged."""

from __future__ import annotations

import functools
import inspect
import logging
import operator
import threading
from collections.abc import Callable
from typing import Any

from nova_xloud import releases
from nova_xloud.errors import UnfitNova
from nova_xloud.fault_points import warn_if_on
from nova_xloud.seams.seam import Kind, Seam, resolve
from nova_xloud.seams.table import SEAMS, seams_of

LOG = logging.getLogger(__name__)

_LOCK = threading.Lock()
_INSTALLED: set[Seam] = set()


def check(seams: tuple[Seam, ...] = SEAMS) -> list[str]:
    """Return one line for each seam that does not fit the installed Nova; empty if all fit.

    If no Nova is installed, the only line says so. Seams that do not hold for the installed release
    are not checked. A release that was not tested is accepted if all of its seams fit.
    """
    found = releases.version()
    if found is None:
        supported = ", ".join(releases.SUPPORTED)
        return [f"nova: expected one of the releases {supported}, found none installed"]
    fitting = seams_of(releases.major(found), seams)
    return [misfit for seam in fitting if (misfit := seam.misfit()) is not None]


def install(seams: tuple[Seam, ...] = SEAMS) -> None:
    """Extend Nova at ``seams`` in this process, and register the options of nova-xloud.

    Seams that were installed before are left out, so a second call changes nothing. A warning is
    logged if the installed release of Nova was not tested.

    :raises UnfitNova: a seam does not fit, or no Nova is installed; Nova was not changed
    """
    with _LOCK:
        wanted = tuple(seam for seam in seams if seam not in _INSTALLED)
        if not wanted:
            return
        misfits = check(wanted)
        if misfits:
            raise UnfitNova(misfits)
        _warn_if_not_tested()
        warn_if_on()
        wanted = seams_of(releases.major(), wanted)
        # Do for all seams what may still fail before the first seam changes Nova.
        changes = [_prepared(seam, seam.extension) for seam in wanted if seam.extension is not None]
        _register_options()
        for change in changes:
            change()
        _INSTALLED.update(wanted)


def install_when_configured() -> None:
    """Wrap ``nova.config.parse_args``, so that it extends Nova after it has read the configuration.

    Some of Nova's modules read options while they are imported, such as the intervals of periodic
    tasks. If :func:`install` imported them earlier, they would have the defaults instead of the
    values in nova.conf. ``parse_args`` then raises :class:`~nova_xloud.errors.UnfitNova` if a seam
    does not fit; Nova is not extended, and its service does not start.
    """
    from nova import config

    parse = config.parse_args

    @functools.wraps(parse)
    def parse_args(*args: Any, **kwargs: Any) -> None:
        parse(*args, **kwargs)
        install()

    config.parse_args = parse_args


def _warn_if_not_tested() -> None:
    found = releases.version()
    if _INSTALLED or found is None or releases.is_supported(found):
        return
    LOG.warning(
        "%s. This Nova has all that nova-xloud extends and calls, so nova-xloud is used; run "
        "nova-xloud-status upgrade check.",
        releases.not_tested(found),
    )


def _register_options() -> None:
    import nova.conf

    from nova_xloud import conf

    conf.register(nova.conf.CONF)


def _prepared(seam: Seam, target_of_extension: str) -> Callable[[], Any]:
    """Return a function that extends Nova at ``seam``.

    Everything that may fail is done here. The returned function only sets an attribute or an entry,
    or registers a class.

    :param target_of_extension: ``seam.extension``, which is not None
    """
    owner, name, original = resolve(seam.target)
    extension = resolve(target_of_extension)[2]
    put = functools.partial(setattr, owner, name)
    match seam.kind:
        case Kind.APPEND:
            return functools.partial(put, original + extension())
        case Kind.ITEM:
            return functools.partial(operator.setitem, original, seam.key, extension)
        case Kind.SUBCLASS:
            return functools.partial(put, extension)
        case Kind.REGISTER:
            # Imported here, so that check() can report a Nova that is not installed.
            from nova.objects import base

            return functools.partial(base.NovaObjectRegistry.register, extension(original))
        case _:  # Kind.WRAP
            return functools.partial(put, _wrap(owner, name, original, extension))


def _wrap(
    owner: Any, name: str, original: Callable[..., Any], extension: Callable[..., Any]
) -> Any:
    @functools.wraps(original)
    def around(*args: Any, **kwargs: Any) -> Any:
        return extension(original, *args, **kwargs)

    # Some code compares signatures and does not follow __wrapped__.
    around.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    # The original of a class method is bound to its class already.
    is_bound = isinstance(inspect.getattr_static(owner, name), staticmethod | classmethod)
    return staticmethod(around) if is_bound else around
