# SPDX-License-Identifier: Apache-2.0
"""What may be asked of an instance, and what is not read for it."""

from unittest import mock

from nova import context, objects
from oslo_utils.fixture import uuidsentinel

from nova_xloud.adapters import nova_objects
from nova_xloud.seams import libvirt_driver


def _instance(**fields):
    return objects.Instance(context.get_admin_context(), uuid=uuidsentinel.instance, **fields)


def test_an_instance_that_was_adjusted_comes_with_its_record():
    assert nova_objects.has_loaded_record(_instance(system_metadata={"xloud_flavor": "f"}))


def test_one_that_never_was_comes_without():
    assert not nova_objects.has_loaded_record(_instance(system_metadata={"image_os": "linux"}))


def test_what_was_not_loaded_is_not_loaded_for_it():
    def load(instance, name):
        instance.system_metadata = {"xloud_flavor": "f"}

    instance = _instance()
    with mock.patch.object(objects.Instance, "obj_load_attr", load):
        assert not nova_objects.has_loaded_record(instance)
        assert nova_objects.has_record(instance)


def test_unrescue_loads_nothing_of_a_stock_instance():
    unrescue = mock.Mock()
    instance = _instance()
    with mock.patch.object(objects.Instance, "obj_load_attr") as load:
        libvirt_driver.unrescue(unrescue, mock.sentinel.driver, mock.sentinel.context, instance)
    load.assert_not_called()
    unrescue.assert_called_once_with(mock.sentinel.driver, mock.sentinel.context, instance)
