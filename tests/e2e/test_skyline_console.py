"""XLoud's console on a guest that boots: in process no balloon is slow as a real one is."""

import pytest

from lab.cloud import Answer, Cloud, Size
from tests import skyline
from tests.e2e.conftest import Create
from tests.e2e.sizes import MINIMUM, settle

FLAVOR = skyline.Flavor(32, 1024, {"minimum_cpu": "1", "minimum_memory": "512"})


def opened(cloud: Cloud, server: str) -> tuple[skyline.Form, Answer]:
    answer = cloud.xloud_status(server)
    return skyline.open_form(answer.status, answer.body, FLAVOR), answer


def test_form_sent_back_while_the_balloon_is_on_its_way_grows_nothing(
    cloud: Cloud, create: Create
) -> None:
    """Seen: its card had 921 MiB, and when it was sent back the server was to have 922."""
    server = create("xloud.demo")
    form, answer = opened(cloud, server)
    if answer.body["xloud_status"]["memory_mb"]["actuated"] <= MINIMUM.memory_mb:
        pytest.skip("the guest was faster than the form: its balloon has its size already")
    assert (form.vcpus, form.memory_gb) == (1, 0.5)
    assert cloud.adjust(server, form.submit()).status == 202
    settle(cloud, server, MINIMUM)
    form, _ = opened(cloud, server)
    assert cloud.adjust(server, form.submit(vcpus=2)).status == 202
    settle(cloud, server, Size(2, 512))
