"""``make guests``: guests that do not cooperate, one after the other, and what their users see.

``kinds.py`` names the kinds of guests, and ``stories.py`` has what is done with each of them.
``tale.py`` is one server during its story: it runs the ``openstack`` command as a person does
(``shell.py``), prints word for word what that says, and notes what is not as expected. ``judge.py``
decides that, and ``page.py`` writes what was printed into docs/admin/guests.md.
"""
