# SPDX-License-Identifier: Apache-2.0
"""The mode, profile and weight of an instance, from a request, its flavor and nova.conf.

The request goes before the flavor, and the flavor before nova.conf. Only the mode can be in all
three; profile and weight are extra specs of the flavor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nova_xloud.core.autoscaling.settings import DEFAULT_WEIGHT, Mode, Profile
from nova_xloud.core.sizing.digits import number

MODE_SPEC = "xloud:autoscale"
PROFILE_SPEC = "xloud:autoscale_profile"
WEIGHT_SPEC = "xloud:autoscale_weight"
SPECS = (MODE_SPEC, PROFILE_SPEC, WEIGHT_SPEC)
MOST_WEIGHT = 1000
# What a request says to have the mode that the flavor or nova.conf names.
OF_FLAVOR = "flavor"


@dataclass(frozen=True, slots=True)
class Scaling:
    """How an instance is scaled automatically.

    :ivar mode: whether nothing is decided (``OFF``), decisions are only written down (``OBSERVE``),
        or the instance is changed (``ON``)
    :ivar profile: stands for the time in which the instance does not shrink below what its guest
        has needed (``settings.WINDOWS``)
    :ivar weight: 1 to 1000: an instance with a larger weight gets more when the host is full, and
        gives less
    """

    mode: Mode = Mode.OFF
    profile: Profile = Profile.BALANCED
    weight: int = DEFAULT_WEIGHT

    @property
    def is_off(self) -> bool:
        """Whether nothing is read, decided or written for the instance."""
        return self.mode is Mode.OFF


OFF = Scaling()


def scaling_of(
    extra_specs: Mapping[str, str], requested: Mode | None = None, default: Mode = Mode.OFF
) -> Scaling:
    """Return the mode, profile and weight of an instance of a flavor.

    An extra spec whose value is not allowed counts as not set. A stored flavor may have one, though
    Nova refuses such a value when somebody sets it.

    :param extra_specs: the flavor's extra specs
    :param requested: the mode that was requested for the instance; None if a request has named
        none: then the flavor's mode counts
    :param default: ``[xloud] autoscale``: the mode if neither a request nor the flavor names one
    """
    named = mode_of(extra_specs.get(MODE_SPEC))
    weight = number(str(extra_specs.get(WEIGHT_SPEC, "")))
    return Scaling(
        mode=requested or named or default,
        profile=_profile_of(extra_specs.get(PROFILE_SPEC)),
        weight=weight if weight and weight <= MOST_WEIGHT else DEFAULT_WEIGHT,
    )


def problems(extra_specs: Mapping[str, object]) -> list[str]:
    """Return a sentence for each of :data:`SPECS` whose value is not allowed; empty if none is.

    :param extra_specs: any extra specs, with any values
    """
    found = [
        f"extra spec {name} is {extra_specs[name]!r}; it must be one of {', '.join(allowed)}"
        for name, allowed in (
            (MODE_SPEC, [one.value for one in Mode]),
            (PROFILE_SPEC, [one.value for one in Profile]),
        )
        if name in extra_specs and extra_specs[name] not in allowed
    ]
    if WEIGHT_SPEC in extra_specs:
        weight = number(str(extra_specs[WEIGHT_SPEC]))
        if not weight or weight > MOST_WEIGHT:
            found.append(
                f"extra spec {WEIGHT_SPEC} is {extra_specs[WEIGHT_SPEC]!r}; it must be an integer "
                f"from 1 to {MOST_WEIGHT}"
            )
    return found


def mode_of(text: object) -> Mode | None:
    """Return the mode that ``text`` names; None if it names none."""
    return next((one for one in Mode if one.value == text), None)


def _profile_of(text: object) -> Profile:
    return next((one for one in Profile if one.value == text), Profile.BALANCED)
