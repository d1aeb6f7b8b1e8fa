"""The setting XLOUD_DASHBOARD: what is taken, and what is an error that check shows."""

import unittest
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from xloud_dashboard.config import Config


class ConfigTests(unittest.TestCase):
    def error(self, given: Any) -> str:
        with self.assertRaises(ImproperlyConfigured) as caught:
            Config.of(given)
        return str(caught.exception)

    def test_settings_are_taken(self) -> None:
        for url in ("", "http://prometheus:9090", "https://[::1]/prometheus/", "HTTP://p"):
            with self.subTest(url):
                told = Config.of({"seconds_at_rest": 5, "prometheus_url": url})
                self.assertEqual((told.seconds_at_rest, told.prometheus_url), (5, url))

    def test_unknown_key_is_named_with_the_known_ones(self) -> None:
        told = self.error({"prometheus": "http://prometheus:9090"})
        self.assertIn("unknown key 'prometheus'", told)
        self.assertIn("prometheus_url, seconds_at_rest", told)

    def test_url_has_to_be_one_of_http(self) -> None:
        others = (b"http://p", None, 5, ["http://p"])
        paths = ("prometheus:9090", "//p", "ftp://p", "http://", "http://[p")
        extra = ("http://p?a=b", "http://p#a", "http://p:port", "http://p:99999")
        for url in (*paths, *extra, *others):
            with self.subTest(url):
                told = self.error({"prometheus_url": url})
                self.assertIn("has to be a URL that begins with http:// or https://", told)

    def test_number_has_to_be_one_above_zero(self) -> None:
        for number in (0, -1, True, 1.5, "2", None):
            with self.subTest(number):
                told = self.error({"seconds_at_rest": number})
                self.assertIn("has to be a whole number above 0", told)
