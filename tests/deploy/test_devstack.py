"""devstack/plugin.sh, sourced as DevStack does, with stand-ins for DevStack's functions."""

from pathlib import Path

import pytest

from tests.deploy.conftest import APPLICATION, REPOSITORY, make_program, shell, succeed

PLUGIN = REPOSITORY / "devstack" / "plugin.sh"

# Each prints what it was asked for. stack.sh runs with errexit, and not with nounset.
STAND_INS = """
for name in pip_install iniset inidelete openstack echo_summary; do
    eval "function $name { echo $name \\"\\$*\\"; }"
done
function die { echo "die $*"; exit 1; }
function is_service_enabled { [[ " $SERVICES " == *" $1 "* ]]; }
set +u
source "$1/devstack/settings"
for phase in "stack pre-install" "stack install" "stack post-config" "stack extra" \
        "stack test-config"; do
    source "$1/devstack/plugin.sh" $phase
done
echo "NOVA_BIN_DIR=$NOVA_BIN_DIR"
echo "TEMPEST_PLUGINS=$TEMPEST_PLUGINS"
"""


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """The folder where DevStack has Nova's commands."""
    folder = tmp_path / "real"
    for name in ("nova-compute", "nova-manage", "nova-status", "nova-xloud-run"):
        make_program(folder / name)
    make_program(folder / "nova-xloud-status", 'echo "checked $*"; exit 1')
    return folder


def stack(tmp_path: Path, services: str = "n-api n-cpu") -> list[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "SERVICES": services,
        "DATA_DIR": str(tmp_path / "data"),
        "NOVA_BIN_DIR": str(tmp_path / "real"),
        "NOVA_CONF_DIR": "/etc/nova",
        "NOVA_CONF": "/etc/nova/nova.conf",
        "TEMPEST_PLUGINS": "/opt/stack/other",
    }
    return shell(STAND_INS, REPOSITORY, environment=environment).splitlines()


def test_it_is_bash() -> None:
    succeed(("bash", "-n", PLUGIN))
    succeed(("bash", "-n", PLUGIN.with_name("settings")))


def test_a_controller(tmp_path: Path, real: Path) -> None:
    ini = "/etc/nova/nova-api-uwsgi.ini"
    assert stack(tmp_path) == [
        "echo_summary Installing nova-xloud",
        f"pip_install --no-deps {REPOSITORY}",
        "echo_summary Nova's services will run through nova-xloud",
        f"inidelete {ini} uwsgi wsgi-file",
        f"iniset {ini} uwsgi module {APPLICATION}",
        "openstack --os-cloud devstack-admin flavor create "
        "--vcpus 4 --ram 1024 --disk 1 xloud.demo",
        "openstack --os-cloud devstack-admin flavor set "
        "--property minimum_cpu=1 --property minimum_memory=512 xloud.demo",
        "checked upgrade check --config-file /etc/nova/nova.conf",
        f"NOVA_BIN_DIR={tmp_path}/data/nova-xloud/bin",
        f"TEMPEST_PLUGINS=/opt/stack/other {REPOSITORY}",
    ]


def test_a_compute_node(tmp_path: Path, real: Path) -> None:
    """It has no API, no flavors to make, and nothing to check."""
    said = stack(tmp_path, "n-cpu")
    assert not [line for line in said if line.startswith(("ini", "openstack", "checked"))]
    assert f"NOVA_BIN_DIR={tmp_path}/data/nova-xloud/bin" in said


def test_commands_run_through_nova_xloud(tmp_path: Path, real: Path) -> None:
    stack(tmp_path)
    commands = tmp_path / "data" / "nova-xloud" / "bin"
    for name in ("nova-compute", "nova-manage"):
        said = succeed((commands / name, "--config-file", "a b"))
        assert said == f"{real}/nova-xloud-run {name} --config-file a b\n"
    assert (commands / "nova-status").resolve() == real / "nova-status"


def test_again(tmp_path: Path, real: Path) -> None:
    """stack.sh runs again after unstack.sh, with what is left of the first time."""
    assert stack(tmp_path) == stack(tmp_path)


def test_a_failed_check_is_fatal(tmp_path: Path, real: Path) -> None:
    make_program(real / "nova-xloud-status", "exit 2")
    with pytest.raises(AssertionError, match="upgrade check: 2"):
        stack(tmp_path)
