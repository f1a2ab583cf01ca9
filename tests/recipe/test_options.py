"""Values out of their range are refused with their name."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    "word",
    [
        "--clip.frames=1",
        "--clip.stride=0",
        "--clip.size=-1",
        "--clip.size=15",
        "--train.epochs=0",
        "--train.steps=0",
        "--train.batch_size=1",
        "--optimizer.learning_rate=0",
        "--optimizer.learning_rate=.nan",
        "--optimizer.learning_rate=.inf",
        "--train.seed=-1",
        "--train.seed=9223372036854775808",
        "--train.snapshot_every_epochs=-1",
        "--train.workers=-1",
        "--optimizer.weight_decay=-1",
        "--temporal.margin=.inf",
        "--temporal.weight=-1",
        "--loss.temperature=0",
        "--clustering.partition=-1",
        "--rounds.every_epochs=0",
        "--rounds.first_epoch=-1",
        "--train.groups=0",
        "--train.groups=17",
        "--sampling.flow_probability=1.5",
        "--sampling.same_video_probability=-0.1",
        "--augmentation.flip=2",
    ],
)
def test_an_impossible_value_is_named_with_its_value(
    refused: Callable[..., str], word: str
) -> None:
    key, value = word[2:].split("=")
    message = refused("motion", word)
    assert message.startswith(f"{key} is ")
    assert value.strip("[]").split(",")[0].strip("0.") in message
