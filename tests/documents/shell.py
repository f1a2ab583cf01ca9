"""Run the commands of a block of shell as a reader would, `slic` in this process.

What a test cannot run is checked instead: that the target of `make` exists, that the extras of
`pip install` do, that the words of `torchrun ... -m slic` are understood.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from slic.cli import build_parser, main

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

SMALL_RUN = {  # so that a command of a page takes seconds
    "--train.epochs": "1",
    "--train.workers": "0",
}
SMALL_PAPER_RUN = SMALL_RUN | {
    "--clip.frames": "4",
    "--clip.size": "32",
    "--backbone.width": "0.125",
    "--train.batch_size": "4",
}
FROM_THE_SAMPLE = ".from-the-sample"  # a file in the folders that are there when a page begins
MAY_FAIL = ("slic data check",)  # the data sets of the test have few videos
SHELL_PROGRAMS = {"cat", "cp", "head", "ls", "mkdir", "mv", "printf", "rm", "tar", "wc"}
CHANGES_THE_MACHINE = {"git", "source", ".", "nvidia-smi"}


def commands(block: str) -> Iterator[str]:
    """Yield the commands of a block, without comments and with continued lines joined."""
    for line in block.replace("\\\n", " ").splitlines():
        if command := re.sub(r"(?:^|\s+)#(?:\s.*|$)", "", line).strip():
            yield command


def run(command: str, patch: pytest.MonkeyPatch) -> None:
    """Run one command in the working directory, or check it.

    Raises:
        AssertionError: It failed, or it is neither known to be harmless nor marked as not run.
    """
    words = shlex.split(command)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        patch.setenv(*words.pop(0).split("=", 1))
    program = words[0]
    if _needs_a_shell(command):
        _run_in_a_shell(command)
    elif program == "slic":
        run_slic(words[1:], expect_success=not command.startswith(MAY_FAIL))
    elif program == "cd":
        patch.chdir(words[1])
    elif program == "export":
        patch.setenv(*words[1].split("=", 1))
    elif program in SHELL_PROGRAMS or (program == "python" and words[1:2] != ["-m"]):
        _run_in_a_shell(command)
    else:
        check(command)


def check(command: str, *, any_program: bool = False) -> None:
    """Check a command that is not run: that its target, its extras and its words exist.

    Args:
        command: One line, which may have several commands.
        any_program: Programs of which we know nothing are no error.
    """
    for part in re.split(r"\s*(?:&&|\|\||;|\|)\s*", command):
        program, *words = shlex.split(part)
        if program in ("slic", "torchrun", "accelerate", "srun"):
            understood(words if program == "slic" else words[words.index("slic") + 1 :])
        elif program == "make":
            targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            assert set(words) <= set(targets), f"no such target: {part}"
        elif program == "pip":
            extras = re.findall(r"\[([\w,-]+)\]", part)
            for extra in ",".join(extras).split(",") if extras else []:
                assert extra in PROJECT["project"]["optional-dependencies"], f"no extra: {part}"
        elif program == "pytest":
            assert all((ROOT / w).exists() for w in words if w.startswith("tests/")), part
        else:
            known = any_program or program in CHANGES_THE_MACHINE | SHELL_PROGRAMS | {"cd"}
            assert known, f"run or skip it: {part!r} (see CONTRIBUTING.md, Examples)"


def understood(words: list[str]) -> None:
    """Check that the command understands the words."""
    arguments, rest = build_parser().parse_known_args(words)
    assert not rest or words[0] in ("pretrain", "prepare", "evaluate"), rest
    assert arguments


def run_slic(words: list[str], *, expect_success: bool = True) -> None:
    """Run ``slic`` here, a training with few and small steps."""
    make_way(words)
    code = 0
    try:
        main(shrunk(words))
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 0 or not expect_success, f"exit code {code}: slic {shlex.join(words)}"


def make_way(words: list[str]) -> None:
    """Remove a run or index of the sample in whose place the words make another one.

    What a page has made itself stays: there the command must do what the page says.
    """
    if words[0] not in ("pretrain", "index") or "--resume" in words:
        return
    out = Path(words[words.index("--out") + 1]) if "--out" in words else Path("run")
    made_by_us = out / FROM_THE_SAMPLE
    if made_by_us.exists() and (words[0] == "pretrain" or "--encoder" in words):
        shutil.rmtree(out)


def shrunk(words: list[str]) -> list[str]:
    """Return the words with settings for a small run, where they say nothing else."""
    if words[:2] in (["evaluate", "finetune"], ["evaluate", "linear"]):
        return words if "--epochs" in words else [*words, "--epochs", "1"]
    given = " ".join(words)
    if words[0] == "prepare" and "--flow" in words:
        return words if "--clip.size" in given else [*words, "--clip.size=32"]
    if words[0] != "pretrain" or {"--help", "--print_config", "--resume"} & set(words):
        return words
    small = SMALL_PAPER_RUN if re.search(r"--recipe[ =](?:paper|motion)", given) else SMALL_RUN
    return [*words, *(f"{key}={value}" for key, value in small.items() if key not in given)]


def _needs_a_shell(command: str) -> bool:
    tokens = shlex.shlex(command, posix=True, punctuation_chars=True)
    tokens.whitespace_split = True
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", command)
    return any(re.fullmatch(r"[|<>&;()]+", t) for t in tokens) or bool(re.search(r"[*$]", unquoted))


def _run_in_a_shell(command: str) -> None:
    programs = {part.split()[0] for part in re.split(r"&&|\|\||;|\|", command) if part.split()}
    if not programs <= SHELL_PROGRAMS | {"slic", "python", "for"}:
        check(command)
        return
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e", "-c", command], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
