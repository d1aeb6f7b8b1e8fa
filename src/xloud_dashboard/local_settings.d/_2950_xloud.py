# SPDX-License-Identifier: Apache-2.0
"""Gives Horizon the rules of nova-xloud; Horizon executes this file as a part of its settings.

Without these rules Horizon would allow everybody everything that nova-xloud has a rule for: a rule
that Horizon does not know is allowed. An operator's own rules are in xloud_policy.yaml, in the
folder POLICY_FILES_PATH, as Nova's are in nova_policy.yaml; where an operator has named another
file, that one is kept.
"""

import os as _os

import xloud_dashboard as _xloud_dashboard

POLICY_FILES = dict(POLICY_FILES)
# The last one: Horizon loads the rules in this order, and some faults of a file, such as a list in
# place of names, end the loading. So they leave the rules of Horizon's other services as they are.
POLICY_FILES["xloud"] = POLICY_FILES.pop("xloud", "xloud_policy.yaml")
DEFAULT_POLICY_FILES = dict(DEFAULT_POLICY_FILES) | {
    "xloud": _os.path.join(_os.path.dirname(_xloud_dashboard.__file__), "policies", "xloud.yaml")
}
