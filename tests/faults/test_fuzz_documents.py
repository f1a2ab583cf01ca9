"""Changed documents: recipes, settings, JSON files and logs of a run, lists, label files, filters.

A person may edit these files, so a changed one is either valid or refused with one line.
"""

import csv
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slic.cli.search import find_moment_of
from slic.clips.augmentation import draw_parameters
from slic.datasets import labels_from
from slic.datasets.benchmark import Benchmark
from slic.datasets.hmdb51 import HMDB51
from slic.datasets.kinetics400 import KINETICS400
from slic.datasets.table import read_labels
from slic.datasets.tree import labels_of_tree
from slic.datasets.ucf101 import UCF101
from slic.errors import LabelError, RecipeError, SearchError, SlicError
from slic.evaluation.classification import FineTuning
from slic.evaluation.classification.run_folder import ClassificationFolder
from slic.evaluation.deviations import deviations
from slic.evaluation.partitions import read_partitions
from slic.evaluation.reproduction import PAPER_TABLES, reproduced_rows
from slic.models.card import read_run, read_scores
from slic.pretraining.folder import RunFolder
from slic.recipe import load_recipe
from slic.recipe.loading import recipe_names
from slic.report.training_curves import training_curves
from slic.runs import read_log
from slic.sample.dataset import _require_same_sample
from slic.sample.plan import SampleSettings
from slic.search import Index
from slic.search.cutting import COLUMNS, _read_manifest
from slic.search.label_files import LABEL_FILES, export_labels, import_labels
from slic.search.labels import list_labels, undo_label_change, write_labels
from slic.search.repository import IndexSettings
from slic.search.repository.filters import FILTER_COLUMNS, FILTER_FUNCTIONS, matching_moments
from slic.search.repository.labels import LabelValue, Segment
from slic.search.zero_shot import read_class_names
from slic.videos import set_aside as set_aside_files
from slic.videos.catalog import Catalog
from tests.faults.fuzzing import Check, Reader, changed

MakeIndex = Callable[..., Index]


def as_json(value: object) -> list[bytes]:
    return [json.dumps(value).encode()]


def test_fuzz_recipes(check: Check) -> None:
    folder = Path("src/slic/recipes")
    texts = [(folder / f"{name}.yaml").read_bytes() for name in recipe_names()]
    aliases = b"clip: &c {frames: 16, stride: 4, size: 112}\ntrain: {epochs: 3, batch_size: 4}\n"

    def read(path: Path) -> None:
        recipe = load_recipe(path)
        for seed in range(5):
            rng = np.random.default_rng(seed)
            view = draw_parameters(recipe.augmentation, width=171, height=128, rng=rng)
            assert 1 <= view.width <= 171
            assert 1 <= view.height <= 128
        yaml.safe_dump(recipe.to_dict())

    text = Reader(name="recipe", corpus=[*texts, aliases], kind="text", read=read, file="r.yaml")
    check(text, quick=12, soak=400)
    values = [json.dumps(load_recipe(name).to_dict()).encode() for name in ("motion", "adapt")]
    check(
        Reader(name="recipe, values", corpus=values, kind="json", read=read, file="r.yaml"),
        quick=12, soak=400,
    )  # fmt: skip


def test_fuzz_settings(check: Check) -> None:
    words = [
        f"--{section}.{key}={json.dumps(value)}"
        for section, values in load_recipe("motion").to_dict().items()
        if isinstance(values, dict)
        for key, value in values.items()
    ]
    words += ["--loss=info_nce", "--callbacks=[{name: x}]", "--init=random", "--clip.fps=5"]

    def read(path: Path) -> None:
        load_recipe("motion", [path.read_text(errors="surrogateescape")])

    reader = Reader(
        name="settings of the command", corpus=[word.encode() for word in words], kind="text",
        read=read, errors=(RecipeError,), names=False,
    )  # fmt: skip
    check(reader, quick=25, soak=600)


DESCRIPTION = {
    "format": 1,
    "set_aside": {"a.mp4": "it is damaged", "b.mp4": "it is empty"},
    "still": ["c.mp4#t=0,4", "d.mp4#t=4,8"],
}
SCORES = {
    "protocol": "paper: head", "labels": "ucf101:1", "splits": "queries test, gallery train",
    "recall": {"1": 0.71, "5": 0.84}, "encoder": "0" * 16, "absent_videos": 3,
    "baselines_recall_at_1": {"chance": 0.01}, "settings": {"epochs": 150},
}  # fmt: skip


def test_fuzz_files_of_a_run(check: Check) -> None:
    def read_about(path: Path) -> None:
        run = RunFolder(path.parent)
        run.require_format()
        {**run.read_set_aside(), **dict.fromkeys(run.read_still())}
        catalog = Catalog(path.parent, ())
        catalog.with_set_aside(run.read_set_aside())

    check(
        Reader(
            name="run.json", corpus=as_json(DESCRIPTION), kind="json", read=read_about,
            file="run.json",
        )
    )  # fmt: skip
    steps = [
        {"kind": "step", "time": 1.5, "epoch": n // 3, "step": n, "loss": 1 / (n + 1)}
        | {"instance": 0.2, "temporal": 0.0, "active": 0.5}
        for n in range(6)
    ]
    rounds = [
        {"kind": "round", "time": 2.0, "epoch": n, "step": 3 * n, "clusters": 9, "vector": "motion"}
        | {"singletons": 1, "largest": 4, "nmi": 0.5, "ami": None, "purity": 1.0}
        for n in range(2)
    ]
    records = steps[:3] + rounds + steps[3:]
    log = "".join(json.dumps(record) + "\n" for record in records).encode()
    recipe = yaml.safe_dump(load_recipe("motion").to_dict())

    def read_records(path: Path) -> None:
        (path.parent / "recipe.yaml").write_text(recipe)
        training_curves(read_log(path))
        facts = read_run(path.parent)
        assert facts is not None
        facts.lines()
        RunFolder(path.parent).rewind_log(epoch=1, step=3, mid_epoch=True)

    check(
        Reader(
            name="log.jsonl", corpus=[log], kind="lines", read=read_records, file="log.jsonl",
            errors=(),
        ),
        quick=25, soak=1500,
    )  # fmt: skip
    clusters = "".join(
        json.dumps({"video": f"{n}.mp4", "pseudo_label": n % 3}) + "\n" for n in range(6)
    ).encode()

    def read_rounds(path: Path) -> None:
        for partition in read_partitions(path.parent.parent):
            assert len(partition.ids) == len(partition.clusters)

    def put(data: bytes, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    check(
        Reader(
            name="clusters of a round", corpus=[clusters], kind="lines", read=read_rounds,
            file="clusters/epoch-0001.jsonl", seal=put,
        )
    )  # fmt: skip


def test_fuzz_scores(check: Check) -> None:
    def read_card(path: Path) -> None:
        for row in read_scores([path], fingerprint="0" * 16):
            row.lines()

    check(
        Reader(
            name="scores, for a card", corpus=as_json(SCORES), kind="json", read=read_card,
            names=False,
        )
    )  # fmt: skip
    row = PAPER_TABLES["retrieval"][0]

    def read_row(path: Path) -> None:
        runs = path.parent.parent
        reproduced_rows("retrieval", runs)
        deviations("retrieval", runs)

    def put(data: bytes, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    paper = {**SCORES, **row.conditions, "labels": f"{row.dataset}:1"}
    file = f"seed0/{row.scores_file}"
    check(
        Reader(
            name="scores, for a table", corpus=as_json(paper), kind="json", read=read_row,
            file=file, seal=put,
        ),
        quick=20, soak=1000,
    )  # fmt: skip


def test_fuzz_classification_run(check: Check) -> None:
    values = {k: v for k, v in asdict(FineTuning()).items() if k not in ("out", "resume")}
    stored = {"format": 1, "protocol": "finetune", "encoder": "0" * 16, **values}

    def read(path: Path) -> None:
        FineTuning.resumed(path.parent)

    check(
        Reader(
            name="settings.json", corpus=as_json(stored), kind="json", read=read,
            file="settings.json",
        ),
        quick=15, soak=500,
    )  # fmt: skip


def test_fuzz_predictions(check: Check, make_video: Callable[..., Path], tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    for name in "ab":
        make_video(videos / f"{name}.mp4", frames=4, size=(64, 48))
    catalog = Catalog.from_folder(videos, cache=False, progress=False, workers=1)
    folder = ClassificationFolder(tmp_path)
    for number, video in enumerate(catalog):
        folder.add_prediction(video, np.array([0.25, 0.75 - 0.1 * number]))
    right = folder.read_predictions(catalog)
    data = folder.predictions_file.read_bytes()

    def read(path: Path) -> dict[str, list[float]]:
        return ClassificationFolder(path.parent).read_predictions(catalog)

    check(
        Reader(
            name="predictions.jsonl", corpus=[data], kind="lines", read=read, errors=(),
            file="predictions.jsonl", accept=lambda found: found.items() <= right.items(),
        )
    )  # fmt: skip


def test_fuzz_small_json_files(check: Check) -> None:
    aside = {
        "slic_set_aside": 1, "decoder": set_aside_files.DECODER, "files": {"10-0a": "is damaged"}
    }  # fmt: skip

    def read_set_aside(path: Path) -> dict[str, str]:
        return set_aside_files._read(path)

    check(
        Reader(
            name="set-aside list", corpus=as_json(aside), kind="json", read=read_set_aside,
            errors=(),
        ),
        quick=40,
    )  # fmt: skip
    sample = SampleSettings("hard", train=4, test=2, seed=0)

    def read_sample(path: Path) -> None:
        _require_same_sample(path, sample)

    check(
        Reader(
            name="sample.json", corpus=as_json(sample._asdict()), kind="json", read=read_sample,
            file="sample.json", names=False,
        ),
        quick=40,
    )  # fmt: skip


UCF = {
    "classInd.txt": b"1 ApplyEyeMakeup\n2 Archery\n",
    "trainlist01.txt": b"Archery/v_Archery_g01_c01.avi 2\nApplyEyeMakeup/v_A_g01_c02.avi 1\n",
    "testlist01.txt": b"Archery/v_Archery_g02_c01.avi\n",
}
HMDB = {"walk_test_split1.txt": b"a_walk.avi 1 \nb walk.avi 2 \nc.avi 0 \n"}
KINETICS = {
    "train.csv": b"label,youtube_id,time_start,time_end,split\nwalk,---QUuC4vJs,84,94,train\n"
    b'"run, fast",--07WQ2iBlw,1,11,train\n'
}
IDS = ["a/v_Archery_g01_c01.avi", "walk/a_walk.avi", "run/---QUuC4vJs_000084_000094.mp4"]


@pytest.mark.parametrize(
    ("benchmark_set", "files"),
    [(UCF101, UCF), (HMDB51, HMDB), (KINETICS400, KINETICS)],
    ids=lambda value: value.name if isinstance(value, Benchmark) else "",
)
def test_fuzz_official_lists(
    check: Check, benchmark_set: Benchmark, files: dict[str, bytes]
) -> None:
    name = next(iter(files)) if len(files) == 1 else "trainlist01.txt"

    def read(path: Path) -> None:
        for other, data in files.items():
            if other != path.name:
                (path.parent / other).write_bytes(data)
        lists = benchmark_set.labeller(
            benchmark_set.arguments[0], root=path.parent, annotations=path.parent
        )
        lists(IDS).labels_of([])

    check(
        Reader(
            name=f"lists of {benchmark_set.name}", corpus=[files[name]], kind="text", read=read,
            file=name, names=False,
        ),
        quick=40,
    )  # fmt: skip


TABLE = (
    b'path,label,split,start,end\na.mp4,walk,train,0,2.5\n"b, c.mp4",run,test,,\n'
    b"a.mp4,run,train,2.5,9\nd.mp4,'=1+1,test,1e1,20\n"
)


def test_fuzz_tables(check: Check, make_video: Callable[..., Path], tmp_path: Path) -> None:
    def read(path: Path) -> None:
        labels = read_labels(path)
        labels.describe_mismatch(["a.mp4"])
        labels_from(f"table:{path}", root=path.parent)(list(labels.label))

    check(Reader(name="label table", corpus=[TABLE], kind="text", read=read, file="labels.csv"))
    video = make_video(tmp_path / "a.mp4", frames=4, size=(64, 48))
    lists = [b"path,other\na.mp4,1\nb.mp4,2\nsub/c.mp4,3\n", b"path\na.mp4\n"]

    def read_list(path: Path) -> None:
        if not (copy := path.parent / video.name).exists():
            os.link(video, copy)
        catalog = Catalog.from_list(path, cache=False, progress=False, workers=1)
        assert all(reason.reason for reason in catalog.refused)

    check(
        Reader(
            name="list of videos, CSV", corpus=lists, kind="text", read=read_list, file="list.csv"
        ),
        quick=40, soak=3000,
    )  # fmt: skip
    stream = io.BytesIO()
    table = pa.table({"path": ["a.mp4", "b.mp4"], "other": [1, 2]})
    pq.write_table(table, stream)
    check(
        Reader(
            name="list of videos, Parquet", corpus=[stream.getvalue()], read=read_list,
            file="list.parquet",
        ),
        quick=40, soak=3000,
    )  # fmt: skip
    clusters = b"path,cluster\na.mp4,1\nb.mp4,two\nc.mp4,1\n"

    def read_clusters(path: Path) -> None:
        (partition,) = read_partitions(path)
        assert len(partition.ids) == len(partition.clusters)

    check(
        Reader(
            name="clusters, CSV", corpus=[clusters], kind="text", read=read_clusters, file="c.csv"
        ),
        quick=40, soak=3000,
    )  # fmt: skip
    check(
        Reader(
            name="class names", corpus=[b"walk\nrun\n\nkick a ball\n"], kind="text",
            read=read_class_names, file="names.txt",
        ),
        quick=40, soak=3000,
    )  # fmt: skip
    rows = io.StringIO()
    writer = csv.DictWriter(rows, COLUMNS)
    writer.writeheader()
    writer.writerow(dict.fromkeys(COLUMNS, "x"))
    check(
        Reader(
            name="manifest of segments", corpus=[rows.getvalue().encode()], kind="text",
            read=_read_manifest, errors=(),
        ),
        quick=40, soak=3000,
    )  # fmt: skip


def test_fuzz_folders_of_classes(check: Check) -> None:
    def read(path: Path) -> None:
        labels_of_tree(path.read_text(errors="surrogateescape").split("\n"))

    ids = [b"train/walk/a.mp4\ntest/run/b.mp4", b"walk/a.mp4\nrun/b.mp4\n/x/c.mp4"]
    check(
        Reader(
            name="folders of classes", corpus=ids, kind="text", read=read, errors=(LabelError,),
            names=False,
        ),
        quick=40, soak=3000,
    )  # fmt: skip


@pytest.fixture
def labelled_index(fill: MakeIndex, rows: Callable[..., np.ndarray]) -> Index:
    index = fill({"a, b.mp4": rows(6), "sub/c.mp4": rows(5, seed=1)})
    contents = {video.path: video.content_id for video in index.videos()}
    labels = [
        (Segment(contents["a, b.mp4"], 0.0, 2.0), LabelValue("walk", 1.0, "given")),
        (Segment(contents["a, b.mp4"], 3.0, 5.5), LabelValue("=1+1", 0.5, "spread")),
        (Segment(contents["sub/c.mp4"], 1.0, 2.0), LabelValue("run, fast", 1.0, "given")),
    ]
    write_labels(index, labels)
    return index


def exported(index: Index, name: str, folder: Path) -> Path:
    path = folder / f"labels{LABEL_FILES[name].suffix.removesuffix('.zip')}"
    export_labels(index, path, format=name)
    return path


@pytest.mark.parametrize("name", sorted(LABEL_FILES))
def test_fuzz_label_files(check: Check, labelled_index: Index, name: str, tmp_path: Path) -> None:
    path = exported(labelled_index, name, tmp_path)
    if path.is_dir():
        pattern = "0001.xml" if name == "cvat" else "labels.json"
        file = f"{path.name}/{pattern}"
        corpus = [(path / pattern).read_bytes()]
    else:
        file, corpus = path.name, [path.read_bytes()]

    def put(data: bytes, target: Path) -> None:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
        if name == "fiftyone":
            (target.parent / "data.json").write_bytes((path / "data.json").read_bytes())

    def read(target: Path) -> None:
        place = target.parent if path.is_dir() else target
        try:
            before = list_labels(labelled_index)
            given = random.Random(target.read_bytes()).random() < 0.7
            import_labels(labelled_index, place, format=name if given else None, replace=True)
        except SlicError as error:
            if list_labels(labelled_index) != before or place.name not in str(error):
                raise AssertionError("labels were set, or the file is not named") from error
            raise
        for label in list_labels(labelled_index):
            assert 0 <= label.start_seconds < label.end_seconds < np.inf
        undo_label_change(labelled_index)
        assert list_labels(labelled_index) == before

    kind: Any = "json" if file.endswith(".json") else "text"
    check(
        Reader(
            name=f"labels, {name}", corpus=corpus, kind=kind, read=read, file=file, names=False,
            seal=put,
        ),
        quick=40, soak=3000,
    )  # fmt: skip


def test_fuzz_zipped_labels(check: Check, labelled_index: Index, tmp_path: Path) -> None:
    folder = exported(labelled_index, "cvat", tmp_path)
    corpus = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
        corpus.append(stream.getvalue())

    def read(path: Path) -> None:
        import_labels(labelled_index, path)

    check(
        Reader(name="labels, zipped", corpus=corpus, read=read, file="labels.zip"),
        quick=40, soak=3000,
    )  # fmt: skip


FILTERS = [
    b"path like 'a/%' and duration > 3", b"label = 'walk' or confidence < .5",
    b"cluster in (1, 2) and not source = 'given'", b"start_seconds between 1 and 2",
    b"length(path) > abs(round(end_seconds)) and instr(path, 'c')", b"glob('a*', path)",
]  # fmt: skip


def test_fuzz_filters(check: Check, labelled_index: Index) -> None:
    before = list_labels(labelled_index)

    def read(path: Path) -> None:
        where = path.read_bytes().decode(errors="surrogateescape")
        matching_moments(labelled_index.database, where, level=0)

    check(
        Reader(
            name="filters", corpus=FILTERS, kind="text", read=read, errors=(SearchError,),
            names=False,
        ),
        quick=150, soak=10000,
    )  # fmt: skip
    assert list_labels(labelled_index) == before


def test_fuzz_moments(check: Check, labelled_index: Index) -> None:
    def read(path: Path) -> None:
        find_moment_of(labelled_index, path.read_bytes().decode(errors="surrogateescape"))

    words = [b"sub/c.mp4@1.5", b"a, b.mp4@0", b"x@1e3", b"c@2"]
    check(
        Reader(
            name="PATH@SECONDS", corpus=words, kind="text", read=read,
            errors=(SearchError, OSError), names=False,
        ),
        quick=150, soak=10000,
    )  # fmt: skip


WORDS = st.sampled_from(
    [*FILTER_COLUMNS, *sorted(FILTER_FUNCTIONS), "(", ")", ",", "'", '"', "=", "<", "||", "and",
     "or", "not", "like", "in", "select", "from", "videos", "sqlite_master", "--", "/*", ";", "0",
     "1e999", "x'00'", "null", "case", "when", "then", "end", "cast", "as", "randomblob",
     "zeroblob",
     "load_extension", "replace", "printf", "group_concat", "count", "*", "?", ":level", "@x", "\0",
     "union", "with", "recursive", "collate", "nocase", "escape", "match", "regexp", "over", "\n"]
)  # fmt: skip


@pytest.fixture(scope="module")
def plain_index(
    tmp_path_factory: pytest.TempPathFactory, add: Callable[..., Any], rows: Callable[..., Any]
) -> Index:
    described = IndexSettings(
        encoder="0" * 16, vectors={"embedding": 8}, window_seconds=2.0, stride_seconds=1.0
    )
    index = Index.create(tmp_path_factory.mktemp("index") / "index", described)
    add(index, "a.mp4", rows(3))
    return index


@settings(max_examples=60, deadline=None, derandomize=True)
@given(words=st.lists(WORDS, max_size=14))
def test_a_filter_of_any_words_is_true_false_or_refused(
    words: list[str], plain_index: Index
) -> None:
    with suppress(SearchError):
        ids = matching_moments(plain_index.database, " ".join(words), level=0)
        assert set(ids.tolist()) <= {1, 2, 3}


def test_the_inputs_of_a_reader_are_the_same_each_time() -> None:
    reader = Reader(name="x", corpus=as_json(SCORES), kind="json", read=Path)
    first = [changed(reader, number) for number in range(50)]
    assert first == [changed(reader, number) for number in range(50)]
    assert len(set(first)) > 45


def test_a_changed_prediction_is_computed_again(
    make_video: Callable[..., Path], tmp_path: Path
) -> None:
    make_video(tmp_path / "videos" / "a.mp4", frames=4, size=(64, 48))
    catalog = Catalog.from_folder(tmp_path / "videos", cache=False, progress=False, workers=1)
    folder = ClassificationFolder(tmp_path)
    folder.add_prediction(catalog[0], np.array([0.25, 0.75]))
    assert folder.read_predictions(catalog) == {"a.mp4": [0.25, 0.75]}
    text = folder.predictions_file.read_text().replace("0.25", "0.95")
    folder.predictions_file.write_text(text)
    assert folder.read_predictions(catalog) == {}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--callbacks=[{name: x}"], "callbacks cannot be read"),
        (["--callbacks=" + 100 * "["], "callbacks cannot be read .*nested too deeply"),
        (["--augmentation.area=" + 100 * "["], "nested too deeply"),
        (["--augmentation.area=&a [*a]"], "contains itself"),
        (["--augmentation.area=[-1, 1]"], "area"),
        (["--augmentation.jitter=[.5, .nan, .5, .5]"], "jitter"),
        (["--augmentation.blur_sigma=[1, .inf]"], "blur_sigma"),
        (["--train.epochs=1e400"], "epochs"),
    ],
)
def test_settings_beyond_their_bounds(words: list[str], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        load_recipe("motion", words)


def test_labels_that_once_ended_in_a_traceback(labelled_index: Index, tmp_path: Path) -> None:
    tasks = json.loads(exported(labelled_index, "label-studio", tmp_path).read_bytes())
    tasks[0]["data"]["fps"] = "0"
    path = tmp_path / "zero.json"
    path.write_text(json.dumps(tasks))
    with pytest.raises(LabelError, match=r"zero\.json: cannot be read as labels"):
        import_labels(labelled_index, path)
    entities = '<!DOCTYPE a [<!ENTITY b "bb">]><annotations><track label="&b;"/></annotations>'
    path = tmp_path / "entities.xml"
    path.write_text(entities)
    with pytest.raises(LabelError, match="document type declaration"):
        import_labels(labelled_index, path)
    encrypted = tmp_path / "a.zip"
    with zipfile.ZipFile(encrypted, "w") as archive:
        archive.writestr("0001.xml", "<annotations/>")
    data = bytearray(encrypted.read_bytes())
    data[6] |= 1  # the flags of the file, and those in the directory
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    encrypted.write_bytes(data)
    with pytest.raises(LabelError, match="encrypted"):
        import_labels(labelled_index, encrypted)


def test_a_null_byte_in_a_list_of_videos(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"path\na\0.mp4\n")
    with pytest.raises(SlicError, match=r"list\.csv: line 2: column 'path' has a null byte"):
        Catalog.from_list(tmp_path / "list.csv", cache=False, progress=False)
