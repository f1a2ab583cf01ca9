"""Count the bytes, requests and seconds that videos in object storage take, by container and GOP.

An S3 server (moto) runs beside it, so times have no network in them.

    python benchmarks/object_storage.py --out object_storage.json
"""

import argparse
import contextlib
import json
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from slic import storage
from slic.storage import RemotePath, traffic
from slic.storage.backends import close_connections
from slic.storage.cache import cache_folder
from slic.videos import isolation
from slic.videos.byte_ranges import groups_of_frames
from slic.videos.catalog import Catalog, Video
from slic.videos.frames import read_frames
from slic.videos.objects import find_objects

CLIP_FRAMES = 16
SECONDS = 60
SOURCE = (
    f"-f lavfi -i testsrc2=size=320x240:rate=25:duration={SECONDS},noise=alls=8:allf=t "
    f"-f lavfi -i sine=duration={SECONDS}"
)
H264, MPEG4 = "-c:v libx264 -preset veryfast -c:a aac", "-c:v mpeg4 -b:v 1M -c:a aac"
CASES = {
    "H.264 in MP4, index at the end": ("h264.mp4", H264),
    "H.264 in MP4, index first": ("first.mp4", f"{H264} -movflags +faststart"),
    "H.264 in MOV": ("h264.mov", H264),
    "MPEG-4 in MP4": ("mpeg4.mp4", MPEG4),
    "H.264 in MKV": ("h264.mkv", H264),
    "MPEG-4 in AVI": ("mpeg4.avi", MPEG4.replace("aac", "mp3")),
    "H.264 in TS": ("h264.ts", H264),
    "H.264 in fragmented MP4": ("fragments.mp4", f"{H264} -movflags frag_keyframe+empty_moov"),
}


@contextlib.contextmanager
def s3_server() -> Iterator[Any]:
    """Run moto's S3 server and yield a client of it."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.get_host_and_port()[1]}",
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="b",
        AWS_DEFAULT_REGION="us-east-1",
    )
    client = boto3.client("s3")
    client.create_bucket(Bucket="films")
    yield client
    server.stop()


def forget() -> None:
    """Delete the local cache and end the workers, which hold bytes."""
    isolation._close_all()
    storage.locations._pieces_of.cache_clear()
    shutil.rmtree(cache_folder() or "", ignore_errors=True)
    traffic.clear()


def one_video(place: str | Path, name: str) -> Video:
    """Scan the only video of a folder."""
    (video,) = Catalog.from_folder(place, cache=False, progress=False, workers=1)
    assert video.id == name
    return video


def measure(file: Path, address: str, starts: list[int]) -> dict[str, float]:
    """Return what a scan and some clips of one object take."""
    here = one_video(file.parent, file.name)
    forget()
    there = one_video(address, file.name)
    scan = traffic.bytes, traffic.requests
    forget()
    read_frames(there, [0], size=(64, 48))  # the container's index, which every reading takes
    index, size = traffic.bytes, file.stat().st_size
    needed = fetched = requests = 0
    for start in starts:
        clip = range(start, start + CLIP_FRAMES)
        groups = groups_of_frames(here.read_timeline(), clip, size=size)
        before = traffic.bytes, traffic.requests, traffic.cached_bytes
        read_frames(there, clip, size=(171, 128))
        needed += sum(end - first for first, end in groups)
        fetched += traffic.bytes - before[0]
        requests += traffic.requests - before[1]
    whole = size or 1
    return {
        "bytes": size, "scan_share": scan[0] / whole, "scan_requests": scan[1],
        "index_bytes": index, "groups_bytes": needed, "fetched_bytes": fetched,
        "ratio": fetched / max(needed, 1), "requests_per_clip": requests / len(starts),
    }  # fmt: skip


def seconds_of_clips(videos: list[Video], starts: list[int]) -> float:
    """Return the seconds that reading clips takes, one after the other."""
    began = time.monotonic()
    for video in videos:
        for start in starts:
            read_frames(video, range(start, start + CLIP_FRAMES), size=(171, 128))
    return time.monotonic() - began


def bytes_table(client: Any, folder: Path, gops: list[int]) -> list[dict[str, Any]]:
    """Measure every container and key-frame distance."""
    rows = []
    for gop in gops:
        for case, (name, options) in CASES.items():
            file = folder / f"{gop}-{name}" / name
            file.parent.mkdir(exist_ok=True)
            words = f"ffmpeg -y -loglevel error {SOURCE} {options} -g {gop} -sc_threshold 0".split()
            subprocess.run([*words, str(file)], check=True)
            client.put_object(
                Bucket="films", Key=f"{file.parent.name}/{name}", Body=file.read_bytes()
            )
            # Distant places, so that no two clips share a group.
            starts = [300, 700, 1100] if gop > 100 else [130, 430, 730, 1030, 1330]
            row = measure(file, f"s3://films/{file.parent.name}", starts)
            rows.append({"case": case, "gop": gop, **row})
            print(
                f"{case:32} {gop:4} {row['bytes'] / 1e6:6.1f} MB  scan {row['scan_share']:6.1%} in "
                f"{row['scan_requests']:3.0f}  clips {row['ratio']:.2f} x in "
                f"{row['requests_per_clip']:.1f} requests",
                flush=True,
            )
    return rows


def times(folder: Path) -> dict[str, float]:
    """Return seconds of clips from the disk, from S3, and from the local cache."""
    names = [f"48-{name}" for name in ("h264.mp4", "first.mp4", "h264.mkv", "mpeg4.avi", "h264.ts")]
    local = [v for name in names for v in Catalog.from_folder(folder / name, progress=False)]
    forget()
    remote = [
        v for name in names for v in Catalog.from_folder(f"s3://films/{name}", progress=False)
    ]
    starts = list(range(100, 1400, 130))
    seconds_of_clips(local, starts[:1])
    result = {"clips": float(len(starts) * len(local)), "disk": seconds_of_clips(local, starts)}
    forget()
    seconds_of_clips(remote, starts[:1])
    result["s3"] = seconds_of_clips(remote, starts)
    result["requests"], result["fetched"] = float(traffic.requests), float(traffic.bytes)
    result["cache"] = seconds_of_clips(remote, starts)
    return result


class _Lister(BaseHTTPRequestHandler):
    """Answers a listing page by page at once; moto takes seconds for each of many objects."""

    pages: ClassVar[list[bytes]] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        token = parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0]
        body = self.pages[int(token)]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _page(first: int, count: int) -> bytes:
    more = first + 1000 < count
    rows = "".join(
        f"<Contents><Key>many/{n % 100:02}/{n}.mp4</Key><Size>1000</Size>"
        f"<LastModified>2024-05-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{n:032x}&quot;</ETag></Contents>"
        for n in range(first, min(count, first + 1000))
    )
    token = f"<NextContinuationToken>{first // 1000 + 1}</NextContinuationToken>" if more else ""
    return (
        f"<?xml version='1.0'?><ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{token}{rows}</ListBucketResult>"
    ).encode()


def listing(count: int) -> dict[str, float]:
    """Return the seconds of listing many objects, and the requests."""
    _Lister.pages = [_page(first, count) for first in range(0, count, 1000)]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Lister)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_address[1]}"
    close_connections()
    traffic.clear()
    began, cpu = time.monotonic(), time.process_time()
    found, _ = find_objects(RemotePath("s3://films/many"))
    assert len(found) == count
    result = {
        "objects": count,
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu,
        "requests": traffic.listings,
    }
    server.shutdown()
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gops", type=int, nargs="+", default=[12, 48, 250])
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, s3_server() as client:
        os.environ["XDG_CACHE_HOME"] = f"{name}/cache"
        result = {
            "bytes": bytes_table(client, Path(name), arguments.gops),
            "times": times(Path(name)),
            "listing": listing(arguments.objects),
        }
    print(json.dumps({key: result[key] for key in ("times", "listing")}, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
