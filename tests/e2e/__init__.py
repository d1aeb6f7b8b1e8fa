"""End-to-end tests: the real cloud of ``lab/``."""
