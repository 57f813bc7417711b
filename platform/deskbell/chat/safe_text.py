"""Foreign text, made harmless for a terminal and for a transcript.

A message may hold anything: escape sequences that move the cursor or rename the window, letters that
reverse what follows, line breaks that imitate somebody else's line. What is shown passes through here.
"""

from __future__ import annotations

import re
import unicodedata

_JOINERS = "\u200c\u200d"  # needed by several scripts and by many emoji
_MAX_MARKS = 4  # combining marks on one letter; more is only there to smear over other lines
_LIKE_A_LABEL = re.compile(r"[()\[\]:|·›#]")


def tamed(text: str) -> str:
    """``text`` without what acts instead of being read. Line breaks stay; control characters become visible."""
    out: list[str] = []
    marks = 0
    for char in text.replace("\r\n", "\n"):
        category = unicodedata.category(char)
        if category in ("Mn", "Me"):
            marks += 1
            if marks > _MAX_MARKS:
                continue
        else:
            marks = 0
        if char == "\n" or category in ("Zl", "Zp"):
            out.append("\n")
        elif char == "\t":
            out.append("    ")
        elif category == "Cc":
            out.append(chr(0x2400 + ord(char)) if char < " " else "\u2421" if char == "\x7f" else "\ufffd")
        elif category == "Cs":
            out.append("\ufffd")
        elif category == "Cf" and char not in _JOINERS:
            continue  # direction marks, invisible spaces, tags
        else:
            out.append(char)
    return "".join(out)


def one_line(text: str, limit: int = 200) -> str:
    """``text`` tamed and on one line, cut to ``limit`` characters."""
    line = " ".join(tamed(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def name_of(name: str) -> str:
    """A name that cannot pass for one of our own labels, such as *You* or *(assistant)*."""
    line = one_line(_LIKE_A_LABEL.sub(" ", tamed(name)), 40)
    return f"“{line}”" if line.casefold() in ("", "you", "note") else line
