"""A folder like an installed Horizon, whose programs are faked."""

import json
from pathlib import Path

import pytest

from xloud_dashboard.install import command, static
from xloud_dashboard.install.horizon import Horizon, InstallError

SCRIPT = "/* xloud-size */"


class FakePrograms:
    """Stands in for Django's programs: what they are asked, and what they do to the files.

    :ivar fails: the program that fails
    :ivar error: how it fails, if not by its exit code
    :ivar said: what is printed beside the answer of the probe, before and after it
    """

    def __init__(self, folder: Path, files: Path) -> None:
        self.ran: list[str] = []
        self.files = files
        self.fails = ""
        self.error: BaseException | None = None
        self.said = ("a library prints this", "")
        self.settings = {
            "is_enabled": True,
            "policies_error": "",
            "settings_error": "",
            "static_root": str(folder / "static"),
            "is_offline": True,
            "bundles_error": "",
            "manifest": str(folder / "static/dashboard/manifest.json"),
        }

    def run(self, horizon: Horizon, *arguments: str) -> str:
        name = arguments[2] if arguments[1] == "django" else arguments[1]
        if name == self.fails:
            raise self.error or InstallError(f"{name} ended with exit code 1")
        if name == "xloud_dashboard.install.probe":
            before, after = self.said
            return f"{before}\n{json.dumps(self.settings)}\n{after}\n"
        self.ran.append(name)
        root = Path(str(self.settings["static_root"]))
        if name == "collectstatic":
            for path in (path for path in self.files.rglob("*") if path.is_file()):
                copy = root / path.relative_to(self.files)
                copy.parent.mkdir(parents=True, exist_ok=True)
                # Django's own leaves a copy that is newer.
                if not copy.exists() or copy.stat().st_mtime < path.stat().st_mtime:
                    copy.write_bytes(path.read_bytes())
        else:
            bundle = root / "dashboard" / "js" / "output.1234.js"
            bundle.parent.mkdir(parents=True, exist_ok=True)
            bundle.write_text(SCRIPT)
            manifest = Path(str(self.settings["manifest"]))
            manifest.write_text(json.dumps({"key": '<script src="/js/output.1234.js"></script>'}))
        return ""


@pytest.fixture
def horizon(tmp_path: Path) -> Horizon:
    folder = tmp_path / "openstack_dashboard"
    (folder / "local" / "enabled").mkdir(parents=True)
    (folder / "settings.py").touch()
    return Horizon(folder.resolve())


@pytest.fixture
def programs(horizon: Horizon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    files = tmp_path / "shipped"
    (files / "xloud_dashboard").mkdir(parents=True)
    (files / "xloud_dashboard" / "size.js").write_text(SCRIPT)
    monkeypatch.setattr(static, "FILES", files)
    fake = FakePrograms(horizon.folder, files)
    monkeypatch.setattr(Horizon, "run", lambda self, *arguments: fake.run(self, *arguments))
    return fake


def run(horizon: Horizon, name: str, *options: str) -> int:
    return command.main([name, "--horizon", str(horizon.folder), *options])


def links_in(horizon: Horizon) -> dict[Path, Path]:
    folders = [one for one in (horizon.enabled, horizon.local_settings) if one.is_dir()]
    return {path: path.readlink() for folder in folders for path in folder.iterdir()}
