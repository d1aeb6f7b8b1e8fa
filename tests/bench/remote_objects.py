"""What nova-compute asks of nova-conductor for its objects: each is an RPC call in a real cloud.

In-process clouds have no such calls: there a compute service reads its database itself. So a
stand-in for the conductor does at once what it is asked for, in the same thread, and counts.
"""

import threading

import fixtures
from nova.objects import base


class RemoteObjects(fixtures.Fixture):
    """Counts what the threads of the engine ask for.

    :param count: called with ``"object Instance.save"`` and the like
    """

    def __init__(self, count):
        super().__init__()
        self._count = count
        self._here = threading.local()

    def _setUp(self):
        self.addCleanup(setattr, base.NovaObject, "indirection_api", None)
        base.NovaObject.indirection_api = self

    def __bool__(self):
        """Whether this thread asks a conductor: it is the engine's, and is no conductor itself."""
        is_engine = threading.current_thread().name.startswith("xloud-")
        return is_engine and not getattr(self._here, "answers", False)

    def object_class_action_versions(self, context, name, method, versions, args, kwargs):
        """Answer for a method of a class, as a conductor does."""
        kind = base.NovaObject.obj_class_from_name(name, versions[name])
        return self._answer(
            f"{name}.{method}", lambda: getattr(kind, method)(context, *args, **kwargs)
        )

    def object_action(self, context, instance, method, args, kwargs):
        """Answer for a method of an object, which is changed in place."""
        name = f"{instance.obj_name()}.{method}"
        result = self._answer(name, lambda: getattr(instance, method)(*args, **kwargs))
        return {"obj_what_changed": instance.obj_what_changed()}, result

    def object_backport_versions(self, context, instance, versions):
        """All is of one version here."""
        return instance

    def _answer(self, what, call):
        self._count(f"object {what}")
        self._here.answers = True
        try:
            return call()
        finally:
            self._here.answers = False
