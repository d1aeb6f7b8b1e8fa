# SPDX-License-Identifier: Apache-2.0
"""Nova's own tests, from its wheel, with nova-xloud installed in it and without."""
