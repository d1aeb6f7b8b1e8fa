"""deploy/kolla: rendered as kolla-build does, and what it runs in an image run in a folder."""

import configparser
import re
from pathlib import Path

import pytest

from tests.deploy.conftest import APPLICATION, DEPLOY, SERVICES, make_program, shell, succeed

jinja2 = pytest.importorskip("jinja2")

# The blocks that Kolla's Dockerfiles of nova-base and nova-api have at their ends.
PARENT = "FROM base\n{% block BLOCK %}{% endblock %}\n"
VENV = "/var/lib/kolla/venv/bin"
INI = "/etc/nova/nova-api-uwsgi.ini"
EXTEND_START = "/usr/local/bin/kolla_nova_extend_start"


def in_image(block: str, image: Path) -> None:
    """Run the RUN line of one block with an image's paths below a folder."""
    parent = jinja2.Environment().from_string(PARENT.replace("BLOCK", block))
    override = jinja2.Environment().from_string(
        (DEPLOY / "kolla/template-overrides.j2").read_text()
    )
    rendered = override.render(parent_template=parent)
    assert rendered.startswith("FROM base\n")
    (script,) = re.findall(r"^RUN (.*)", rendered, re.DOTALL | re.MULTILINE)
    shell(moved(script, image))


def moved(script: str, image: Path) -> str:
    """The paths of an image, but not an interpreter's, below a folder."""
    return re.sub(r"(?<![!\w])/(var|etc|usr)/", rf"{image}/\1/", script)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    make_program(tmp_path / "var/lib/kolla/venv/bin/nova-xloud-run")
    (tmp_path / "etc/nova").mkdir(parents=True)
    make_program(tmp_path / EXTEND_START.lstrip("/"), ":")
    return tmp_path


def test_services_run_through_nova_xloud(image: Path) -> None:
    for service in SERVICES:
        make_program(image / f"{VENV}/{service}".lstrip("/"), "echo stock")
    in_image("nova_base_footer", image)
    for service in SERVICES:
        said = succeed((image / f"{VENV}/{service}".lstrip("/"), "--config-file", "a b"))
        assert said == f"{image}{VENV}/nova-xloud-run {service} --config-file a b\n"


def test_apache_has_our_script(image: Path) -> None:
    in_image("nova_api_footer", image)
    text = (image / f"{VENV}/nova-api-wsgi".lstrip("/")).read_text()
    assert text == "from nova_xloud.wsgi.osapi_compute import application\n"


@pytest.mark.parametrize(
    "line", ["module = nova.wsgi.osapi_compute:application", f"wsgi-file = {VENV}/nova-api-wsgi"]
)
def test_uwsgi_is_given_our_module_at_start(image: Path, line: str) -> None:
    in_image("nova_api_footer", image)
    ini = image / INI.lstrip("/")
    ini.write_text(f"[uwsgi]\nmaster = true\n{line}\nplugins = python3\n")
    extend_start = image / EXTEND_START.lstrip("/")
    succeed(("bash", extend_start))
    parser = configparser.ConfigParser()
    parser.read(ini)
    assert dict(parser["uwsgi"]) == {
        "master": "true",
        "module": APPLICATION,
        "plugins": "python3",
    }


def test_without_uwsgi_nothing_is_looked_for(image: Path) -> None:
    in_image("nova_api_footer", image)
    succeed(("bash", image / EXTEND_START.lstrip("/")))
    assert not (image / INI.lstrip("/")).exists()


def test_the_package_is_a_plugin_of_nova_base() -> None:
    parser = configparser.ConfigParser()
    parser.read(DEPLOY / "kolla" / "kolla-build.conf")
    assert parser["nova-base-plugin-nova-xloud"]["type"] == "local"
