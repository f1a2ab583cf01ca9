"""``mteb`` evaluates an encoder on tasks of videos that this test writes."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import slic
from slic.errors import ProtocolError, SlicError
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.videos.catalog import Catalog

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # those of other packages


@pytest.fixture
def mteb() -> Any:
    """Return the package, with which torchcodec opens the videos."""
    pytest.importorskip("torchcodec", reason="torchcodec is not installed")
    return pytest.importorskip("mteb", reason="the extra 'mteb' is not installed")


@pytest.fixture
def videos(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """Return a folder of eight videos: dark ones and longer ones."""
    for number in range(8):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=12 + 4 * number, size=(64, 48))
    return tmp_path / "videos"


@pytest.fixture
def encoder_path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=16, embedding=8),
        clip=ClipSpec(frames=4, size=32),
    )
    VideoEncoder(config).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def build_task(kind: str, videos: Path) -> Any:
    """Return a task of mteb on the videos, with labels that alternate."""
    from mteb.abstasks import AbsTaskClassification, AbsTaskClustering
    from mteb.abstasks.task_metadata import TaskMetadata

    from datasets import Dataset, DatasetDict, Video

    paths = sorted(map(str, videos.glob("*.mp4")))
    labels = [number % 2 for number in range(len(paths))]
    data = Dataset.from_dict({"video": paths, "label": labels}).cast_column("video", Video())
    classifies = kind == "VideoClassification"
    base: Any = AbsTaskClassification if classifies else AbsTaskClustering
    task_metadata = TaskMetadata(
        name=f"Drawn{kind}",
        description="Videos that a test writes.",
        dataset={"path": "none/none", "revision": "1"},
        type=kind,
        category="v2c",
        modalities=["video"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="accuracy" if classifies else "v_measure",
        reference=None, date=None, domains=None, task_subtypes=None, license=None,
        annotations_creators=None, dialect=None, sample_creation=None, bibtex_citation=None,
    )  # fmt: skip

    class Drawn(base):  # type: ignore[misc]
        metadata = task_metadata
        input_column_name = "video"
        label_column_name = "label"
        samples_per_label = 2
        n_experiments = 2
        max_fraction_of_documents_to_embed = None

        def load_data(self, **_: Any) -> None:
            self.dataset = DatasetDict(train=data, test=data)
            self.data_loaded = True

    return Drawn()


def build_model(encoder_path: Path, **options: Any) -> Any:
    from slic.evaluation.mteb_encoder import MtebEncoder

    return MtebEncoder(encoder_path, device="cpu", clips=2, **options)


@pytest.mark.parametrize("kind", ["VideoClassification", "VideoClustering"])
def test_mteb_scores_an_encoder_on_videos(
    kind: str, videos: Path, encoder_path: Path, mteb: Any
) -> None:
    model = build_model(encoder_path)
    assert isinstance(model, mteb.models.EncoderProtocol)
    result = mteb.evaluate(model, build_task(kind, videos), cache=None)
    (scores,) = result.task_results
    assert 0.0 <= scores.get_score() <= 1.0
    assert result.model_revision == model.model.fingerprint()


def test_mteb_scores_its_own_small_tasks(encoder_path: Path, mteb: Any) -> None:
    from mteb.mocks import MOCK_MVEB_TASK_GRID

    model = build_model(encoder_path)
    model.takes_text = True
    model.mteb_model_meta = model.mteb_model_meta.model_copy(
        update={"modalities": ["video", "text"]}
    )
    model.model.encode_text = lambda texts: torch.ones(len(texts), 8)  # stands for a text tower
    for task in MOCK_MVEB_TASK_GRID:
        (scores,) = mteb.evaluate(model, task, cache=None).task_results
        assert 0.0 <= scores.get_score() <= 1.0


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.delitem(sys.modules, "slic.evaluation.mteb_encoder", raising=False)
    with pytest.raises(SlicError, match=r"mteb needs .* pip install 'slic-video\[mteb\]'"):
        importlib.import_module("slic.evaluation.mteb_encoder")


@pytest.mark.usefixtures("mteb")
@pytest.mark.parametrize("layer", ["head", "backbone"])
def test_the_embeddings_are_those_of_slic_embed(
    videos: Path, encoder_path: Path, layer: Any
) -> None:
    from mteb._create_dataloaders import create_dataloader

    model, task = build_model(encoder_path, layer=layer), build_task("VideoClustering", videos)
    task.load_data()
    loader = create_dataloader(
        task.dataset["test"], task_metadata=task.metadata, input_column="video", batch_size=3
    )
    found = model.encode(loader, show_progress_bar=False)
    encoder = VideoEncoder.from_pretrained(encoder_path)
    catalog = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
    embeddings = slic.embed(encoder, catalog, clips=2, layer=layer, workers=0, progress=False)
    np.testing.assert_allclose(found, embeddings.mean, rtol=0.02, atol=1e-3)
    assert found.shape[1] == model.mteb_model_meta.embed_dim


@pytest.mark.usefixtures("mteb")
def test_tasks_of_text_are_refused_in_one_line(encoder_path: Path) -> None:
    from torch.utils.data import DataLoader

    from datasets import Dataset

    texts: Any = DataLoader(Dataset.from_dict({"text": ["a person falls"]}))
    with pytest.raises(ProtocolError, match="a task with text: this encoder embeds videos"):
        build_model(encoder_path).encode(texts)


@pytest.mark.usefixtures("mteb")
def test_named_parts_are_scaled_to_length_one_and_joined(encoder_path: Path) -> None:
    model = build_model(encoder_path)
    model.parts = {"appearance": 3, "motion": 5}
    clips = torch.randint(0, 256, (2, 3, 4, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        appearance, motion = model._embed_videos({"video": clips}).split([3, 5], dim=1)
    for part in (appearance, motion):
        torch.testing.assert_close(part.norm(dim=1), torch.ones(2))
