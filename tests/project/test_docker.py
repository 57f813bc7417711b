"""What ``docker/`` says fits this version: settings exist, and no log holds a query string.

Images are not built here, which needs a container engine; the README of ``docker/`` says how.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deskbell.config import load
from deskbell.production import check_production

FOLDER = Path(__file__).parents[2] / "docker"


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def filled(value: object) -> str:
    """A value as compose would fill it in from a complete ``.env``."""
    text = re.sub(r"\$\{(\w+):-([^}]*)\}", r"\2", str(value))
    return re.sub(r"\$\{(\w+)(:\?[^}]*)?\}", "k7Jw2mX9vQ4rT8yB3nL6pD1sF5hG0cZe-uA_oIkVtE", text)


def test_the_instances_start_in_production_with_these_settings() -> None:
    """Every variable is a setting, and nothing of it is refused where it matters."""
    for name in ("deskbell-1", "deskbell-2"):
        environment = {key: filled(value) for key, value in compose()["services"][name]["environment"].items()}
        environment.pop("DESKBELL_CONFIG")
        loaded = load(FOLDER / "desk.yaml", environment)
        assert loaded.settings.environment == "production"
        assert loaded.settings.bus.url.startswith("redis://")
        assert check_production(loaded.settings) == []


def test_a_compose_client_understands_it(tmp_path: Path) -> None:
    """Asked of whichever is installed; neither needs a container engine for that."""
    written = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    if _answers("docker", "compose", "version"):
        client = ["docker", "compose"]
    elif _answers("docker-compose", "version"):
        # The one before knew neither a project's name nor files without a version.
        client = ["docker-compose"]
        written = 'version: "3.9"\n' + written.replace("name: deskbell\n", "", 1)
    else:
        pytest.skip("no compose client is installed")
    file = tmp_path / "docker" / "compose.yaml"
    file.parent.mkdir()
    file.write_text(written, encoding="utf-8")
    secrets = {"POSTGRES_PASSWORD": "word", "DESKBELL_SECRET": "k7Jw2mX9vQ4rT8yB3nL6pD1sF5hG0cZe"}
    command = [*client, "-f", str(file), "config"]
    understood = subprocess.run(
        command, env={**os.environ, **secrets}, capture_output=True, text=True, timeout=60, check=False
    )
    assert understood.returncode == 0, understood.stderr
    services = yaml.safe_load(understood.stdout)["services"]
    assert services.keys() == compose()["services"].keys()
    assert services["deskbell-1"]["environment"]["DESKBELL_AUTH__SECRET"] == secrets["DESKBELL_SECRET"]
    refused = subprocess.run(
        command, env={**os.environ, "POSTGRES_PASSWORD": "word"}, capture_output=True, timeout=60, check=False
    )
    assert refused.returncode != 0, "it starts without a secret"


def _answers(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except OSError:
        return False


def test_a_container_is_given_longer_to_stop_than_a_drain_takes() -> None:
    loaded = load(FOLDER / "desk.yaml", {})
    grace = str(compose()["services"]["deskbell-1"]["stop_grace_period"])
    assert float(grace.removesuffix("s")) > loaded.settings.server.drain_s + 10


def test_the_balancer_logs_no_query() -> None:
    """Tickets and tokens may stand in a socket's address; a log keeps the path alone."""
    written = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
    formats = re.findall(r'log-format "([^"]*)"', written)
    assert formats
    for line in formats:
        assert "%HPO" in line
        assert not re.search(r"%(r|HU|HQ|HP)\b", line.replace("%HPO", ""))
    assert "httplog" not in written


def test_the_program_in_the_image_is_nobody_special() -> None:
    lines = (FOLDER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    last_stage = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM")) :]
    assert any(line.startswith("USER ") and "root" not in line for line in last_stage)


def test_the_image_has_the_pages_built_of_these_sources() -> None:
    """Nothing that was built or installed on the machine at hand gets in, and what is run has no npm."""
    first, last = (FOLDER / "Dockerfile").read_text(encoding="utf-8").split("FROM python")[1:]
    assert first.index("DESKBELL_FACES=required") < first.index("pip install")
    assert "npm" not in last and "node" not in last
    copied = set(re.findall(r"^COPY (\w+) \1$", first, re.MULTILINE))
    ignored = (FOLDER.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"**/node_modules", "platform/deskbell/faces"} <= set(ignored)
    # All that is packed, and the hook that builds the pages, is there to be packed.
    build = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    for path in [*wheel["packages"], *wheel["force-include"], build["hooks"]["custom"]["path"]]:
        top = path.split("/")[0]
        assert top in copied and f"!{top}" in ignored, path
