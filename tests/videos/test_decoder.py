"""Whatever the format, frames and times are those of the ``ffmpeg`` command."""

import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import VideoError
from slic.videos.decoder import Decoder, decode_frames
from slic.videos.frames import read_frames, stream_frames
from slic.videos.inspection import inspect_video
from slic.videos.packets import read_timeline
from slic.videos.video import Video

FRAMES, WIDTH, HEIGHT = 60, 96, 72
X264 = "-c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p"
X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=24"
MPEG4 = "-c:v mpeg4 -q:v 3"
MPEG2 = "-c:v mpeg2video -q:v 3 -g 12"
VP8 = "-c:v libvpx -b:v 2M -g 30"
FAST = "-deadline realtime -cpu-used 8"
SLOW_VP = "-auto-alt-ref 1 -lag-in-frames 16 -deadline good -cpu-used 5"

KINDS = {
    # containers and groups of pictures
    "closed.mp4": f"{X264} -bf 3 -g 12",
    "closed.mkv": f"{X264} -bf 3 -g 12",
    "closed.mov": f"{X264} -bf 3 -g 12",
    "closed.avi": f"{X264} -bf 3 -g 12",
    "closed.flv": f"{X264} -bf 3 -g 12",
    "closed.ts": f"{X264} -bf 3 -g 12",
    "closed.3gp": f"{X264} -bf 0 -g 12",
    "one_key_frame.mp4": f"{X264} -bf 3 -g 250",
    "open_gop.mp4": f"{X264} -bf 3 -g 24 -x264-params open-gop=1",
    "open_gop.mkv": f"{X264} -bf 3 -g 24 -x264-params open-gop=1",
    "open_gop.ts": f"{X264} -bf 3 -g 24 -x264-params open-gop=1",
    "open_gop.avi": f"{X264} -bf 3 -g 24 -x264-params open-gop=1",
    "intra_refresh.mp4": f"{X264} -x264-params intra-refresh=1:keyint=24",
    "intra_refresh.ts": f"{X264} -x264-params intra-refresh=1:keyint=24",
    "fragmented.mp4": f"{X264} -g 25 -bf 2 -movflags frag_keyframe+empty_moov",
    # codecs
    "hevc.mkv": X265,
    "hevc.ts": X265,
    "hevc_open_gop.mp4": X265.replace("24", "24:open-gop=1"),
    "b_frames.avi": f"{MPEG4} -bf 2 -g 12",
    "b_frames.mkv": f"{MPEG4} -bf 2 -g 12",
    "b_frames.m4v": f"{MPEG4} -bf 2 -g 12 -f mp4",
    "quarter_pixels.avi": f"{MPEG4} -bf 2 -g 12 -flags +qpel",
    "packed.avi": "-c:v libxvid -q:v 3 -bf 2 -g 25",
    "mpeg1.mpg": "-c:v mpeg1video -q:v 3 -bf 2 -g 12",
    "mpeg2.mpg": f"{MPEG2} -bf 2",
    "mpeg2.ts": f"{MPEG2} -bf 2",
    "mpeg2.vob": f"{MPEG2} -bf 2",
    "mpeg2.avi": f"{MPEG2} -bf 2",
    "mjpeg.avi": "-c:v mjpeg -q:v 3",
    "mjpeg.mov": "-c:v mjpeg -q:v 3 -pix_fmt yuvj422p",
    "flv1.flv": "-c:v flv1 -q:v 3 -g 12",
    "wmv2.wmv": "-c:v wmv2 -q:v 3 -g 12",
    "msmpeg4.avi": "-c:v msmpeg4 -q:v 3 -g 12",
    "theora.ogv": "-c:v libtheora -q:v 9 -g 12",
    "vp8.webm": f"{VP8} {FAST}",
    "vp8_hidden_frames.webm": f"{VP8} {SLOW_VP}",
    "vp9.webm": f"-c:v libvpx-vp9 -b:v 1M -g 30 {FAST}",
    "vp9_hidden_frames.webm": f"-c:v libvpx-vp9 -b:v 1M -g 60 {SLOW_VP}",
    "av1.mp4": "-c:v libsvtav1 -preset 10 -g 30",
    "av1.mkv": "-c:v libsvtav1 -preset 10 -g 30",
    "ffv1.mkv": "-c:v ffv1 -g 12",
    "prores.mov": "-c:v prores_ks -profile:v 2",
    "huffyuv.avi": "-c:v huffyuv",
    "png.mov": "-c:v png",
    "moving.gif": "-r 25",
    # interlaced
    "interlaced.mp4": f"{X264} -g 12 -flags +ildct+ilme",
    "interlaced.ts": f"{X264} -g 12 -flags +ildct+ilme",
    "interlaced.mpg": f"{MPEG2} -bf 2 -flags +ildct+ilme",
    "interlaced_mpeg4.avi": f"{MPEG4} -g 12 -flags +ildct+ilme",
    # bit depth and colour
    "ten_bits.mp4": f"{X264} -pix_fmt yuv420p10le -g 12",
    "ten_bits_vp9.webm": f"-c:v libvpx-vp9 -pix_fmt yuv420p10le -b:v 1M -g 30 {FAST}",
    "full_chroma.mp4": f"{X264} -pix_fmt yuv444p -g 12",
    "half_chroma.mkv": f"{X264} -pix_fmt yuv422p -g 12",
    "bt601.mkv": f"{X264} -colorspace smpte170m",
    "bt709.mp4": f"-vf scale=out_color_matrix=bt709 {X264} -colorspace bt709",
    "bt709_full.mp4": "-vf scale=out_color_matrix=bt709:out_range=full "
    f"{X264} -colorspace bt709 -color_range pc",
    "bt709_ten_bits.mp4": "-vf scale=out_color_matrix=bt709 "
    f"{X264} -pix_fmt yuv420p10le -colorspace bt709",
    "bt2020.mp4": f"-vf scale=out_color_matrix=bt2020 {X264} -colorspace bt2020nc",
    "bt2020_full.mkv": "-vf scale=out_color_matrix=bt2020:out_range=full "
    f"{X264} -pix_fmt yuv420p10le -colorspace bt2020nc -color_range pc",
    "hlg.mp4": f"{X265}:transfer=arib-std-b67:colormatrix=bt2020nc -pix_fmt yuv420p10le",
    "pq.mkv": f"{X265}:transfer=smpte2084:colormatrix=bt2020nc -pix_fmt yuv420p10le",
    "display_p3.mov": f"{X265}:colorprim=smpte432:colormatrix=bt709 -pix_fmt yuv420p10le",
    # rates and times
    "ntsc.mp4": f"{X264} -g 12 -r 30000/1001",
    "fast.mkv": f"{X264} -g 12 -r 60000/1001",
    "slowing.mkv": f"{X264} -g 12 -bf 0 -vf setpts=N*N/30/25/TB+N/25/TB -vsync 0",
    "slowing.mp4": f"{X264} -g 12 -vf setpts=N*N/30/25/TB+N/25/TB -vsync 0 -enc_time_base 1/1000",
    "equal_times.mkv": f"{X264} -g 12 -bf 3 -vf setpts=N*N/1500/TB -vsync 0 -enc_time_base 1/90000",
    "late.mkv": f"{X264} -g 12 -output_ts_offset 5",
    "late.ts": f"{X264} -g 12 -output_ts_offset 5",
    "wrapping.ts": f"{MPEG2} -bf 2 -output_ts_offset 95442",
}


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Return coloured pictures with their number in bars, and the reverse of it below."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    drawn = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for number in range(FRAMES):
        drawn[number] = np.stack(
            [(2 * x + 3 * number) % 160, (y * 2 + number) % 160, (x + y + 2 * number) % 160], 2
        )
        drawn[number] += 48
        bits = np.array([number >> bit & 1 for bit in range(6)])
        drawn[number, :16] = np.repeat(bits * 255, WIDTH // 6)[None, :, None]
        drawn[number, -16:] = np.repeat((1 - bits) * 255, WIDTH // 6)[None, :, None]
    return drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


def number_of(picture: np.ndarray) -> int:
    """Return the number in the bars of a picture; -1 if the reverse of it disagrees."""
    height, width = picture.shape[:2]
    grey, bar = picture.astype(float).mean(2), width / 6
    columns = [slice(round((bit + 0.3) * bar), round((bit + 0.7) * bar)) for bit in range(6)]
    top = [grey[height // 20 : height // 6, column].mean() > 127 for column in columns]
    bottom = [grey[-height // 6 : -height // 20, column].mean() > 127 for column in columns]
    if any(one == other for one, other in zip(top, bottom, strict=True)):
        return -1
    return sum(bool(bit) << place for place, bit in enumerate(top))


def assert_read_as_ffmpeg(path: Path, ffmpeg: Any) -> Video:
    """Check frames, in order, alone and in clips, and their times."""
    video = inspect_video(path, path.name)
    truth = ffmpeg.frames(path, (video.width, video.height))
    streamed = np.stack(
        list(stream_frames(video, range(video.frames), size=(video.width, video.height)))
    )
    assert len(streamed) == len(truth)
    assert [number_of(frame) for frame in streamed] == [number_of(frame) for frame in truth]
    apart = np.abs(streamed.astype(int) - truth).mean(axis=(1, 2, 3))
    assert (
        apart[0] < 1.5
    )  # colours; later frames may drift, as inverse transforms round differently
    assert apart.max() < 5
    rng = np.random.default_rng(0)
    for stride in (1, 1, 2, 5):
        start = int(rng.integers(0, max(1, video.frames - 8 * stride)))
        places = [min(start + stride * step, video.frames - 1) for step in range(8)]
        np.testing.assert_array_equal(read_frames(video, places), streamed[places])
    for place in {*rng.integers(0, video.frames, 6).tolist(), video.frames - 1}:
        np.testing.assert_array_equal(read_frames(video, [place])[0], streamed[place])
    seconds = ffmpeg.seconds(path)
    step = max(float(np.median(np.diff(seconds))), 0.001)
    guessed = path.name in {"packed.avi", "interlaced.mpg"}  # by ffmpeg, up to two frames too late
    step *= 5 if guessed else 1
    assert np.abs((video.times - video.times[0]) - (seconds - seconds[0])).max() < step / 2
    return video


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_is_read_as_ffmpeg_reads_it(
    name: str, folder: Path, pictures: np.ndarray, ffmpeg: Any
) -> None:
    path = ffmpeg.encode(folder / name, pictures, KINDS[name].split())
    assert_read_as_ffmpeg(path, ffmpeg)


MATRICES = {
    "upright": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "half turn": (-1, 0, 0, -1),
    "flipped": (1, 0, 0, -1),
    "quarter turn": (0, 1, -1, 0),
    "three quarters": (0, -1, 1, 0),
    "transposed": (0, 1, 1, 0),
    "transversed": (0, -1, -1, 0),
}


@pytest.mark.parametrize("name", MATRICES)
def test_display_matrices_turn_and_mirror(
    name: str, tmp_path: Path, pictures: np.ndarray, ffmpeg: Any
) -> None:
    path = ffmpeg.encode(tmp_path / "a.mp4", pictures[:20], f"{X264} -g 5".split())
    a, b, c, d = (value << 16 for value in MATRICES[name])
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    data = path.read_bytes()
    place = data.index(upright, data.index(b"tkhd"))
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:place] + turned + data[place + len(upright) :])
    video = inspect_video(path, "a.mp4")
    truth = ffmpeg.run("-i", str(path), "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    shape = (-1, video.height, video.width, 3)
    frames = read_frames(video, range(20))
    assert np.abs(frames.astype(int) - np.frombuffer(truth, np.uint8).reshape(shape)).mean() < 1


def cut(source: Path, path: Path, ffmpeg: Any) -> Path:
    ffmpeg.run("-ss", "0.9", "-i", str(source), "-c", "copy", str(path))
    return path


@pytest.mark.parametrize(
    "name", ["open_gop.mkv", "open_gop.mp4", "closed.mp4", "b_frames.mkv", "hevc_open_gop.mp4"]
)
def test_a_file_cut_without_encoding_again(
    name: str, pictures: np.ndarray, ffmpeg: Any, tmp_path: Path
) -> None:
    source = ffmpeg.encode(tmp_path / f"source_{name}", pictures, KINDS[name].split())
    assert_read_as_ffmpeg(cut(source, tmp_path / name, ffmpeg), ffmpeg)


@pytest.mark.parametrize("name", ["closed.ts", "open_gop.ts", "mpeg2.ts", "interlaced.ts"])
def test_a_transport_stream_that_begins_anywhere(
    name: str, pictures: np.ndarray, ffmpeg: Any, tmp_path: Path
) -> None:
    data = ffmpeg.encode(tmp_path / "whole.ts", pictures, KINDS[name].split()).read_bytes()
    packets = len(data) // 188
    (tmp_path / name).write_bytes(data[188 * (packets // 3 + 7) :])
    assert_read_as_ffmpeg(tmp_path / name, ffmpeg)


def test_transport_streams_one_after_the_other(
    pictures: np.ndarray, ffmpeg: Any, tmp_path: Path
) -> None:
    options = KINDS["closed.ts"].split()
    one = ffmpeg.encode(tmp_path / "one.ts", pictures, options).read_bytes()
    small = ffmpeg.encode(tmp_path / "small.ts", pictures[:, ::2, ::2], options).read_bytes()
    full = ffmpeg.encode(tmp_path / "full.ts", pictures, KINDS["full_chroma.mp4"].split())
    for name, data in (("twice", one), ("small", small), ("full", full.read_bytes())):
        path = tmp_path / f"{name}.then.ts"
        path.write_bytes(one + data)
        video = assert_read_as_ffmpeg(path, ffmpeg)
        assert video.frames == 2 * FRAMES
        assert (np.diff(video.times) > 0).all()


@pytest.mark.parametrize(
    "name",
    [
        "closed.mkv",
        "closed.flv",
        "fragmented.mp4",
        "b_frames.avi",
        "packed.avi",
        "vp8.webm",
        "mpeg2.mpg",
    ],
)
def test_a_file_that_is_cut_off(
    name: str, pictures: np.ndarray, ffmpeg: Any, tmp_path: Path
) -> None:
    data = ffmpeg.encode(tmp_path / f"whole_{name}", pictures, KINDS[name].split()).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) * 2 // 3])
    video = inspect_video(path, name)
    truth = ffmpeg.frames(path, (WIDTH, HEIGHT))
    assert video.frames == len(truth)
    frames = read_frames(video, range(video.frames - 1))  # of the very last a part may be missing
    assert [number_of(f) for f in frames] == [number_of(f) for f in truth[:-1]]


def test_sound_that_starts_before_the_pictures_counts(
    pictures: np.ndarray, ffmpeg: Any, tmp_path: Path
) -> None:
    silent = ffmpeg.encode(tmp_path / "silent.mp4", pictures, KINDS["closed.mp4"].split())
    sine = ["-f", "lavfi", "-i", "sine=d=4", "-itsoffset", "0.5", "-i", str(silent)]
    path = tmp_path / "sound.mp4"
    ffmpeg.run(*sine, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "aac", str(path))
    video = assert_read_as_ffmpeg(path, ffmpeg)
    assert video.time_of(0) == pytest.approx(0.5, abs=0.02)
    assert video.duration_seconds == pytest.approx(FRAMES / 25)


def test_the_film_is_read_and_not_its_cover_or_preview(
    pictures: np.ndarray, ffmpeg: Any, tmp_path: Path
) -> None:
    film = ffmpeg.encode(tmp_path / "film.mp4", pictures, KINDS["closed.mp4"].split())
    small = ffmpeg.encode(tmp_path / "small.mp4", pictures[:, ::2, ::2], X264.split())
    cover = tmp_path / "cover.jpg"
    ffmpeg.run("-f", "lavfi", "-i", "color=red:s=320x320:d=0.1", "-frames:v", "1", str(cover))
    for first, flags in ((cover, "attached_pic"), (small, "0"), (cover, "0")):
        path = tmp_path / f"{first.stem}_{flags}.mp4"
        inputs = ["-i", str(first), "-i", str(film), "-map", "0", "-map", "1", "-c", "copy"]
        ffmpeg.run(*inputs, "-disposition:v:0", flags, "-disposition:v:1", "default", str(path))
        video = inspect_video(path, path.name)
        assert (video.frames, video.width, video.height) == (FRAMES, WIDTH, HEIGHT)
        assert [number_of(frame) for frame in read_frames(video, [0, 31])] == [0, 31]


def test_one_interlaced_section_does_not_stand_still(
    pictures: np.ndarray, ffmpeg: Any, tmp_path: Path
) -> None:
    parts = []
    for number, flags in enumerate(("", "-flags +ildct+ilme", "")):
        part = pictures[20 * number : 20 * number + 20]
        path = tmp_path / f"{number}.ts"
        parts.append(ffmpeg.encode(path, part, f"{X264} -g 10 {flags}".split()).read_bytes())
    whole = tmp_path / "whole.ts"
    whole.write_bytes(b"".join(parts))
    video = assert_read_as_ffmpeg(whole, ffmpeg)
    assert [number_of(f) for f in read_frames(video, range(60))] == list(range(60))


@pytest.fixture(scope="module")
def long(folder: Path, make_video: Callable[..., Path]) -> Path:
    return make_video(folder / "long.mp4", frames=200, options={"bf": "3", "g": "12"})


@given(places=st.lists(st.integers(0, 199), min_size=1, max_size=30))
def test_any_frames_in_any_order(
    places: list[int], long: Path, shown_number: Callable[..., int]
) -> None:
    video = inspect_video(long, "long.mp4")
    assert [shown_number(frame) for frame in read_frames(video, places)] == places


def test_places_far_apart_are_sought(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timeline, sought = read_timeline(long).timeline, list[int]()
    seek = Decoder._sought

    def noted(self: Decoder, key: int) -> Any:
        sought.append(int(self.timeline.keys[key]))
        return seek(self, key)

    monkeypatch.setattr(Decoder, "_sought", noted)
    assert len(list(decode_frames(long, timeline, [5, 6, 14, 100, 101, 190]))) == 6
    assert [100 - 12 < sought[1] <= 100, 190 - 12 < sought[2] <= 190] == [True, True]
    assert len(sought) == 3  # 14 is too near


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
def test_a_frame_near_the_end_costs_few_packets(
    suffix: str, pictures: np.ndarray, ffmpeg: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = MPEG4 if suffix == "avi" else X264
    path = ffmpeg.encode(tmp_path / f"a.{suffix}", pictures, f"{codec} -bf 2 -g 10".split())
    timeline, sent = read_timeline(path).timeline, list[int]()
    pictures_of = Decoder._pictures

    def counted(self: Decoder, packet: Any) -> Any:
        sent.append(packet)
        return pictures_of(self, packet)

    monkeypatch.setattr(Decoder, "_pictures", counted)
    assert len(list(decode_frames(path, timeline, [55]))) == 1
    assert len(sent) < 24


def test_a_file_that_was_changed_after_the_scan(
    long: Path, tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    video = inspect_video(long, "long.mp4")
    other = make_video(tmp_path / "other.mp4", frames=30)
    with pytest.raises(VideoError, match=r"other\.mp4: frame 100 does not decode"):
        read_frames(replace(video, path=other), [100])
    (tmp_path / "gone.mp4").unlink(missing_ok=True)
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        read_frames(replace(video, path=tmp_path / "gone.mp4"), [100])


def test_without_a_timeline_the_packets_are_read_first(
    long: Path, shown_number: Callable[..., int]
) -> None:
    video = replace(inspect_video(long, "long.mp4"), timeline=b"")
    assert [shown_number(frame) for frame in read_frames(video, [150, 3])] == [150, 3]


def test_a_title_in_another_encoding_changes_nothing(long: Path, tmp_path: Path) -> None:
    title = tmp_path / "title.mkv"
    with av.open(str(long)) as source, av.open(str(title), "w") as copy:
        assert isinstance(source, InputContainer)
        copy.metadata["title"] = "Caf_"
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    title.write_bytes(title.read_bytes().replace(b"Caf_", b"Caf\xe9"))
    assert inspect_video(title, "title.mkv").frames == 200


@pytest.mark.slow
def test_the_drawn_cases(shared: Path, ffmpeg: Any) -> None:
    for path in sorted((shared / "data" / "video_cases").iterdir()):
        if path.suffix in {".mp4", ".webm"}:
            video = inspect_video(path, path.name)
            size = (video.width, video.height)
            truth = ffmpeg.frames(path, size)
            frames = np.stack(list(stream_frames(video, range(video.frames), size=size)))
            assert len(frames) == len(truth)
            assert np.abs(frames.astype(int) - truth).mean(axis=(1, 2, 3)).max() < 2.5
            seconds = ffmpeg.seconds(path)
            assert np.abs(video.times - seconds).max() < 0.02


def damage(path: Path, *, packets: range, timeline_path: Path) -> None:
    """Overwrite the beginnings of these packets of an MP4 file."""
    data = bytearray(path.read_bytes())
    with av.open(str(timeline_path)) as container:
        sizes = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for number in packets:
        position, size = sizes[number]
        assert position is not None
        data[position : position + min(size, 40)] = bytes([255]) * min(size, 40)
    path.write_bytes(data)


def test_a_few_damaged_pictures_are_replaced_and_many_refuse_the_file(
    pictures: np.ndarray, ffmpeg: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = f"{X264} -bf 0 -g 10".split()
    path = ffmpeg.encode(tmp_path / "few.mp4", pictures, options)
    whole = shutil.copy(path, tmp_path / "whole.mp4")
    damage(path, packets=range(29, 30), timeline_path=Path(whole))
    video = inspect_video(path, "few.mp4")
    assert video.frames == FRAMES
    frames = read_frames(video, range(20, 40))
    assert [number_of(frame) for frame in frames] == [*range(20, 29), 28, *range(30, 40)]
    assert "few.mp4: is damaged: 1 of the frames 0 to 59 do not decode (the first is 29)" in (
        caplog.text
    )
    assert [number_of(f) for f in stream_frames(video, [28, 29], size=(WIDTH, HEIGHT))] == [28, 28]
    damage(path, packets=range(25, 35), timeline_path=Path(whole))
    with pytest.raises(VideoError, match=r"few\.mp4: frame \d+ does not decode \(\d+ of the 60"):
        read_frames(inspect_video(path, "few.mp4"), range(60))


def test_a_damaged_picture_of_a_codec_that_reports_it_as_text_is_named(
    pictures: np.ndarray, ffmpeg: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = ffmpeg.encode(tmp_path / "a.avi", pictures, ["-c:v", "mjpeg", "-q:v", "2"])
    video = inspect_video(path, "a.avi")
    read_frames(video, range(FRAMES))
    assert "is damaged" not in caplog.text
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    position, size = packets[5]
    assert position is not None
    data = bytearray(path.read_bytes())
    middle = position + size // 2
    data[middle : position + size] = bytes([0xFF]) * (position + size - middle)
    path.write_bytes(data)
    read_frames(video, [4])
    assert "is damaged" not in caplog.text
    assert len(read_frames(video, [5])) == 1
    assert "a.avi: is damaged: some pictures are decoded in part" in caplog.text


def test_a_picture_of_impossible_colours_is_damage_and_no_fault_of_the_disk(
    long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unable:
        def reformat(self, *_: object, **__: object) -> None:
            raise av.error.OSError(95, "operation not supported")

    monkeypatch.setattr("slic.videos.decoder.VideoReformatter", Unable)
    with pytest.raises(VideoError, match="a picture cannot be converted to RGB") as caught:
        next(decode_frames(long, read_timeline(long).timeline, [3]))
    assert caught.value.__cause__ is None
