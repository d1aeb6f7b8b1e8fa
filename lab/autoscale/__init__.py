# SPDX-License-Identifier: Apache-2.0
"""``make demo-autoscale``: guests with a load, and what automatic growth does for them.

``driver.py`` gives a server's guest its load, over the guest's serial console. ``reader.py`` reads
one sample of the host and its servers, and ``recorder.py`` does so every two seconds. ``stage.py``
makes servers and waits, ``scenes.py`` has what is done, and ``judge.py`` says of the samples what
was measured. ``run.py`` plays the scenes, prints the table, and has ``picture.py`` draw the lines.
The tests in tests/e2e play the same scenes.
"""
