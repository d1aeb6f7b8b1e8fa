"""Writes INI files from data, and returns sections that several services' files share."""

import configparser
from collections.abc import Mapping
from pathlib import Path

from lab.layout import Layout

REGION = "RegionOne"
Sections = Mapping[str, Mapping[str, object]]


def write(path: Path, sections: Sections) -> Path:
    """Write an oslo.config file unless it is the same already, and return its path.

    :func:`lab.processes.start` restarts a daemon whose file has changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, _text(sections))


def with_values(text: str, section: str, options: Mapping[str, object]) -> str:
    """Return the text of an oslo.config file with other values of some options of a section."""
    # [DEFAULT] is an ordinary section of oslo.config.
    parser = configparser.ConfigParser(interpolation=None, default_section="none")
    parser.read_string(text)
    sections: dict[str, dict[str, object]] = {
        name: dict(parser[name]) for name in parser.sections()
    }
    sections.setdefault(section, {}).update(options)
    return _text(sections)


def _text(sections: Sections) -> str:
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
        for name, options in sections.items()
    )


def write_text(path: Path, text: str) -> Path:
    """Write a file unless it has this text already, and return its path."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


def read(path: Path) -> configparser.ConfigParser:
    """Read an oslo.config file that :func:`write` has written."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path)
    return parser


def service_auth(layout: Layout) -> dict[str, object]:
    """Return keystoneauth's options for a service; every service of the lab is user ``admin``."""
    return {
        "auth_type": "password",
        "auth_url": layout.url("keystone", "/v3"),
        "username": "admin",
        "password": layout.password,
        "project_name": "admin",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "region_name": REGION,
    }


def token_auth(layout: Layout) -> dict[str, object]:
    """Return the section [keystone_authtoken], with which a service checks the tokens it gets."""
    return {
        **service_auth(layout),
        "www_authenticate_uri": layout.url("keystone", "/v3"),
        "interface": "public",
        "service_token_roles_required": "true",
        "service_token_roles": "admin",
    }


def messaging(layout: Layout) -> str:
    """Return the ``transport_url`` of the lab's RabbitMQ."""
    return f"rabbit://lab:{layout.password}@127.0.0.1:{layout.ports['rabbitmq']}/"
