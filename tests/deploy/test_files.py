"""The files of deploy/: as far as their own programs can say without a machine of their kind."""

import configparser
import shutil
from pathlib import Path

import pytest

from tests.deploy.conftest import (
    APPLICATION,
    DEPLOY,
    REPOSITORY,
    SERVICES,
    make_program,
    shell,
    succeed,
)


def test_debian_starts_ours_with_its_own_arguments() -> None:
    """Debian's init script ends with `exec $DAEMON $DAEMON_ARGS`, unquoted."""
    for service in SERVICES:
        script = '. "$1"; DAEMON_ARGS=--config-file=/etc/nova/nova.conf; echo $DAEMON $DAEMON_ARGS'
        said = shell(script, DEPLOY / "debian" / service).split()
        wanted = ["/usr/local/bin/nova-xloud-run", service, "--config-file=/etc/nova/nova.conf"]
        assert said == wanted


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
@pytest.mark.parametrize("service", SERVICES)
def test_systemd_takes_the_drop_in(service: str, tmp_path: Path) -> None:
    """With RDO's unit beside it, cut down to what matters; the drop-in replaces its command."""
    unit = f"openstack-{service}.service"
    units = tmp_path / "etc" / "systemd" / "system"
    shutil.copytree(DEPLOY / "systemd", units)
    (units / unit).write_text(
        "[Unit]\nDefaultDependencies=no\n"
        f"[Service]\nType=notify\nNotifyAccess=all\nUser=nova\nExecStart=/usr/bin/{service}\n"
    )
    # The stock command is not there: systemd would say so, were it still asked for.
    make_program(tmp_path / "usr" / "local" / "bin" / "nova-xloud-run")
    (tmp_path / "etc" / "passwd").write_text("nova:x:1:1::/:/bin/sh\n")
    succeed(("systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", unit))
    (units / f"{unit}.d" / "nova-xloud.conf").unlink()
    with pytest.raises(AssertionError, match=f"/usr/bin/{service} is not executable"):
        succeed(("systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", unit))


def test_uwsgi_loads_the_module_and_nothing_else() -> None:
    parser = configparser.ConfigParser()
    parser.read(DEPLOY / "uwsgi" / "nova-xloud-api.ini")
    assert parser["uwsgi"]["module"] == APPLICATION
    assert "wsgi-file" not in parser["uwsgi"]


def test_the_wsgi_script_is_of_that_application() -> None:
    text = (DEPLOY / "wsgi" / "nova-xloud-api.wsgi").read_text()
    compile(text, "nova-xloud-api.wsgi", "exec")
    module, _, name = APPLICATION.partition(":")
    assert f"from {module} import {name}" in text


def test_apache_names_that_script() -> None:
    text = (DEPLOY / "apache" / "nova-xloud-api.conf").read_text()
    assert "WSGIScriptAlias / /usr/local/share/nova-xloud/nova-xloud-api.wsgi\n" in text
    assert "<Directory /usr/local/share/nova-xloud>\n" in text


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck here")
def test_shellcheck() -> None:
    # Variables of DevStack come from outside, and those of settings are for others.
    succeed(("shellcheck", "-s", "bash", "-e", "SC2154", REPOSITORY / "devstack" / "plugin.sh"))
    succeed(("shellcheck", "-s", "bash", "-e", "SC2034", REPOSITORY / "devstack" / "settings"))


def test_every_file_is_named_in_the_docs() -> None:
    names = ("contribute/deployment-checks.md", "metrics.md")
    pages = (REPOSITORY / "docs" / name for name in names)
    told = "".join(page.read_text() for page in pages)
    folders = {path.name for path in DEPLOY.iterdir()}
    assert folders == {
        *("apache", "debian", "kolla", "systemd", "uwsgi", "wsgi"),
        *("grafana", "prometheus"),
    }
    assert {name for name in folders if f"deploy/{name}" not in told} == set()
