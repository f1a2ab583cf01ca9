"""The whole examination ends with findings, whatever is wrong."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from slic.doctor import Finding, examination, examine, trial
from slic.doctor.processes import Tried


def test_a_check_that_fails_is_a_finding() -> None:
    def fail() -> Iterator[Finding]:
        yield Finding("ok", "first", "fine")
        raise ZeroDivisionError("by zero")

    first, second = examination.guarded("second", fail)
    assert first.level == "ok"
    assert second.level == "broken"
    assert second.text == "could not be checked (ZeroDivisionError: by zero)"


def test_without_any_package_all_checks_still_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(names: Mapping[str, str]) -> dict[str, Tried]:
        return {n: Tried(error=f"ModuleNotFoundError: No module named '{n}'") for n in names}

    monkeypatch.setattr(examination, "try_imports", fail)
    monkeypatch.setattr(trial, "run_program", lambda _: ([], "ImportError"))
    findings = [*examine(tmp_path)]
    assert {"torch", "av", "cv2", "test video"} <= {f.name for f in findings if f.level == "broken"}
    assert all(f.way_out for f in findings if f.level in ("broken", "warning"))


@pytest.mark.parametrize(
    ("lines", "levels"),
    [
        ([["test video"], ["built-in encoder"]], ["ok", "ok"]),
        ([["test video"]], ["ok", "broken"]),
        ([], ["broken"]),
    ],
)
def test_the_first_step_that_failed_is_named(
    lines: list[list[str]], levels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "run_program", lambda _: (lines, "MemoryError"))
    assert [finding.level for finding in trial.check_by_trial()] == levels


@pytest.mark.slow
def test_this_installation_works(tmp_path: Path) -> None:
    assert [f for f in examine(tmp_path) if f.level == "broken"] == []
