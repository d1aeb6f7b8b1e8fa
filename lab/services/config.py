"""What the services' configurations share: INI files from data, and who they are to Keystone."""

import configparser
from collections.abc import Mapping
from pathlib import Path

from lab.layout import Layout

REGION = "RegionOne"
Sections = Mapping[str, Mapping[str, object]]


def write(path: Path, sections: Sections) -> Path:
    """Write an oslo.config file; only when it differs, so that nobody restarts for nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
        for name, options in sections.items()
    )
    return write_text(path, text)


def write_text(path: Path, text: str) -> Path:
    """Write a file, only when it differs."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


def read(path: Path) -> configparser.ConfigParser:
    """Read one back; for tests and for people."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path)
    return parser


def service_auth(layout: Layout) -> dict[str, object]:
    """keystoneauth options by which a service acts: the lab's services are all ``admin``."""
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
    """The [keystone_authtoken] section: how a service checks the tokens it is given."""
    return {
        **service_auth(layout),
        "www_authenticate_uri": layout.url("keystone", "/v3"),
        "interface": "public",
        "service_token_roles_required": "true",
        "service_token_roles": "admin",
    }


def messaging(layout: Layout) -> str:
    """The transport_url of the lab's RabbitMQ."""
    return f"rabbit://lab:{layout.password}@127.0.0.1:{layout.ports['rabbitmq']}/"
