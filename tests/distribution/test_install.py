"""The wheel in clean environments: without nova, as a client has it, and beside nova."""

import subprocess
from pathlib import Path

import pytest

from tests.distribution.conftest import Environment, make_environment, run

# What must be importable where there is no nova.
WITHOUT_NOVA = (
    "nova_xloud.errors",
    "nova_xloud.core.sizing.bounds",
    "nova_xloud.core.convergence.plan",
    "nova_xloud.client.plugin",
    "nova_xloud_tempest_plugin",
    "xloud_dashboard.install.command",
)


@pytest.fixture(scope="module")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = make_environment(tmp_path_factory.mktemp("client") / "venv")
    environment.install(f"{wheel}[client]")
    return environment


@pytest.fixture(scope="module")
def beside_nova(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Nova from PyPI, and then the wheel, which brings nothing along."""
    environment = make_environment(tmp_path_factory.mktemp("beside") / "venv")
    environment.install("nova")
    before = environment.python(INSTALLED)
    environment.install("--no-index", wheel)
    after = environment.python(INSTALLED)
    assert set(after.split()) - set(before.split()) == {"nova-xloud==1.2.3"}
    return environment


INSTALLED = (
    "from importlib.metadata import distributions\n"
    "print(*sorted(f'{d.name}=={d.version}' for d in distributions()))"
)


class TestClient:
    def test_has_no_nova(self, client: Environment) -> None:
        names = {each.partition("==")[0].lower() for each in client.python(INSTALLED).split()}
        assert names.isdisjoint({"nova", "libvirt-python", "tempest"})
        assert {"nova-xloud", "openstacksdk", "python-openstackclient"} <= names

    @pytest.mark.parametrize("module", WITHOUT_NOVA)
    def test_imports(self, client: Environment, module: str) -> None:
        assert client.python(f"import {module}; print({module}.__name__)") == module

    def test_openstack_has_the_commands(self, client: Environment) -> None:
        command = (client.program("openstack"), "help", "server", "adjust")
        assert "usage: openstack server adjust" in run(command, client.folder)

    def test_a_command_of_nova_is_missed_by_name(self, client: Environment) -> None:
        command = (client.program("nova-xloud-run"), "nova-compute")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, "'nova-compute'" in done.stderr) == (2, True)


class TestBesideNova:
    @pytest.mark.parametrize(
        "command",
        [
            ("nova-xloud-run", "--help"),
            ("nova-xloud-autoscale", "--help"),
            ("nova-xloud-autoscale", "backtest", "--help"),
            ("nova-xloud-status", "--help"),
            ("nova-xloud-status", "upgrade", "check", "--help"),
            ("nova-xloud-status", "invariants", "--help"),
        ],
    )
    def test_help(self, beside_nova: Environment, command: tuple[str, ...]) -> None:
        name, *arguments = command
        said = run((beside_nova.program(name), *arguments), beside_nova.folder)
        assert f"usage: {name}" in said

    def test_every_seam_fits(self, beside_nova: Environment) -> None:
        code = "from nova_xloud.seams.install import check; print(check())"
        assert beside_nova.python(code) == "[]"

    def test_runs_a_command_of_nova(self, beside_nova: Environment) -> None:
        command = (beside_nova.program("nova-xloud-run"), "nova-scheduler", "--version")
        assert run(command, beside_nova.folder).strip() == "34.0.0"

    def test_options_and_policies_are_found(self, beside_nova: Environment) -> None:
        """By the entry points, as an operator's generators look for them."""
        wanted = {
            "oslo-config-generator": "memory_floor_mb",
            "oslopolicy-sample-generator": "os_compute_api:xloud:adjust",
        }
        for program, text in wanted.items():
            command = (beside_nova.program(program), "--namespace", "nova-xloud")
            assert text in run(command, beside_nova.folder)

    def test_extra_specs_are_known(self, beside_nova: Environment) -> None:
        code = (
            "from nova.api.validation.extra_specs import validators as v\n"
            "v.load_validators(); print('minimum_cpu' in v.VALIDATORS)"
        )
        assert beside_nova.python(code) == "True"
