"""Horizon's settings for its own tests, with the plugin as the installed files bring it."""

from openstack_dashboard import enabled
from openstack_dashboard.test.settings import *  # noqa: F403
from openstack_dashboard.utils import settings as settings_utils

from xloud_dashboard import enabled as ours
from xloud_dashboard.install.links import PACKAGE

# Both are worked out again, with one plugin more.
HORIZON_CONFIG.pop("dashboards")  # noqa: F405
HORIZON_CONFIG.pop("default_dashboard", None)  # noqa: F405
settings_utils.update_dashboards([enabled, ours], HORIZON_CONFIG, INSTALLED_APPS)  # noqa: F405
INSTALLED_APPS = list(dict.fromkeys(INSTALLED_APPS))  # noqa: F405

# Horizon's tests allow everything; a page of ours is what the policies make of it.
POLICY_CHECK_FUNCTION = "openstack_auth.policy.check"
for _path in sorted((PACKAGE / "local_settings.d").glob("*.py")):
    exec(_path.read_text())
