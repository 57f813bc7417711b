"""``python -m deskbell.testing.conformance``: the child process that carries out one order."""

import sys

from deskbell.testing.conformance.child import main

main(*sys.argv[1:4])
