"""What containers restrict: shared memory. The verbs run in a mount namespace of their own."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign import Campaign
from tests.pretraining.conftest import TINY

pytestmark = pytest.mark.slow  # it starts programs

Slic = Callable[..., Any]

# Forked from a server that has loaded torch: faster than unshare(1) and a new Python.
IN_CONTAINER = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
private, read_only = 1 << 18 | 1 << 14, {read_only}
assert libc.unshare(0x20000) == 0
assert libc.mount(b"none", b"/", None, private, None) == 0
assert libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", read_only, b"size={size}") == 0
"""
MEMORIES = {"64m": 0, "1m": 0, "16k": 0, "8m": 1}  # by size, whether it is read-only
NO_PLACE_OF_OURS = ("Traceback", "torch_", "joblib", "Bus error", "No space")


@pytest.fixture(scope="module", autouse=True)
def may_mount() -> None:
    """Skip where this user may not make a mount namespace."""
    child = os.fork()
    if child == 0:
        os._exit(min(1, -ctypes.CDLL(None).unshare(0x20000)))
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        pytest.skip("this user may not make a mount namespace")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for number in range(6):
        make_video(folder / f"{number}.mp4", frames=20 + number, size=(64, 48))
    return folder


def in_container(slic: Slic, size: str, *words: object) -> Any:
    before = IN_CONTAINER.format(size=size, read_only=MEMORIES[size])
    ended = slic(*words, before=before).wait(200)
    lines = ended.err.replace("\r", "\n")
    assert ended.code == 0, lines
    assert not [line for line in lines.splitlines() if any(w in line for w in NO_PLACE_OF_OURS)]
    return ended


def test_verbs_do_with_little_shared_memory_and_give_the_same(
    slic: Slic, videos: Path, tmp_path: Path, campaign: Campaign
) -> None:
    recipe = tmp_path / "tiny.yaml"
    text = TINY.replace("epochs: 3", "epochs: 1").replace("workers: 0", "workers: 2")
    recipe.write_text(text.replace("size: 32", "size: 112"))
    sizes = [*MEMORIES][: campaign.trials(quick=2, soak=len(MEMORIES))]
    whole = tmp_path / "whole"
    ended = slic("pretrain", videos, "--out", whole, "--recipe", recipe).wait(200)
    assert ended.code == 0, ended.err
    weights = (whole / "encoder" / "model.safetensors").read_bytes()
    for size in sizes:
        run = tmp_path / size
        ended = in_container(slic, size, "pretrain", videos, "--out", run, "--recipe", recipe)
        assert (run / "encoder" / "model.safetensors").read_bytes() == weights
        assert ended.err.count("--shm-size=2g") == (0 if size == "64m" else 1)
    campaign.record("/dev/shm of 64 MB to 16 kB", tried=len(sizes), survived=len(sizes))


def test_other_verbs_do_with_little_shared_memory(
    slic: Slic, videos: Path, tmp_path: Path, campaign: Campaign
) -> None:
    campaign.leave_to_soak()
    labels = tmp_path / "labels.csv"
    rows = "".join(f"{n}.mp4,{'ab'[n % 2]},{'train' if n < 4 else 'test'}\n" for n in range(6))
    labels.write_text(f"path,label,split\n{rows}")
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TINY.replace("epochs: 3", "epochs: 1"))
    run = tmp_path / "run"
    assert slic("pretrain", videos, "--out", run, "--recipe", recipe).wait(200).code == 0
    done = 0
    for size in MEMORIES:
        out = tmp_path / size
        out.mkdir()
        of_run = ("--encoder", run / "encoder", "--workers", 2)
        for words in (
            ("embed", videos, *of_run, "--out", out / "e.npz"),
            ("index", videos, *of_run, "--out", out / "index"),
            ("prepare", videos, "--proxies", "--out", out / "proxies", "--workers", 2),
            ("prepare", videos, "--flow", "--out", out / "flow", "--recipe", recipe),
            ("sample", out / "sample", "--train", 20, "--test", 2),
            ("evaluate", "finetune", videos, "--labels", labels, *of_run, "--epochs", 1),
            ("scan", videos),
        ):
            in_container(slic, size, *words)
            done += 1
    campaign.record("/dev/shm of 64 MB to 16 kB, other verbs", tried=done, survived=done)
