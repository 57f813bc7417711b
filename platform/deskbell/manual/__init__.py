"""The pages of the manual that are printed from the program, so that they cannot say anything else.

``python -m deskbell.manual [folder]`` writes them all; the suite compares them with the files of the
repository. What a page says is decided where the thing itself is: an error's sentence at the error, a
setting's meaning at the setting, a command's help at the command.

======================== ==============================================
page                     printed from
======================== ==============================================
settings, `config.yaml`  :mod:`deskbell.config`
errors                   :mod:`deskbell.errors`, :mod:`deskbell.wire.close_codes`
commands                 :mod:`deskbell.cli`
metrics                  the answer of a running instance
======================== ==============================================
"""

from __future__ import annotations

from pathlib import Path

from deskbell.manual import commands, metrics, refusals, settings

__all__ = ["pages", "write"]

REFERENCE = Path("docs/reference")


async def pages() -> dict[Path, str]:
    """Every printed file, under its place in the repository."""
    return {
        settings.CONFIG: settings.config_yaml(),
        settings.MANUAL: settings.reference_markdown(),
        REFERENCE / "errors.md": refusals.markdown(),
        REFERENCE / "commands.md": commands.markdown(),
        REFERENCE / "metrics.md": await metrics.markdown(),
    }


async def write(folder: Path) -> list[Path]:
    """Write all pages to their places under ``folder``; returns what was written."""
    made = await pages()
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in made]
