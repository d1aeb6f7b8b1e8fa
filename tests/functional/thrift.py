# SPDX-License-Identifier: Apache-2.0
"""What is the same in each functional test of a process is worked out once.

Each test still has a cloud of its own: no fixture is left out, and no database, service or
application goes from one test to the next. What is kept are answers that follow from their
arguments alone, and the time in which the garbage collector looks at what is never garbage.
"""

import gc

# Objects made since the youngest were last collected. Python's own 700 is for programs that keep
# little.
YOUNG = 50_000


def set_aside_what_is_imported():
    """Keep the collector from all that is there; call this once the tests are imported.

    These are about a million objects, at each of which every full collection would look.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
