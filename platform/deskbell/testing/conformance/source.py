"""Which plugin somebody means: a folder, a file, a module, or the name of one that is installed.

Nothing is imported here: importing is the first thing that may go wrong, so it is done by the child process.
"""

from __future__ import annotations

import keyword
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from deskbell.hookspecs import GROUP


class NoPlugin(Exception):
    """There is no plugin where somebody said that there is one; the words say what was looked for."""


@dataclass(frozen=True)
class Found:
    """One plugin. ``reference`` is ``module`` or ``module:object``, importable once ``paths`` are searched."""

    name: str
    reference: str
    paths: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.reference.partition(":")[0]


def find(target: str) -> list[Found]:
    """The plugins at ``target``.

    Args:
        target: A folder with a ``pyproject.toml`` that announces plugins, the folder of a package, a Python
            file, the name of a module, or the name of an installed plugin.
    Raises:
        NoPlugin: There is none.
    """
    path = Path(target)
    if path.is_dir():
        return _in_folder(path.resolve())
    if path.suffix == ".py" or "/" in target:
        if not path.is_file():
            raise NoPlugin(f"{target}: there is no such file or folder.")
        return [_of_file(path.resolve())]
    announced = [entry for entry in metadata.entry_points(group=GROUP) if target in (entry.name, entry.module)]
    if announced:
        return [Found(entry.name, entry.value) for entry in announced]
    if all(part.isidentifier() for part in target.split(".")) and _importable(target.partition(".")[0]):
        return [Found(target.rpartition(".")[2], target)]
    raise NoPlugin(f"{target}: neither a file or folder, nor an installed plugin, nor a module that can be imported.")


def _importable(name: str) -> bool:
    try:
        return util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _in_folder(folder: Path) -> list[Found]:
    project = folder / "pyproject.toml"
    if project.is_file():
        try:
            entries = tomllib.loads(project.read_text("utf-8")).get("project", {}).get("entry-points", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise NoPlugin(f"{project} cannot be read: {error}.") from None
        paths = tuple(str(path) for path in (folder / "src", folder) if path.is_dir())
        if announced := entries.get(GROUP):
            return [Found(name, reference, paths) for name, reference in announced.items()]
        raise NoPlugin(f'{project} announces no plugin. It needs a table [project.entry-points."{GROUP}"].')
    if (folder / "__init__.py").is_file():
        return [Found(folder.name, folder.name, (str(folder.parent),))]
    raise NoPlugin(f"{folder} holds neither a pyproject.toml nor an __init__.py. Name the plugin's file instead.")


def _of_file(path: Path) -> Found:
    if path.name == "__init__.py":
        return _in_folder(path.parent)[0]
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise NoPlugin(f"{path.name} cannot be imported under this name: {path.stem!r} is no Python identifier.")
    return Found(path.stem, path.stem, (str(path.parent),))


def own_files(found: Found) -> str:
    """The folder or file that holds the plugin's own code; empty when it is nowhere to be seen.

    ``found.paths`` must be on ``sys.path`` already.
    """
    top = found.module.partition(".")[0]
    try:
        spec = util.find_spec(top) if top not in sys.modules else sys.modules[top].__spec__
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    if spec.submodule_search_locations:
        return str(Path(next(iter(spec.submodule_search_locations))).resolve()) + "/"
    return str(Path(spec.origin).resolve()) if spec.origin else ""
