# SPDX-License-Identifier: Apache-2.0
"""Nova's own tests with grown instances: each server has grown to its flavor's size before it is
looked at."""
