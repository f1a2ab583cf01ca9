"""Changed state files are noticed: raw ones by their checksum, re-sealed ones by their bounds.

A re-sealed file has a right checksum around a changed content, as a stranger could write it.
"""

import io
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from slic.clips.flow_cache import FlowCache
from slic.clustering.base import PseudoLabels
from slic.embeddings import Embeddings
from slic.embeddings import cache as feature_cache
from slic.embeddings.cache import FeatureCache, cached_features
from slic.errors import EmbeddingsError, VideoError
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.optimizers import sgd
from slic.pretraining.state import CHECKPOINT_FORMAT, TrainingState, load_state, save_state
from slic.pretraining.view_storage import _Arrays
from slic.runs import _CHECKPOINT, load_checkpoint
from slic.sealed import Seal, read_sealed, sealing
from slic.search.stores import StoreLocation, StoreUpdate, disk_manifest, vector_file
from slic.search.stores.disk_lists import DiskLists
from slic.search.stores.vector_file import VectorFile
from slic.videos import scan_cache
from slic.videos.catalog import Catalog
from slic.videos.scanning import Verdict, look_at
from slic.videos.timeline import unpack_timeline
from slic.videos.video import Video
from tests.faults.fuzzing import Check, Reader

IDS = ["a.mp4", "b.mp4"]
CLIP = ClipSpec(frames=4, size=16)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Catalog:
    folder = tmp_path_factory.mktemp("videos")
    make_video(folder / "a.mp4", frames=20, size=(64, 48))
    make_video(folder / "b.avi", frames=12, size=(64, 48), codec="mpeg4")
    return Catalog.from_folder(folder, cache=False, progress=False, workers=1)


def resealed(seal: Seal) -> Callable[[bytes, Path], object]:
    def write(data: bytes, path: Path) -> None:
        with sealing(path, seal) as file:
            file.write(data)

    return write


def use(video: Video) -> tuple[Any, ...]:
    """Return what reading of a video asks of its description."""
    timeline = video.read_timeline()
    keys = [timeline.key_before(int(packet)) for packet in timeline.packets]
    rates = (video.fps, video.duration_seconds, video.end_seconds, video.frame_at(0.3))
    edges = video.edge_seconds
    assert len(edges) == video.frames + 1 == len(timeline.packets) + 1
    assert np.isfinite(edges).all()
    assert (np.diff(edges) >= 0).all()
    assert np.isfinite(rates).all()
    return video.frames, video.width, video.height, keys, edges.tolist(), timeline.key_of_signature


def scan_file(catalog: Catalog, path: Path) -> tuple[list[Any], bytes]:
    found = [look_at(video.path, video.id) for video in catalog]
    scan_cache.save([path], [Verdict(*pair) for pair in zip(found, catalog, strict=True)])
    return found, path.read_bytes()


def test_fuzz_scan_cache(check: Check, catalog: Catalog, tmp_path: Path) -> None:
    found, data = scan_file(catalog, tmp_path / "scan")
    right = scan_cache.load([tmp_path / "scan"], found)
    assert len(right) == 2
    content = read_sealed(tmp_path / "scan", scan_cache._SEAL)

    def read(path: Path) -> list[Verdict]:
        return scan_cache.load([path], found)

    def read_and_use(path: Path) -> None:
        for verdict in read(path):
            if isinstance(verdict.outcome, Video):
                use(verdict.outcome)

    raw = Reader(
        name="scan cache", corpus=[data], read=read, errors=(), accept=lambda x: x in ([], right)
    )
    check(raw)
    stranger = Reader(
        name="scan cache, re-sealed", corpus=[content], read=read_and_use,
        errors=(VideoError,), names=False, seal=resealed(scan_cache._SEAL),
    )  # fmt: skip
    check(stranger)


def test_fuzz_rows_of_the_scan_cache(check: Check, catalog: Catalog, tmp_path: Path) -> None:
    found, _ = scan_file(catalog, tmp_path / "scan")
    table = pq.read_table(io.BytesIO(read_sealed(tmp_path / "scan", scan_cache._SEAL)))
    rows = table.to_pylist()
    for row in rows:
        row["timeline"] = b64encode(row["timeline"]).decode()

    def write(data: bytes, path: Path) -> None:
        """Write the changed rows, those that have the types of the table."""
        made = []
        for row in json.loads(data):
            try:
                values = row | {"timeline": b64decode(row["timeline"])}
                made.append(pa.Table.from_pylist([values], schema=scan_cache._SCHEMA))
            except Exception:  # not of the types of the table
                continue
        with sealing(path, scan_cache._SEAL) as file:
            pq.write_table(pa.concat_tables([table.slice(0, 0), *made]), file)

    def read(path: Path) -> None:
        for verdict in scan_cache.load([path], found):
            if isinstance(verdict.outcome, Video):
                use(verdict.outcome)

    reader = Reader(
        name="scan cache, rows", corpus=[json.dumps(rows).encode()], read=read, kind="json",
        errors=(VideoError,), names=False, seal=write,
    )  # fmt: skip
    check(reader)


def test_fuzz_timelines(check: Check, catalog: Catalog) -> None:
    packed = [video.timeline for video in catalog]
    video = catalog[0]

    def read(path: Path) -> None:
        data = path.read_bytes()
        use(replace(video, timeline=data, frames=len(unpack_timeline(data).packets)))

    common: dict[str, Any] = {"read": read, "errors": (ValueError, VideoError), "names": False}
    check(Reader(name="timeline", corpus=packed, **common))
    plain = [zlib.decompress(data) for data in packed]
    reader = Reader(
        name="timeline, compressed again", corpus=plain, **common,
        seal=lambda data, path: path.write_bytes(zlib.compress(data, 1)),
    )  # fmt: skip
    check(reader)


def test_a_timeline_that_inflates_without_bound_is_refused() -> None:
    head = b'{"format": 1, "lengths": [9, 0, 1, 1, 1, 1, 1]}\n'
    with pytest.raises(ValueError, match="another length"):
        unpack_timeline(zlib.compress(head + bytes(40 << 20), 9))
    with pytest.raises(ValueError, match="a damaged timeline"):
        unpack_timeline(zlib.compress(bytes(40 << 20), 9))


def test_every_array_of_a_timeline_is_checked(catalog: Catalog) -> None:
    timeline = unpack_timeline(catalog[0].timeline)
    head, _, body = zlib.decompress(timeline.packed()).partition(b"\n")
    wrong: list[dict[str, Any]] = [
        {"lengths": [20, 0, 1, 1, 1, 1, 0]}, {"lengths": [20, 1, 0, 1, 1, 1, 1]},
        {"lengths": [1, 19, 1, 1, 1, 1, 1]}, {"lengths": [-1, 0, 1, 1, 1, 1, 1]},
        {"lengths": [1 << 40, 0, 1, 1, 1, 1, 1]}, {"lengths": []}, {"lengths": [20.0] * 7},
        {"time_base": [1, 0]}, {"time_base": [-1, 5]}, {"time_base": [1 << 70, 1]},
        {"orientation": [1, 2, 3]}, {"stream": -1}, {"start": 1 << 70}, {"counted": None},
    ]  # fmt: skip
    for change in wrong:
        changed = json.dumps(json.loads(head) | change).encode()
        with pytest.raises(ValueError, match="a damaged timeline"):
            unpack_timeline(zlib.compress(changed + b"\n" + body))


def test_fuzz_feature_cache(check: Check, catalog: Catalog, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    right = rng.normal(size=(2, 3, 5)).astype(np.float32)

    def compute(videos: Any) -> Any:
        return ((position, right[position]) for position in range(len(videos)))

    def features(folder: Path) -> np.ndarray:
        return cached_features(catalog, compute, cache=folder, settings={}, label=None)

    with FeatureCache(tmp_path, {}) as cache:
        for position, video in enumerate(catalog):
            cache.add(video, feature_cache.video_state(video), right[position])
    (file,) = cache.folder.glob("*.features")
    name = f"{cache.folder.name}/1.features"

    def read(path: Path) -> np.ndarray:
        found = features(path.parent.parent)
        for other in path.parent.glob("*.features"):
            other.unlink()
        return found

    def put(data: bytes, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    raw = Reader(
        name="feature cache", corpus=[file.read_bytes()], read=read, file=name, errors=(),
        accept=lambda found: bool((found == right).all()), seal=put,
    )  # fmt: skip
    check(raw, quick=25, soak=1500)

    def put_sealed(data: bytes, path: Path) -> None:
        resealed(feature_cache._SEAL)(data, path)

    content = read_sealed(file, feature_cache._SEAL)
    stranger = replace(
        raw, name="feature cache, re-sealed", corpus=[content], seal=put_sealed,
        errors=(EmbeddingsError,), names=False, accept=lambda found: found.shape == right.shape,
    )  # fmt: skip
    check(stranger, quick=10, soak=400)


def test_fuzz_flow_cache(check: Check, catalog: Catalog, tmp_path: Path) -> None:
    video, span = catalog[1], np.array([2, 5, 8, 11])
    cache = FlowCache(tmp_path, method="dis", size=(32, 24), stride=3)
    cache.write(video)
    right = cache.read(video, span)
    assert right is not None
    data = cache.path(video).read_bytes()

    def read(path: Path) -> Any:
        opened = FlowCache(path.parent, method="dis", size=(32, 24), stride=3)
        opened.folder = path.parent
        return opened.read(video, span)

    def is_right(flow: Any) -> bool:
        return flow is None or bool((flow == right).all())

    raw = Reader(
        name="flow cache", corpus=[data], read=read, file=f"{video.id}.flow", errors=(),
        accept=is_right,
    )  # fmt: skip
    check(raw)

    def with_right_checksum(data: bytes, path: Path) -> None:
        start = data.find(b"\n") + 1
        end = start + 8 * video.frames
        checksum = zlib.crc32(data[start:end]).to_bytes(4, "little")
        path.write_bytes(data[:end] + checksum + data[end + 4 :])

    stranger = replace(raw, name="flow cache, new checksum", seal=with_right_checksum)
    check(replace(stranger, accept=lambda flow: flow is None or flow.shape == right.shape))


def make_encoder() -> VideoEncoder:
    torch.manual_seed(0)
    head = HeadSpec(hidden=8, embedding=4)
    arguments = {"width": 0.0625}
    config = EncoderConfig(backbone="slic/r3d10", arguments=arguments, head=head, clip=CLIP)
    return VideoEncoder(config)


def test_fuzz_checkpoint(check: Check, tmp_path: Path) -> None:
    encoder = make_encoder()
    optimizer = sgd(encoder.parameters(), learning_rate=0.3)
    labels = {"embedding": PseudoLabels(np.array([0, 1]))}
    state = TrainingState(9, 3, 1, 10, labels, spread=0.25)
    path = tmp_path / "checkpoint"
    save_state(path, state, encoder=encoder, optimizer=optimizer, ids=IDS, processes=1)
    fingerprint = encoder.fingerprint()

    def read(path: Path) -> Any:
        return load_checkpoint(path, version=CHECKPOINT_FORMAT)

    def is_right(saved: Any) -> bool:
        weights = encoder.state_dict()
        return all(torch.equal(saved["encoder"][name], x) for name, x in weights.items())

    raw = Reader(name="checkpoint", corpus=[path.read_bytes()], read=read, accept=is_right)
    check(raw, quick=40, soak=1500)

    def resume(path: Path) -> TrainingState:
        loaded, other = TrainingState(9), make_encoder()
        load_state(path, loaded, encoder=other, optimizer=sgd(other.parameters()), ids=IDS)
        return loaded

    seal = Seal(_CHECKPOINT, CHECKPOINT_FORMAT)
    content = read_sealed(path, seal)
    stranger = Reader(
        name="checkpoint, re-sealed", corpus=[content], read=resume, seal=resealed(seal)
    )
    check(stranger, quick=10, soak=400)
    assert encoder.fingerprint() == fingerprint

    saved = torch.load(io.BytesIO(content), weights_only=True)
    plain = {name: value for name, value in saved.items() if name not in ("encoder", "optimizer")}
    plain["pseudo_labels"] = {"embedding": [0, 1]}
    plain["optimizer"] = saved["optimizer"] | {"state": {}}

    def write(data: bytes, path: Path) -> None:
        values = saved | json.loads(data)
        rows = values["pseudo_labels"].items()
        values["pseudo_labels"] = {name: torch.tensor(x) for name, x in rows}
        with sealing(path, seal) as stream:
            torch.save(values, stream)

    values = Reader(
        name="checkpoint, values", corpus=[json.dumps(plain).encode()], kind="json", read=resume,
        seal=write, accept=lambda x: 0 <= x.epoch <= 9 and x.batch >= 0 and x.step >= 0,
    )  # fmt: skip
    check(values, quick=10, soak=400)


def test_fuzz_stored_embeddings(check: Check, tmp_path: Path) -> None:
    clips = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    path = tmp_path / "embeddings.npz"
    Embeddings(
        ids=("a.mp4", "b.mp4"), clips=clips, encoder="0" * 16, layer="head", modality="rgb"
    ).save(path)
    with np.load(path) as stored:
        about = str(stored["about"]).encode()

    def fits(found: Embeddings) -> bool:
        return found.mean.shape == (len(found.ids), found.clips.shape[2])

    check(
        Reader(
            name="stored embeddings", corpus=[path.read_bytes()], read=Embeddings.load, accept=fits
        )
    )

    def write(data: bytes, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, clips=clips, about=np.array(data.decode(errors="replace")))

    described = Reader(
        name="stored embeddings, description", corpus=[about], kind="json", seal=write,
        read=Embeddings.load, accept=fits,
    )  # fmt: skip
    check(described)


def test_fuzz_stored_views(check: Check, tmp_path: Path) -> None:
    arrays = _Arrays.__new__(_Arrays)
    arrays.extent, arrays.folder = 5, tmp_path
    arrays.shapes = {
        "views": (np.float32, (3, 2, 4)), "clips": (np.float32, (3, 1, 4)),
        "starts": (np.int64, (3, 2)), "usable": (np.bool_, (3,)), "checks": (np.uint32, (3,)),
    }  # fmt: skip
    arrays.create()
    files = {name: (tmp_path / f"{name}.npy").read_bytes() for name in arrays.shapes}

    def read(path: Path) -> bool:
        other = _Arrays.__new__(_Arrays)
        other.extent, other.folder, other.shapes = 5, path.parent, arrays.shapes
        for name, data in files.items():
            if name != path.stem:
                (path.parent / f"{name}.npy").write_bytes(data)
        return not other.exist() or other.opened().views.shape == (3, 2, 4)

    for name in ("views", "usable"):
        reader = Reader(
            name=f"stored views, {name}", corpus=[files[name]], read=read, file=f"{name}.npy",
            errors=(), accept=lambda fits: fits is True,
        )  # fmt: skip
        check(reader, quick=40, soak=2500)


def test_fuzz_encoder(check: Check, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    make_encoder().save_pretrained(folder)
    config, weights = (folder / "config.json"), (folder / "model.safetensors")
    plain = json.loads(config.read_text())
    del plain["weights_sha256"]
    without_digest, config_data = json.dumps(plain).encode(), config.read_bytes()
    weights_data = weights.read_bytes()

    def read(path: Path) -> VideoEncoder:
        (path.parent / "model.safetensors").write_bytes(weights_data)
        return VideoEncoder.from_pretrained(path.parent)

    def read_weights(path: Path) -> VideoEncoder:
        (path.parent / "config.json").write_bytes(config_data)
        return VideoEncoder.from_pretrained(path.parent)

    def read_weights_without_digest(path: Path) -> VideoEncoder:
        (path.parent / "config.json").write_bytes(without_digest)
        return VideoEncoder.from_pretrained(path.parent)

    description = Reader(
        name="encoder config.json", corpus=[config_data, without_digest], kind="json", read=read,
        file="config.json", names=False,
    )  # fmt: skip
    check(description, quick=10, soak=400)
    fingerprint = make_encoder().fingerprint()
    raw = Reader(
        name="encoder weights", corpus=[weights_data], read=read_weights, file=weights.name,
        accept=lambda encoder: encoder.fingerprint() == fingerprint,
    )  # fmt: skip
    check(raw, quick=10, soak=400)
    check(
        replace(
            raw, name="encoder weights, no checksum", read=read_weights_without_digest,
            accept=lambda _: True,
        ),
        quick=10, soak=400,
    )  # fmt: skip


def update_of(x: np.ndarray) -> StoreUpdate:
    ids = np.arange(5, 5 + len(x))
    return StoreUpdate(
        generation=3, count=len(x), removed=np.array([7]), added=[(ids, x)], replaces_all=True
    )


@pytest.mark.parametrize("file", ["manifest", "f32", "i64"])
def test_fuzz_mapped_vectors(
    file: str, check: Check, rows: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    VectorFile(tmp_path / "right", 8).apply(update_of(rows(150)))
    files = {path.name: path.read_bytes() for path in (tmp_path / "right/vectors").iterdir()}
    name = next(name for name in files if name.endswith(file))

    def read(path: Path) -> Any:
        """Read all vectors and some, from a folder in which the other files are right."""
        for other in files.keys() - {name}:
            (path.parent / other).write_bytes(files[other])
        stored = VectorFile(path.parent.parent, 8)
        return stored.some(np.array([5, 30, 99])), stored.everything()

    def put(data: bytes, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def is_right(found: Any) -> bool:
        some, everything = found
        right = some is None or np.array_equal(some[1], rows(150)[[0, 25, 94]])
        return right and (everything is None or np.array_equal(everything[1], rows(150)))

    raw = Reader(
        name=f"mapped vectors, {file}", corpus=[files[name]], read=read, file=f"vectors/{name}",
        errors=(), accept=is_right, seal=put,
    )  # fmt: skip
    check(raw, quick=30, soak=1500)
    if file == "manifest":
        content = read_sealed(tmp_path / "right/vectors/manifest", vector_file._SEAL)

        def put_sealed(data: bytes, path: Path) -> None:
            path.parent.mkdir(exist_ok=True)
            resealed(vector_file._SEAL)(data, path)

        stranger = replace(
            raw, name="mapped vectors, re-sealed", corpus=[content], seal=put_sealed,
            accept=lambda found: found[1] is None or found[1][1].shape[1] == 8,
        )  # fmt: skip
        check(stranger, quick=30, soak=1500)


@pytest.mark.parametrize("file", ["manifest", "lists"])
def test_fuzz_lists_on_disk(
    file: str, check: Check, rows: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    x, queries = rows(150), rows(3, seed=1)
    vectors = VectorFile(tmp_path / "right", 8)
    vectors.apply(update_of(x))
    location = StoreLocation(folder=tmp_path / "right", dimension=8, vectors=vectors)
    lists = DiskLists(location, probed=10**6)
    lists.apply(update_of(x))
    right = lists.search(queries, 10)
    assert right is not None
    files = {path.name: path.read_bytes() for path in lists.folder.iterdir()}
    name = next(name for name in files if name.endswith(file))

    def read(path: Path) -> Any:
        for other in files.keys() - {name}:
            (path.parent / other).write_bytes(files[other])
        return DiskLists(replace(location, folder=path.parent.parent), probed=10**6).search(
            queries, 10
        )

    def put(data: bytes, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    raw = Reader(
        name=f"lists on disk, {file}", corpus=[files[name]], read=read, file=f"lists/{name}",
        errors=(), accept=lambda found: found is None or bool((found.ids == right.ids).all()),
        seal=put,
    )  # fmt: skip
    check(raw, quick=30, soak=1500)
    if file == "manifest":
        content = read_sealed(lists.folder / name, disk_manifest.SEAL)

        def put_sealed(data: bytes, path: Path) -> None:
            path.parent.mkdir(exist_ok=True)
            resealed(disk_manifest.SEAL)(data, path)

        stranger = replace(
            raw, name="lists on disk, re-sealed", corpus=[content], seal=put_sealed,
            accept=lambda found: found is None or found.ids.shape == (3, 10),
        )  # fmt: skip
        check(stranger, quick=30, soak=1500)
