"""The scripts of the page on several GPUs: the shell and our parser take them."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from slic.cli import build_parser
from slic.cli.common import recipe_of

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "several-gpus.md"
SCRIPTS = re.findall(r"^```(?:sh|text)\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.M)
COMMANDS = re.findall(r"-m slic (pretrain [^\n\"]*)", "\n".join(SCRIPTS).replace("\\\n", " "))


def test_the_page_has_scripts_for_torchrun_and_slurm() -> None:
    text = "\n".join(SCRIPTS)
    assert len(SCRIPTS) == 5
    assert len(COMMANDS) == 6
    assert all(word in text for word in ("torchrun --standalone", "--nnodes=2", "#SBATCH", "srun"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_shell_can_read_it(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_parser_takes_its_options(command: str) -> None:
    words = [word for word in shlex.split(command) if not word.startswith("$")]
    arguments, settings = build_parser().parse_known_args(words)
    assert arguments.out == Path("run")
    recipe = recipe_of(arguments.recipe or "two-stream", settings)
    assert recipe.train.workers == (8 if "--train.workers=8" in settings else 2)
    assert recipe.train.accumulate == (4 if "--train.accumulate=4" in settings else 1)


def test_slurm_gives_every_variable_that_is_needed() -> None:
    script = next(script for script in SCRIPTS if "#SBATCH" in script)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        assert re.search(rf"\b{name}=", script), name
