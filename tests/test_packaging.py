"""What is stated about the package in several places agrees, and the wheel has every data file."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
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


def installed_with(extra: str) -> set[str]:
    """Return the packages of this environment that an extra of ours brings, at any depth."""
    found: dict[str, set[str]] = {}
    todo = [(PROJECT["project"]["name"], {extra})]
    while todo:
        name, extras = todo.pop()
        name = canonicalize_name(name)
        if extras <= found.get(name, set()):
            continue
        found[name] = found.get(name, set()) | extras | {""}
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:  # of another system or processor
            del found[name]
            continue
        for requirement in map(Requirement, lines):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": one}) for one in found[name]):
                todo.append((requirement.name, {"", *requirement.extras}))
    return set(found)


def test_the_licence_of_every_package_of_the_studio_is_listed() -> None:
    page = (ROOT / "docs" / "reference" / "versions.md").read_text()
    table = page.split("## Licences of what is installed")[1]
    cells = re.findall(r"^\| .+? \| (.+?) \|$", table, re.MULTILINE)
    listed = {canonicalize_name(name) for cell in cells for name in cell.split(", ")}
    installed = installed_with("studio") - {canonicalize_name(PROJECT["project"]["name"])}
    cuda = {name for name in installed if name.startswith(("nvidia-", "cuda-"))}  # said in words
    assert len(installed) > 30
    assert installed - cuda - listed == set()


def build_wheel(source: Path, out: Path, *, umask: int) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    before = os.umask(umask)
    try:
        subprocess.run(command, cwd=source, check=True, capture_output=True)
    finally:
        os.umask(before)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_the_wheel_has_every_file_and_is_reproducible(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    wheel = build_wheel(ROOT, tmp_path / "wheel", umask=0o022)
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("slic/")}
    tracked = subprocess.run(
        ["git", "ls-files", "src/slic"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    files = {line.removeprefix("src/") for line in tracked.stdout.splitlines()}
    assert files <= packed
    assert {"slic/py.typed", "slic/studio/templates/studio.html"} <= packed

    copy = tmp_path / "copy"  # other times, another place, another umask
    for name in sorted(packed | {"pyproject.toml", "README.md", "LICENSE", ".gitignore"}):
        place = Path("src", name) if name.startswith("slic/") else Path(name)
        (copy / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / place, copy / place)
    again = build_wheel(copy, tmp_path / "again", umask=0o077)
    assert again.read_bytes() == wheel.read_bytes()
