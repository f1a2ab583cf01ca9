"""Every test that the promises name exists, and every file of the fault campaign is named."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["docs/reliability.md", "SECURITY.md"]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def names_in(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_the_tests_that_a_page_names_exist(page: str) -> None:
    named = NAMED.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > 10
    for file, test in named:
        assert not test or test in names_in(ROOT / file), f"{file}::{test}"
        assert (ROOT / file).is_file(), file


def test_every_file_of_the_campaign_is_named() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    campaign = {f"tests/faults/{file.name}" for file in (ROOT / "tests/faults").glob("test_*.py")}
    assert campaign - {file for file, _ in NAMED.findall(page)} == {"tests/faults/test_campaign.py"}
