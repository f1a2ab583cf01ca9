"""`slic doctor` prints findings as lines or JSON, and exits with 1 if something is broken."""

import json
from collections.abc import Callable

import pytest

from slic import __version__
from slic.doctor import Finding

Lines = Callable[..., tuple[int, list[str], list[str]]]
FINE = Finding("ok", "av", "18.1")
BROKEN = Finding("broken", "torch", "no \x1b[1mmodule", "pip install torch")
LOW = Finding("warning", "disk", "1 MB free", "Free some space.")


@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        ([FINE], 0, "Everything works."),
        ([FINE, LOW], 0, "0 broken, 1 warnings."),
        ([BROKEN, LOW], 1, "1 broken, 1 warnings."),
    ],
)
def test_broken_is_exit_code_1(
    findings: list[Finding], code: int, last: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slic.doctor.examine", lambda _: iter(findings))
    ended, out, _ = lines("doctor")
    assert (ended, out[0], out[-1]) == (code, f"slic {__version__}", last)
    ended, out, _ = lines("doctor", "videos", "--json")
    document = json.loads("\n".join(out))
    assert ended == code
    assert [found["level"] for found in document["findings"]] == [f.level for f in findings]
    assert document["broken"] == code


def test_a_finding_has_its_way_out_below(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slic.doctor.examine", lambda _: iter([BROKEN]))
    _, out, _ = lines("doctor")
    assert out[1:3] == ["broken   torch: no \ufffd[1mmodule", "         -> pip install torch"]
