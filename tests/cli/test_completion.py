"""The scripts of `slic completion`, run by the shells themselves."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.cli import main

pytest.importorskip("shtab")
CASES = [
    (["se"], {"search"}),
    (["doc"], {"doctor"}),
    (["evaluate", "fine"], {"finetune"}),
    (["evaluate", "finetune", "--epo"], {"--epochs"}),
    (["evaluate", "clusters", "--pic"], {"--picture"}),
    (["pretrain", "--train.epo"], {"--train.epochs"}),
    (["pretrain", "--clustering.eps"], {"--clustering.epsilon"}),
    (["labels", "un"], {"undo"}),
    (["data", "check", "ucf"], {"ucf101"}),
    (["completion", "fi"], {"fish"}),
]
BASH = """
source "$1"; shift
COMP_WORDS=(slic "$@"); COMP_CWORD=$#; COMP_LINE="slic $*"; COMP_POINT=${#COMP_LINE}
_shtab_slic slic "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the script of a shell, as a file."""
    folder = tmp_path_factory.mktemp("completion")

    def make(shell: str) -> Path:
        path = folder / f"slic.{shell}"
        if not path.exists():
            with pytest.MonkeyPatch.context() as patch, path.open("w") as file:
                patch.setattr("sys.stdout", file)
                main(["completion", shell])
        return path

    return make


def ask(*words: str) -> str:
    """Return what a program prints, which ends without an error."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_bash_completes(
    words: list[str], expected: set[str], script: Callable[[str], Path]
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    found = ask("bash", "--norc", "-c", BASH, "bash", str(script("bash")), *words)
    assert set(found.split()) == expected


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_fish_completes(
    words: list[str], expected: set[str], script: Callable[[str], Path]
) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    program = 'source $argv[1]; complete -C "slic $argv[2..]"'
    found = ask("fish", "--no-config", "-c", program, str(script("fish")), *words)
    assert {line.split("\t")[0] for line in found.splitlines()} == expected


def test_zsh_can_read_the_script(script: Callable[[str], Path]) -> None:
    text = script("zsh").read_text()
    assert text.startswith("#compdef slic\n")
    assert "--train.epochs" in text
    if shutil.which("zsh"):
        ask("zsh", "-n", str(script("zsh")))


def test_files_and_folders_are_completed(
    script: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / "my videos").mkdir()
    (tmp_path / "my.csv").touch()
    monkeypatch.chdir(tmp_path)
    read = ["bash", "--norc", "-c", BASH, "bash", str(script("bash"))]
    assert set(ask(*read, "scan", "m").splitlines()) == {"my videos", "my.csv"}
    assert ask(*read, "studio", "--runs", "m").splitlines() == ["my videos"]
