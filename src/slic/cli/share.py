"""``slic share``: an encoder with its model card, in a folder or on the Hugging Face Hub."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slic.cli.common import UsageError
from slic.cli.output import print_result
from slic.cli.parser import Verbs, add_verb

if TYPE_CHECKING:
    from slic.models.encoder import VideoEncoder


def add_verbs(verbs: Verbs) -> None:
    """Add ``share``."""
    summary = "write an encoder with a model card, and upload both"
    text = (
        "Write an encoder and a model card filled from its run: to a folder (--out), to the "
        "Hugging Face Hub (ORG/NAME), or to both. `hf auth login` stores a token for the Hub."
    )
    verb = add_verb(verbs, "share", share, summary, description=text)
    text = "folder of a run or an encoder, or a name such as torchvision/r3d_18"
    verb.add_argument("encoder", metavar="ENCODER", help=text)
    text = "repository on the Hub; it is created if it does not exist"
    verb.add_argument("repository", metavar="ORG/NAME", nargs="?", help=text)
    verb.add_path("--out", "folder to write to", metavar="DIR")
    text = "licence of the weights, such as apache-2.0 (default: that of published weights)"
    verb.add_argument("--licence", metavar="ID", help=text)
    verb.add_argument("--data", metavar="TEXT", help="the training videos in words")
    text = (
        "what `slic evaluate --json` wrote; several files of one protocol, each of an encoder of "
        "another seed, give mean and deviation"
    )
    verb.add_argument("--scores", type=Path, nargs="+", default=[], metavar="FILE", help=text)
    verb.add_argument("--revision", metavar="BRANCH", help="branch to upload to (default: main)")
    verb.add_switch("--private", "a new repository is private")
    verb.only_with("--revision", "ORG/NAME")
    verb.only_with("--private", "ORG/NAME")
    verb.add_json()


def share(arguments: Namespace) -> None:
    """Write an encoder with its card, and upload both if a repository is given."""
    from slic.models.hub import upload_folder
    from slic.models.sources import open_encoder

    repository, out = arguments.repository, arguments.out
    if not (repository or out):
        raise UsageError("give a repository ORG/NAME, or --out DIR, or both.")
    encoder = open_encoder(arguments.encoder)
    fingerprint = encoder.fingerprint()
    places: list[str] = [str(out)] if out else []
    with _folder(out) as folder:
        _write(arguments, encoder, folder, fingerprint)
        if repository:
            address = upload_folder(
                folder,
                repository,
                revision=arguments.revision,
                private=arguments.private or None,
                message=f"Encoder {fingerprint}",
            )
            places.append(address)
    print_result(
        arguments,
        {"encoder": fingerprint, "places": places},
        *(f"{place}: encoder {fingerprint} with its card" for place in places),
        next_words=("index", "VIDEOS", "--encoder", repository or out, "--out", "index"),
    )


def _write(arguments: Namespace, encoder: "VideoEncoder", folder: Path, fingerprint: str) -> None:
    """Write the encoder, its card and the recipe of its run."""
    from slic.files import write_atomically
    from slic.models.card import CARD_FILE, read_run, read_scores, write_card

    run = _run_folder(Path(arguments.encoder))
    card = write_card(
        encoder,
        name=arguments.repository or str(arguments.out),
        licence=arguments.licence,
        data=arguments.data,
        training=read_run(run),
        scores=read_scores(arguments.scores, fingerprint=fingerprint),
    )
    encoder.save_pretrained(folder)
    if (recipe := run / "recipe.yaml").exists():
        write_atomically(folder / recipe.name, recipe.read_bytes())
    write_atomically(folder / CARD_FILE, card.encode())


def _run_folder(path: Path) -> Path:
    """Return the folder of the run that an encoder is of, if it lies in one."""
    return path.parent if path.name == "encoder" and not (path / "recipe.yaml").exists() else path


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Give the folder to write to, which is temporary if none is given."""
    if out:
        yield out
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)
