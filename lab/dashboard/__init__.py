"""OpenStack's dashboard, Horizon, beside the cloud, with the pages of nova-xloud installed in it.

``lab/run up --with dashboard`` starts it, and ``lab/run down`` stops it. Horizon has a Python
environment of its own (``lab/dashboard/setup``). The plugin is installed as its documentation says,
with ``python -m xloud_dashboard install``.
"""

import os
import subprocess
from pathlib import Path

from lab import processes
from lab.errors import CommandFailed
from lab.layout import REPOSITORY, Layout
from lab.processes import Daemon
from lab.progress import Progress
from lab.services import config, web

HERE = Path(__file__).resolve().parent
PLUGIN = REPOSITORY / "src" / "xloud_dashboard"
CLIENT = REPOSITORY / "src" / "nova_xloud" / "client"

SETTINGS = """\
# Written by lab/dashboard. Horizon reads it when it starts.
from pathlib import Path

from horizon.utils import secret_key

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
STATE = Path({state!r})
SECRET_KEY = secret_key.generate_or_read_from_file(str(STATE / "secret_key"))
OPENSTACK_KEYSTONE_URL = {keystone!r}
OPENSTACK_KEYSTONE_DEFAULT_ROLE = "member"
STATIC_ROOT = str(STATE / "static")
COMPRESS_OFFLINE = True
# Sessions survive a restart, and need neither memcached nor a database.
SESSION_ENGINE = "django.contrib.sessions.backends.file"
SESSION_FILE_PATH = str(STATE / "sessions")
CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}}}
XLOUD_DASHBOARD = {xloud!r}
"""


def start(lab: Layout) -> str:
    """Start the dashboard unless it runs and is up to date, and return its address.

    If a Prometheus of the lab runs (:mod:`lab.monitoring`), the pages have charts of the last hour.

    :raises LabError: a step of its set-up failed, or it does not answer
    """
    progress = Progress()
    with progress.step("dashboard: Horizon in its own environment") as step:
        venv = _environment()
        step.note(venv.name)
    _configure(lab, venv)
    with progress.step("dashboard: the pages of nova-xloud installed in Horizon"):
        _install(lab, venv)
    with progress.step("dashboard") as step:
        if not processes.start(lab, [daemon(lab, venv)]):
            step.note("ran already")
    return url(lab)


def url(lab: Layout, path: str = "/") -> str:
    """Return the address of a page of the dashboard."""
    return lab.url("dashboard", path)


def daemon(lab: Layout, venv: Path) -> Daemon:
    """Return the daemon that serves Horizon's pages and its static files.

    :param venv: the environment with Horizon
    """
    port = lab.ports["dashboard"]
    runner = ["-m", "lab.services.wsgi", "lab.dashboard.site:application", str(port)]
    static = _state(lab) / "static" / "dashboard" / "manifest.json"
    return Daemon(
        name="dashboard",
        command=[str(venv / "bin" / "python"), *runner],
        healthy=lambda: web.answers(port, "/auth/login/"),
        environment={"DJANGO_SETTINGS_MODULE": "openstack_dashboard.settings"},
        made_of=[
            HERE / "site.py",
            _settings(venv),
            PLUGIN,
            *sorted(PLUGIN.rglob("*.html")),
            CLIENT,
            *filter(Path.exists, [static]),
        ],
        timeout=90,
        port=port,
    )


def _environment() -> Path:
    """Make the environment with Horizon, if it is not there, and return its folder."""
    done = subprocess.run(
        [str(HERE / "setup")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
    )
    if done.returncode != 0:
        raise CommandFailed(f"lab/dashboard/setup: exit status {done.returncode}")
    return REPOSITORY / done.stdout.strip()


def _configure(lab: Layout, venv: Path) -> None:
    state = _state(lab)
    (state / "sessions").mkdir(parents=True, exist_ok=True)
    has_past = "prometheus" in processes.running(lab)
    xloud = {"prometheus_url": lab.url("prometheus")} if has_past else {}
    text = SETTINGS.format(state=str(state), keystone=lab.url("keystone", "/v3"), xloud=xloud)
    config.write_text(_settings(venv), text)


def _install(lab: Layout, venv: Path) -> None:
    """Link the plugin's files into Horizon, and make its static files where they are stale."""
    command = [str(venv / "bin" / "python"), "-m", "xloud_dashboard"]
    try:
        processes.run_command(lab, "dashboard-install", [*command, "check"])
    except CommandFailed:
        processes.run_command(lab, "dashboard-install", [*command, "install"], timeout=900)


def _state(lab: Layout) -> Path:
    return lab.state / "dashboard"


def _settings(venv: Path) -> Path:
    """Return the path of Horizon's local_settings.py."""
    (found,) = venv.glob("lib/python*/site-packages/openstack_dashboard/local")
    return found / "local_settings.py"
