"""Sections that contradict each other are refused."""

from collections.abc import Callable

import pytest

from slic.recipe import load_recipe


def test_a_folder_of_flow_is_for_recipes_that_use_flow(refused: Callable[..., str]) -> None:
    assert "does not use optical flow" in refused("motion", "--flow.folder=flow")
    assert load_recipe("paper-ucf101", ["--flow.folder=flow"]).flow.folder == "flow"
    message = refused("paper-ucf101", "--flow.folder=flow", "--clip.fps=25")
    assert "clip.fps is 25: stored flow is that from frame to frame" in message


@pytest.mark.parametrize(
    "word",
    [
        "--sampling.flow_probability=0.1",
        "--rounds.inputs=[rgb,flow]",
        "--rounds.first_inputs=[flow]",
    ],
)
def test_a_backbone_that_takes_rgb_only_is_given_no_flow(
    refused: Callable[..., str], word: str
) -> None:
    assert "takes RGB clips only" in refused("motion", word)
    assert load_recipe("paper-small", [word]).uses_flow


def test_clustering_by_motion_needs_four_frames(refused: Callable[..., str]) -> None:
    assert "clip.frames is 3" in refused(
        "paper-small", "--clip.frames=3", "--rounds.inputs=[motion]"
    )
