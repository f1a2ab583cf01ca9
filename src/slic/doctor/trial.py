"""A test video, made on the spot: it is written, inspected, decoded and embedded."""

from collections.abc import Iterator

from slic.doctor.finding import Finding
from slic.doctor.processes import run_program

STEPS = {
    "test video": "written and decoded in H.264",
    "built-in encoder": "embeds the test video",
}
PROGRAM = """
import json, sys, tempfile
from fractions import Fraction
from pathlib import Path
import numpy as np
from slic.videos.encoding import Encoding, write_video

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "vid\\u00e9o 1.mp4"
    encoding = Encoding(suffix=".mp4", container="mp4", codec="libx264")
    levels = np.arange(40, dtype=np.uint8)[:, None, None, None] * 4
    frames = np.broadcast_to(levels, (40, 96, 128, 3))
    write_video(path, frames, fps=Fraction(10), size=(128, 96), encoding=encoding)
    import slic
    from slic.videos.catalog import Catalog
    catalog = Catalog.from_folder(folder, workers=1)
    assert len(catalog) == 1, [refused.reason for refused in catalog.refused]
    decoded = slic.read_frames(catalog.videos[0], [0, 39])
    means = [float(frame.mean()) for frame in np.asarray(decoded)]
    assert abs(means[0]) < 12 and abs(means[1] - 156) < 12, f"decoded to other colours: {means}"
    print(json.dumps(["test video"]), flush=True)
    from slic.models.default import DEFAULT_ENCODER
    from slic.models.sources import open_encoder
    encoder = open_encoder(DEFAULT_ENCODER)
    embedded = slic.embed(encoder, catalog, clips=1, workers=0, progress=False)
    assert np.isfinite(embedded.mean).all(), "the embedding is not finite"
    print(json.dumps(["built-in encoder"]), flush=True)
"""


def check_by_trial() -> Iterator[Finding]:
    """Make a video in a temporary folder, decode it, and embed it with the built-in encoder."""
    lines, death = run_program(PROGRAM)
    done = [line[0] for line in lines if line]
    for name, text in STEPS.items():
        if name in done:
            yield Finding("ok", name, text)
            continue
        way_out = "Correct what is broken above; if nothing is, report this line."
        yield Finding("broken", name, death or "did not finish", way_out)
        return
