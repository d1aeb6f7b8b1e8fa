# SPDX-License-Identifier: Apache-2.0
"""How many vCPUs must stay plugged, and how many threads a core has, by Nova's rules.

Nova decides which vCPUs are dedicated, and which topology a guest has. This module computes both
from the flavor and the image alone, so that scheduler and guest agree. A contract test compares
them with Nova's own results.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping

from nova_xloud.core.sizing.digits import number

# Sockets, cores, threads.
_Triple = tuple[int, int, int]
_PARTS = ("sockets", "cores", "threads")
MASKS = ("hw_cpu_realtime_mask",)
_NO_LIMITS = (math.inf,) * 3
TOPOLOGY = tuple(f"hw_cpu_{m}{part}" for m in ("", "max_") for part in _PARTS)


def always_plugged(
    dedicated: int,
    vcpus: int,
    extra_specs: Mapping[str, str],
    image_properties: Mapping[str, str],
) -> int:
    """Return how many vCPUs, from id 0 up, a guest with the CPU policy ``mixed`` must keep.

    The guest must keep all dedicated vCPUs. vCPUs are plugged from the lowest id up and unplugged
    from the highest id down, so the guest has all dedicated vCPUs if it has the one with the
    highest id.

    :param dedicated: how many vCPUs are dedicated, as Nova counts them
    :param vcpus: the flavor's vCPUs
    :returns: 0 unless some vCPUs are dedicated and some are not; ``vcpus`` if no mask is set, or if
        the mask does not have exactly ``dedicated`` ids. If several masks are set, the first of
        these counts: ``hw:cpu_dedicated_mask``, the image's realtime mask, the flavor's realtime
        mask
    """
    if not 0 < dedicated < vcpus:
        return 0
    mask = (
        extra_specs.get("hw:cpu_dedicated_mask")
        or image_properties.get("hw_cpu_realtime_mask")
        or extra_specs.get("hw:cpu_realtime_mask")
        or ""
    )
    ids = mask_ids(mask, vcpus)
    return max(ids) + 1 if len(ids) == dedicated else vcpus


def mask_ids(mask: str, vcpus: int) -> frozenset[int]:
    """Return the ids below ``vcpus`` in a CPU mask, as Nova reads it: ``0-3,^1`` is 0, 2, 3.

    A mask that begins with an exclusion (``^1``) has all ids but the excluded. The result is empty
    if ``mask`` is not a valid mask.
    """
    asked: dict[bool, set[int]] = {True: set(), False: set()}
    if mask.strip().startswith("^"):
        asked[True].update(range(vcpus))
    for part in filter(None, map(str.strip, mask.split(","))):
        first, _, last = part.removeprefix("^").partition("-")
        try:
            ids = range(int(first), min(int(last or first), vcpus - 1) + 1)
        except ValueError:
            return frozenset()
        asked[not part.startswith("^")].update(ids)
    return frozenset(asked[True] - asked[False])


def threads_per_core(
    vcpus: int, extra_specs: Mapping[str, str], image_properties: Mapping[str, str]
) -> int:
    """Return the threads per core in the topology that Nova gives to a guest of ``vcpus``.

    Of all topologies within the limits, Nova takes the one that meets most of the three numbers
    (sockets, cores, threads) asked for. Of several such topologies it takes the one with the fewest
    threads, then the one with the most sockets. So the result is 1 if nothing is asked for, unless
    the limits of sockets and cores need more threads. It is 1 too if no topology is possible; Nova
    refuses such a server.

    A flavor may have 2,147,483,647 vCPUs, so only divisors are tried, and none if nothing is named.
    """
    flavor, image = _triple(extra_specs, "hw:cpu_"), _triple(image_properties, "hw_cpu_")
    limits = tuple(
        of_image or of_flavor or math.inf
        for of_image, of_flavor in zip(
            _triple(image_properties, "hw_cpu_max_"),
            _triple(extra_specs, "hw:cpu_max_"),
            strict=True,
        )
    )
    # The image's topology replaces the flavor's; one of the flavor that breaks a limit is dropped.
    asked = image if any(image) else flavor if _within(flavor, limits) else (0, 0, 0)
    if not any(asked) and limits == _NO_LIMITS:
        return 1
    divisors = _divisors(vcpus)
    ranked = [
        (met, -threads)
        for threads in divisors
        for met in _met(vcpus // threads, threads, asked, limits, divisors)
    ]
    return -max(ranked)[1] if ranked else 1


def _divisors(number: int) -> list[int]:
    """Return the divisors of ``number``, the smallest first, in the time of its square root."""
    small = [one for one in range(1, math.isqrt(number) + 1) if number % one == 0]
    large = [number // one for one in reversed(small) if one * one != number]
    return small + large


def _met(
    cores_of_all: int,
    threads: int,
    asked: _Triple,
    limits: tuple[float, ...],
    divisors: list[int],
) -> Iterator[int]:
    """Yield how many of the numbers ``asked`` some topologies with so many threads meet.

    Among them is one that meets the most, if any topology within the limits has so many threads.

    :param cores_of_all: sockets times cores
    :param divisors: all divisors of the vCPUs, the smallest first
    """
    most_sockets, most_cores = limits[:2]
    least = bisect.bisect_left(divisors, cores_of_all / most_cores)
    of_all = (one for one in divisors[least:] if cores_of_all % one == 0 and one <= most_sockets)
    as_cores = cores_of_all // asked[1] if asked[1] else 0
    for sockets in (asked[0], as_cores, next(of_all, 0)):
        if sockets and cores_of_all % sockets == 0:
            topology = (sockets, cores_of_all // sockets, threads)
            if _within(topology, limits):
                yield sum(a == b for a, b in zip(topology, asked, strict=True))


def _within(topology: _Triple, limits: tuple[float, ...]) -> bool:
    return all(part <= limit for part, limit in zip(topology, limits, strict=True))


def _triple(values: Mapping[str, str], prefix: str) -> _Triple:
    sockets, cores, threads = (_number(values.get(prefix + part)) for part in _PARTS)
    return sockets, cores, threads


def _number(value: str | None) -> int:
    return number(str(value or "")) or 0
