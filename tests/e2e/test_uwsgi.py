"""deploy/uwsgi, run: the compute API of the lab under a second server, beside the lab's own."""

import configparser
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from lab import layout as lab_layout
from lab import processes
from lab.cloud import Cloud
from lab.layout import REPOSITORY, Layout
from lab.patience import LIMIT, Patience

START_SECONDS = 90.0
NOBODY = "1b2c3d4e-0000-4000-8000-000000000000"


@pytest.fixture
def url(lab: Layout, tmp_path: Path) -> Iterator[str]:
    uwsgi = shutil.which("uwsgi", path=str(lab.venv / "bin"))
    if uwsgi is None:
        pytest.skip("no uwsgi in the environment (extra dev)")
    parser = configparser.ConfigParser()
    parser.read(REPOSITORY / "deploy" / "uwsgi" / "nova-xloud-api.ini")
    port = next(port for port in range(18774, 19774) if lab_layout.port_is_free(port))
    parser["uwsgi"]["http-socket"] = f"127.0.0.1:{port}"
    parser["uwsgi"]["virtualenv"] = str(lab.venv)
    with (tmp_path / "api.ini").open("w") as file:
        parser.write(file)
    environment = {
        **processes.daemon_environment(lab),
        "OS_NOVA_CONFIG_DIR": str(lab.etc / "nova"),
    }
    with (lab.logs / "uwsgi.log").open("wb") as log:
        server = subprocess.Popen(
            [uwsgi, "--ini", tmp_path / "api.ini"], env=environment, stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(LIMIT)


def ready(url: str) -> requests.Response:
    patience = Patience(START_SECONDS)
    while True:
        try:
            return requests.get(url, timeout=START_SECONDS)
        except requests.ConnectionError:
            if patience.is_over():
                raise
            time.sleep(0.5)


def test_api_under_uwsgi(cloud: Cloud, url: str) -> None:
    assert ready(url).json()["versions"]
    headers = {"X-Auth-Token": str(cloud.connection.auth_token)}
    adjust = f"{url}/v2.1/os-xloud-adjust/{NOBODY}"
    refused = requests.post(adjust, json={"current_vcpus": True}, headers=headers, timeout=60)
    assert (refused.status_code, "xloud.invalid" in refused.text) == (400, True)
    unknown = requests.post(adjust, json={"current_vcpus": 1}, headers=headers, timeout=60)
    assert (unknown.status_code, NOBODY in unknown.text) == (404, True)
