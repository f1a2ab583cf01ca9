"""What is stated about the package in several places agrees, and the wheel has every data file."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import slic

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
PINNED = {canonicalize_name(pin.name): pin for pin in CONSTRAINTS}


def requirements() -> list[Requirement]:
    """Return all requirements of the package, its extras and its groups."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    lists = [*project["optional-dependencies"].values(), *groups.values()]
    return [Requirement(line) for lines in (project["dependencies"], *lists) for line in lines]


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert slic.__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version


def test_a_required_package_has_a_lowest_version_that_its_pin_satisfies() -> None:
    for requirement in requirements():
        (specifier,) = requirement.specifier
        assert specifier.operator == ">=", requirement
        if pin := PINNED.get(canonicalize_name(requirement.name)):
            (pinned,) = pin.specifier
            assert requirement.specifier.contains(pinned.version), (requirement, pin)


def test_what_make_installs_is_pinned() -> None:
    project = PROJECT["project"]
    required = {Requirement(line).name for line in project["dependencies"]}
    for extra in ("export", "search", "studio", "torchvision", "transformers"):
        required |= {Requirement(line).name for line in project["optional-dependencies"][extra]}
    unpinned = {name for name in required if canonicalize_name(name) not in PINNED}
    assert unpinned == set()


def test_the_table_of_tested_versions_has_the_bounds_and_the_pins() -> None:
    page = (ROOT / "docs" / "reference" / "versions.md").read_text()
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    stated = {name: (lowest, newest) for name, lowest, newest in rows}
    assert PROJECT["project"]["requires-python"] == f">={stated.pop('Python')[0]}"
    bounds = {requirement.name: requirement.specifier for requirement in requirements()}
    names = {"PyTorch": "torch", "PyAV": "av", "OpenCV": "opencv-contrib-python-headless"}
    assert set(names) < set(stated)
    for title, (lowest, newest) in stated.items():
        name = names.get(title, title.lower())
        assert str(bounds[name]) == f">={lowest}"
        (pinned,) = PINNED[canonicalize_name(name)].specifier
        assert f"{pinned.version}.".startswith(f"{newest}.")


def test_issue_forms_have_unique_fields() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 4
    for form in (form for form in forms if form.name != "config.yml"):
        content = yaml.safe_load(form.read_text())
        ids = [field["id"] for field in content["body"]]
        assert len(ids) == len(set(ids))
        assert all(field["attributes"]["label"] for field in content["body"])


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("slic/")}
    tracked = subprocess.run(
        ["git", "ls-files", "src/slic"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    files = {line.removeprefix("src/") for line in tracked.stdout.splitlines()}
    assert files <= packed
    assert {"slic/py.typed", "slic/studio/templates/studio.html"} <= packed
