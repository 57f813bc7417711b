"""``python -m deskbell``: the same as the command ``deskbell``."""

from deskbell.cli import main

main()
