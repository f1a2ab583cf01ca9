"""The configuration of an encoder is read from its folder or from that of a run."""

from pathlib import Path

import pytest

from slic.errors import CheckpointError, FormatError, RecipeError
from slic.models.config import HeadSpec, find_encoder_folder, read_encoder_config
from slic.models.encoder import EncoderConfig, VideoEncoder

SMALL = EncoderConfig(
    backbone="slic/r3d10", arguments={"width": 0.0625}, head=HeadSpec(hidden=4, embedding=3)
)


def test_a_run_and_its_encoder_have_one_configuration(tmp_path: Path) -> None:
    encoder = VideoEncoder(SMALL)
    encoder.save_pretrained(tmp_path / "encoder")
    for path in (tmp_path, tmp_path / "encoder"):
        assert find_encoder_folder(path) == tmp_path / "encoder"
        config = read_encoder_config(path)
        assert config is not None
        assert VideoEncoder(config).config == encoder.config
    assert find_encoder_folder(tmp_path / "nothing") is None
    assert read_encoder_config(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("content", "error"),
    [("{", CheckpointError), ("[]", CheckpointError), ('{"format": 1}', FormatError)],
)
def test_a_damaged_configuration_is_one_line(
    content: str, error: type[Exception], tmp_path: Path
) -> None:
    VideoEncoder(SMALL).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(error, match=r"config\.json") as caught:
        read_encoder_config(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_head_has_a_size_or_is_none() -> None:
    assert HeadSpec(hidden=0, embedding=0).embedding == 0
    with pytest.raises(RecipeError, match="hidden is 0, but it must be at least 1"):
        HeadSpec(hidden=0, embedding=8)
