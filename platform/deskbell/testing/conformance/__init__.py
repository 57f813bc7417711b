"""Whether a plugin keeps what it owes the desk: the conformance kit.

:func:`check` examines a plugin in a process of its own and answers with a :class:`Report`; ``deskbell plugin
check`` prints it. :func:`suite` makes a pytest test of it, for the plugin's own tests::

    from deskbell.testing.conformance import suite

    test_conforms = suite("acme_rooms", settings={"max_members": 5})

What it holds a plugin to is in :data:`CHECKS`. It cannot know whether a plugin does what it is for: that is for
the plugin's own tests, with :class:`deskbell.testing.desk.Desk`.
"""

from deskbell.testing.conformance.check import PATIENCE_S, TURN_S, check
from deskbell.testing.conformance.report import CHECKS, Report, Result
from deskbell.testing.conformance.source import NoPlugin
from deskbell.testing.conformance.suite import suite

__all__ = ["CHECKS", "PATIENCE_S", "TURN_S", "NoPlugin", "Report", "Result", "check", "suite"]
