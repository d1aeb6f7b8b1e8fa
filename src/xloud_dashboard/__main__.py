# SPDX-License-Identifier: Apache-2.0
"""Runs ``python -m xloud_dashboard``."""

import sys

from xloud_dashboard.install.command import main

if __name__ == "__main__":
    sys.exit(main())
