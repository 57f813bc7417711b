"""``python -m deskbell.manual [folder]``: write the printed pages of the manual."""

import asyncio
import sys
from pathlib import Path

from deskbell.manual import write

for written in asyncio.run(write(Path(sys.argv[1] if len(sys.argv) > 1 else "."))):
    sys.stdout.write(f"{written}\n")
