"""What is said of versions, extras and combinations of packages."""

import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from slic.doctor import packages
from slic.doctor.finding import Finding
from slic.doctor.processes import Tried

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
Pretend = Callable[..., None]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Return a function that changes which versions seem to be installed."""

    def change(**versions: str | None) -> None:
        there = {name.replace("_", "-"): number for name, number in versions.items()}

        def installed(name: str) -> str | None:
            return there[name] if name in there else real(name)

        real = packages.installed_version
        monkeypatch.setattr(packages, "installed_version", installed)

    return change


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the requirements from pyproject.toml, whose installed copy may be older."""
    lines = list(PROJECT["dependencies"])
    for extra, names in PROJECT["optional-dependencies"].items():
        lines += [f'{name}; extra == "{extra}"' for name in names]
    monkeypatch.setattr(packages, "requires", lambda _: lines)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_every_extra_is_described() -> None:
    assert list(packages.EXTRAS) == sorted(PROJECT["optional-dependencies"])


def test_every_required_package_is_imported_on_trial() -> None:
    tried = {packages.DISTRIBUTIONS.get(module, module) for module in packages.MODULES}
    required = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert required - tried == {"packaging"}  # whose absence the check of requirements shows


@pytest.mark.usefixtures("declared")
def test_an_old_and_a_missing_package_are_named(pretend: Pretend) -> None:
    pretend(av="9.2.0", scipy=None)
    finding = by_name([*packages.check_requirements()])["requirements"]
    assert finding.level == "broken"
    assert finding.text == "av 9.2.0 is installed, but >=17.1 is needed; scipy is not installed"
    assert finding.way_out == "pip install --upgrade slic-video"


@pytest.mark.usefixtures("declared")
def test_an_extra_is_there_or_has_the_command_that_installs_it(pretend: Pretend) -> None:
    pretend(fastapi=None, uvicorn="9.9", torchvision="0.29.1", mlflow=None)
    found = by_name([*packages.check_requirements()])
    assert found["extra studio"].level == "note"
    assert found["extra studio"].text.startswith("fastapi is not installed; it is for slic studio")
    assert found["extra studio"].way_out == "pip install 'slic-video[studio]'"
    assert found["extra torchvision"].level == "ok"
    assert found["extra mlflow"].text == "not installed; it is for --log_with mlflow"


def test_a_broken_import_has_a_way_out(pretend: Pretend) -> None:
    pretend(torchvision="0.20.0", torch="2.14.1+cpu", av=None)
    tried = {module: Tried("1") for module in packages.MODULES} | {
        "torch": Tried({"version": "2.14.1", "cuda": None, "gpus": []}),
        "torchvision": Tried(error="RuntimeError: operator torchvision::nms does not exist"),
        "av": Tried(error="ModuleNotFoundError: No module named 'av'"),
        "cv2": Tried({"version": "5", "optflow": False}),
    }
    broken = [f for f in packages.check_imports(tried) if f.level == "broken"]
    assert [(f.name, f.way_out) for f in broken] == [
        ("torchvision", "pip install 'torch==2.14.*' 'torchvision==0.29.*'"),
        ("av", "pip install av"),
        ("cv2", f"pip install --force-reinstall --no-deps {packages.OPENCV}"),
    ]


def test_only_the_module_that_is_missing_is_named(pretend: Pretend) -> None:
    pretend(torch="2.13.0+cpu")
    missing = Tried(error="ModuleNotFoundError: No module named 'torch'")
    tried = {module: Tried() for module in packages.MODULES}
    tried |= dict.fromkeys(("torch", "accelerate", "safetensors.torch"), missing)
    (broken,) = (f for f in packages.check_imports(tried) if f.level == "broken")
    assert broken.name == "torch"
    assert broken.way_out == "pip install --force-reinstall --no-deps 'torch==2.13.0'"


def test_an_optional_package_that_is_absent_is_not_broken(pretend: Pretend) -> None:
    pretend(**{"faiss-cpu": None})
    missing = Tried(error="ModuleNotFoundError: No module named 'faiss'")
    tried = {module: Tried() for module in packages.MODULES} | {"faiss": missing}
    assert not [f for f in packages.check_imports(tried) if f.level == "broken"]


def test_a_second_opencv_is_named(pretend: Pretend) -> None:
    pretend(opencv_python="4.11.0")
    finding = by_name([*packages.check_combinations()])["opencv"]
    assert finding.level == "broken"
    assert finding.way_out.startswith("pip uninstall --yes opencv-python opencv-contrib-python-h")


def test_torchvision_of_another_torch_is_named(pretend: Pretend) -> None:
    pytest.importorskip("torchvision")
    pretend(torch="2.8.0")
    finding = by_name([*packages.check_combinations()])["torchvision"]
    assert finding.text.endswith(", not 2.8.0")
    assert finding.way_out == "pip install 'torch==2.8.*' 'torchvision==0.23.*'"


def test_the_installed_pair_is_the_one_that_the_rule_names() -> None:
    pytest.importorskip("torchvision")
    minor = version("torchvision").split(".")[1]
    assert f"'torchvision==0.{minor}.*'" in packages.torchvision_command(version("torch"))


@pytest.mark.parametrize(
    ("cuda", "gpus", "there", "level", "words"),
    [
        (None, [], False, "note", "none; everything"),
        ("13.0", [], False, "note", "none; everything"),
        ("13.0", [], True, "warning", "PyTorch cannot use it"),
        (None, [], True, "warning", "built for the processor alone"),
        ("13.0", [["H200", 140e9, 512.0]], True, "ok", "H200, 140.0 GB"),
        ("13.0", [["H200", 140e9, 0.0]], True, "broken", "it computes 0.0, not 512.0"),
    ],
)
def test_a_gpu_is_stated(
    cuda: str | None, gpus: list[object], *, there: bool, level: str, words: str
) -> None:
    tried = Tried({"version": "2", "cuda": cuda, "gpus": gpus})
    (finding,) = packages.check_gpu(tried, device_there=there)
    assert finding.level == level
    assert words in finding.text
    assert bool(finding.way_out) == (level in ("warning", "broken"))


def test_without_torch_nothing_is_said_of_the_gpu() -> None:
    assert not [*packages.check_gpu(Tried(error="ImportError"), device_there=True)]
