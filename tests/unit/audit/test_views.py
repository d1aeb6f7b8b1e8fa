# SPDX-License-Identifier: Apache-2.0
"""What is kept of an instance while a whole cloud is read."""

from __future__ import annotations

import gc
from typing import Any

import nova.conf
from nova import context as nova_context
from nova import objects
from nova.objects import base

from nova_xloud import conf
from nova_xloud.audit.cloud import Host
from nova_xloud.audit.views import Views
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size

HOSTS = [Host("host1", "node1", "provider1", None, True)]
RECORD = {
    "xloud_flavor": "4:1024:f",
    "xloud_vcpus": "2",
    "xloud_memory_mb": "768",
    "xloud_generation": "3",
}


def instance(uuid: str, record: dict[str, str], **specs: str) -> Any:
    conf.register(nova.conf.CONF)
    objects.register_all()
    context = nova_context.get_admin_context()
    flavor = objects.Flavor(
        context, flavorid="f", name="f", vcpus=4, memory_mb=1024, extra_specs=specs
    )
    return objects.Instance(
        context,
        uuid=uuid,
        host="host1",
        node="node1",
        image_ref="image",
        flavor=flavor,
        old_flavor=None,
        system_metadata={"image_os_type": "linux", **record},
        task_state=None,
        vcpus=2,
        memory_mb=768,
    )


def elastic(uuid: str, **record: str) -> Any:
    return instance(uuid, {**RECORD, **record}, minimum_cpu="1", minimum_memory="512")


def everything_in(value: object) -> list[object]:
    """All objects that ``value`` keeps in memory, without classes."""
    seen: dict[int, object] = {}
    left = [value]
    while left:
        one = left.pop()
        if id(one) not in seen and not isinstance(one, type):
            seen[id(one)] = one
            left += gc.get_referents(one)
    return list(seen.values())


def test_view_of_a_stock_instance_is_none() -> None:
    assert Views(HOSTS).of(instance("one", {})) is None


def test_the_sizes_of_the_record_are_kept_and_nothing_else_of_it() -> None:
    view = Views(HOSTS).of(elastic("one", xloud_request_id="req-1"))
    assert view is not None
    assert view.desired == Desired(Size(2, 768))
    assert (view.provider, view.recorded) == ("provider1", Size(2, 768))


def test_no_object_of_novas_is_kept() -> None:
    view = Views(HOSTS).of(elastic("one"))
    assert not [o for o in everything_in(view) if isinstance(o, base.NovaObject)]


def test_what_is_equal_in_two_is_kept_once() -> None:
    views = Views(HOSTS)
    one, other = views.of(elastic("one")), views.of(elastic("other"))
    assert one is not None
    assert other is not None
    for name in ("facts", "desired", "recorded", "host", "provider"):
        assert getattr(one, name) is getattr(other, name)


def test_an_unreadable_record_is_none() -> None:
    view = Views(HOSTS).of(elastic("one", xloud_vcpus="many"))
    assert view is not None
    assert view.desired is None
