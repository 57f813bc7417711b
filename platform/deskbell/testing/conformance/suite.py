"""The examination as a test of pytest's, one case for each check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from deskbell.testing.conformance.check import PATIENCE_S, TURN_S, check
from deskbell.testing.conformance.report import CHECKS, Result


def suite(
    plugin: str | ModuleType,
    *,
    settings: Mapping[str, Any] | None = None,
    patience_s: float = PATIENCE_S,
    turn_s: float = TURN_S,
) -> Callable[[str], None]:
    """A test with a case for each of :data:`CHECKS`. The plugin is examined once, when the first case runs.

    Args:
        plugin: Its module, or what ``deskbell plugin check`` takes: a folder, a file, a name.
        settings: To examine it with; what is missing has its default.
        patience_s, turn_s: As in :func:`deskbell.testing.conformance.check`.
    """
    import pytest

    target = plugin if isinstance(plugin, str) else plugin.__name__

    @cache
    def found() -> list[Result]:
        class Same(dict[str, Any]):
            def get(self, name: str, default: Any = None) -> Any:
                return settings

        reports = check(target, settings=Same(), patience_s=patience_s, turn_s=turn_s)
        return [result for report in reports for result in report.results]

    @pytest.mark.parametrize("check", list(CHECKS))
    def test_conforms(check: str) -> None:
        results = [result for result in found() if result.check == check]
        failed = [str(result) for result in results if result.outcome == "failed"]
        assert not failed, "\n".join(failed)
        if not any(result.outcome == "passed" for result in results):
            pytest.skip("; ".join({result.says for result in results if result.says}) or "nothing to look at")

    return test_conforms
