"""The command line for operators of plugins that run: how they behave on an instance that serves."""

from __future__ import annotations

from typing import Any

import click
import httpx
from rich.console import Console
from rich.markup import escape

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

ANSWERS_WITHIN_S = 10.0
SLOWEST = 3
_COLOURS = {"active": "green", "refused": "red", "disabled": "dim"}


@click.command(
    "running",
    epilog="\b\nExamples:\n  deskbell plugins running --token TOKEN\n"
    "  deskbell plugins running --url https://desk.example --token TOKEN --json",
)
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, envvar="DESKBELL_URL", help="The server.")
@click.option("--token", required=True, envvar="DESKBELL_TOKEN", help="An admin's access token.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def running(url: str, token: str, as_json: bool) -> None:
    """Ask a running instance how its plugins behave.

    Faults and the last of them, what rests, what holds up the process, and the slowest calls.
    Exit status: 1 when one is refused or rests, 3 when the instance does not answer.
    """
    try:
        answer = httpx.get(
            f"{url.rstrip('/')}/api/v1/plugins",
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWERS_WITHIN_S,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        err.print(f"{url} does not answer: {type(error).__name__}.", markup=False)
        raise SystemExit(3) from None
    if answer.status_code != 200:
        err.print(f"{url} refused: {answer.json()['error']['message']}", markup=False)
        raise SystemExit(3)
    if as_json:
        click.echo(answer.text)
        return
    found: list[dict[str, Any]] = answer.json()["items"]
    for plugin in found:
        _show(plugin)
    troubled = any(plugin["state"] == "refused" or _resting(plugin) for plugin in found)
    raise SystemExit(1 if troubled else 0)


def _resting(plugin: dict[str, Any]) -> list[str]:
    return [f"{what} ({state})" for what, state in plugin["breakers"].items() if state != "closed"]


def _show(plugin: dict[str, Any]) -> None:
    state = plugin["state"]
    out.print(
        f"[bold]{escape(plugin['name'])}[/] {escape(plugin['version'])} [{_COLOURS[state]}]{state}[/]"
        f"  [dim]{escape(plugin['source'])}[/]",
        soft_wrap=True,
    )
    lines = []
    if plugin["reason"]:
        lines.append(plugin["reason"])
    if plugin["faults"]:
        lines.append(f"{plugin['faults']} faults, the last: {plugin['last_fault']}")
    if resting := _resting(plugin):
        lines.append(f"rests: {', '.join(resting)}; {plugin['passed_over']} calls were not made")
    if plugin["blocked"]:
        lines.append(f"held up the process {plugin['blocked']} times, last in {plugin['last_block']}")
    slowest = sorted(plugin["times"].items(), key=lambda item: -item[1]["p95_ms"])[:SLOWEST]
    lines += [
        f"{what}: {times['count']:.0f} calls, p50 {times['p50_ms']:.1f} ms, p95 {times['p95_ms']:.1f} ms,"
        f" max {times['max_ms']:.1f} ms"
        for what, times in slowest
        if times["count"]
    ]
    for line in lines:
        out.print(f"    {escape(line)}", soft_wrap=True)
