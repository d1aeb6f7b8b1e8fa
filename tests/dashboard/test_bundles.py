"""Whether each page's bundles are there, as Horizon's own templates and compressor have it."""

import contextlib
import io
import json
from typing import Any
from unittest import mock

from django.conf import settings
from django.test import override_settings

from tests.dashboard.cloud import TestCase
from xloud_dashboard.install import probe

MANIFEST = "compressor.templatetags.compress.get_offline_manifest"


class Noted(dict[str, str]):
    """A manifest that has every bundle, and keeps what was looked up."""

    def __contains__(self, key: object) -> bool:
        self[str(key)] = ""
        return True


class BundlesTests(TestCase):
    def told(self, manifest: dict[str, str], **more: list[str]) -> str:
        """What the probe says with this manifest, and more files of plugins."""
        files: dict[str, Any] = {
            name: [*settings.HORIZON_CONFIG.get(name, ()), *added] for name, added in more.items()
        }
        base = {
            "WEBROOT": "/",
            "STATIC_URL": "/static/",
            "HORIZON_CONFIG": settings.HORIZON_CONFIG | files,
            "NG_TEMPLATE_CACHE_AGE": 0,
        }
        offline = override_settings(
            COMPRESS_ENABLED=True,
            COMPRESS_OFFLINE=True,
            HORIZON_COMPRESS_OFFLINE_CONTEXT_BASE=base,
        )
        with offline, mock.patch(MANIFEST, return_value=manifest):
            return probe.bundles_error()

    def test_bundles_that_are_there_are_no_error(self) -> None:
        manifest = Noted()
        self.assertEqual(self.told(manifest), "")
        self.assertGreaterEqual(len(manifest), 4)
        self.assertEqual(self.told(dict(manifest)), "")

    def test_manifest_from_before_another_plugin_is_an_error(self) -> None:
        manifest = Noted()
        self.told(manifest)
        for name, template in (
            ("js_files", "horizon/_scripts.html"),
            ("scss_files", "_stylesheets.html"),
        ):
            with self.subTest(name):
                said = self.told(dict(manifest), **{name: ["theirs/new.file"]})
                self.assertIn(f"has no bundle for a block of {template}", said)

    def test_horizons_cache_is_not_asked(self) -> None:
        # It may be away, or have parts of a page from before.
        caches = {"default": {"BACKEND": "theirs.is_not_here"}}
        manifest = Noted()
        with override_settings(CACHES=caches):
            self.assertEqual(self.told(manifest), "")

    def test_manifest_of_another_horizon_is_an_error(self) -> None:
        manifest = Noted()
        self.told(manifest)
        for key in manifest:
            rest = {one: "" for one in manifest if one != key}
            self.assertIn("has no bundle", self.told(rest))

    def test_what_cannot_be_found_out_is_said(self) -> None:
        with mock.patch.object(probe, "_EVERY_PAGE", ("gone.html",)):
            self.assertIn("cannot be found out: TemplateDoesNotExist", self.told({}))

    def test_settings_without_compress_offline_are_as_if_it_were_off(self) -> None:
        # Horizon's own settings do not name it, and django-compressor's default is that.
        written = io.StringIO()
        with override_settings(COMPRESS_OFFLINE=True), contextlib.redirect_stdout(written):
            del settings.COMPRESS_OFFLINE
            probe.main()
        told = json.loads(written.getvalue())
        self.assertEqual((told["is_offline"], told["bundles_error"]), (False, ""))
