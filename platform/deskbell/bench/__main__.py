"""``python -m deskbell.bench``: the same program as ``deskbell bench``."""

import sys

from deskbell.bench.main import run

sys.exit(run())
