"""``slic demo``: the main job on drawn videos, from drawing them to a report."""

from argparse import Namespace
from pathlib import Path

from slic.cli.common import Verbs, at_least, keep_freed_memory


def add_verbs(verbs: Verbs) -> None:
    """Add ``demo``."""
    verb = verbs.add_parser("demo", help="draw videos, learn from them, evaluate and report")
    verb.set_defaults(verb=demo)
    verb.add_argument("--out", type=Path, default=Path("demo"), help="folder (default: demo)")
    verb.add_argument("--level", choices=("easy", "hard"), default="easy")
    verb.add_argument("--seed", type=at_least(0), default=0)


def demo(arguments: Namespace) -> None:
    """Draw, learn, evaluate and report."""
    from slic.sample.demo import run_demo

    keep_freed_memory()
    next_steps = (
        "slic pretrain YOUR_VIDEOS --out run",
        "slic embed YOUR_VIDEOS --encoder run/encoder --out embeddings.npz",
    )
    report = run_demo(
        arguments.out, level=arguments.level, seed=arguments.seed, next_steps=next_steps
    )
    print(f"report: {report}")
