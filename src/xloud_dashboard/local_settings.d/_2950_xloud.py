# SPDX-License-Identifier: Apache-2.0
"""Gives Horizon the rules of nova-xloud; Horizon executes this file as a part of its settings.

Without these rules Horizon would allow everybody everything that nova-xloud has a rule for: a rule
that Horizon does not know is allowed. An operator's own rules are in xloud_policy.yaml, in the
folder POLICY_FILES_PATH, as Nova's are in nova_policy.yaml; where an operator has named another
file, that one is kept.
"""

import os as _os

import xloud_dashboard as _xloud_dashboard

POLICY_FILES = {"xloud": "xloud_policy.yaml"} | dict(POLICY_FILES)
DEFAULT_POLICY_FILES = dict(DEFAULT_POLICY_FILES) | {
    "xloud": _os.path.join(_os.path.dirname(_xloud_dashboard.__file__), "policies", "xloud.yaml")
}
