# SPDX-License-Identifier: Apache-2.0
"""The form for a size, and what its values are as arguments of the client."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

# The dashboards that have an instance page, to which a form leads back.
PROJECT, ADMIN = "project", "admin"
BACK = ((PROJECT, PROJECT), (ADMIN, ADMIN))
# What the form may be sent for.
PLAN, APPLY = "plan", "apply"
MODES = (
    ("off", _("off: nothing is read, decided or changed")),
    ("observe", _("observe: sizes are recommended, and nothing is changed")),
    ("on", _("on: the server grows and shrinks by itself")),
    ("flavor", _("as the flavor, or else the cloud, says")),
)


class SizeForm(forms.Form):
    """A size within the server's bounds, which the API checks.

    The fields that begin with ``was`` have what the form showed when it was made. Only what differs
    from that is asked for: the other resource may have got another size since. A form that is
    answered with a page keeps them, as it keeps the sizes.
    """

    vcpus = forms.IntegerField(min_value=1, required=False, label=_("vCPUs"))
    memory_mb = forms.IntegerField(min_value=1, required=False, label=_("Memory (MiB)"))
    was_vcpus = forms.IntegerField(required=False, label=_("vCPUs before"))
    was_memory_mb = forms.IntegerField(required=False, label=_("Memory before (MiB)"))
    persist = forms.BooleanField(required=False, label=_("Keep the size"))
    force = forms.BooleanField(required=False, label=_("Allow less memory"))
    back = forms.ChoiceField(choices=BACK, label=_("Page to go back to"))

    def clean(self) -> dict[str, Any]:
        """Return the values; at least one size has to be there."""
        values: dict[str, Any] = super().clean()
        if not self.errors and values["vcpus"] is None and values["memory_mb"] is None:
            raise forms.ValidationError(_("Name a number of vCPUs, or memory in MiB, or both."))
        return values

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of ``Xloud.plan`` and ``Xloud.adjust``; both sizes if neither differs."""
        given = self.cleaned_data
        named = (name for name in ("vcpus", "memory_mb") if given[name] is not None)
        sizes = {name: given[name] for name in named}
        differing = {name: size for name, size in sizes.items() if size != given[f"was_{name}"]}
        how = {name: given[name] for name in ("persist", "force")}
        return (differing or sizes) | how

    @property
    def in_words(self) -> str:
        """What is wrong with the values, in sentences."""
        told = (
            f"{self.fields[name].label}: {line}" if name in self.fields else str(line)
            for name, lines in self.errors.items()
            for line in lines
        )
        return " ".join(told)


class ModeForm(forms.Form):
    """A mode of automatic growth."""

    mode = forms.ChoiceField(choices=MODES)
    back = forms.ChoiceField(choices=BACK)


class BackForm(forms.Form):
    """A button without values of its own."""

    back = forms.ChoiceField(choices=BACK)
