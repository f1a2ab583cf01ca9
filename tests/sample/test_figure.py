"""The figure: actors are drawn at random, and near parts cover far ones."""

import numpy as np

from slic.sample.figure import BodyPart, body_parts, draw_actor, outline_parts, paint_figure

RED, GREEN = (200, 0, 0), (0, 200, 0)


def test_a_seed_decides_an_actor() -> None:
    actors = [draw_actor(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert actors[0] == actors[1] != actors[2]
    assert len(body_parts(actors[0])) >= 20


def test_the_nearest_part_is_painted_last() -> None:
    parts = [BodyPart((name,), (0.1,), colour) for name, colour in (("near", RED), ("far", GREEN))]
    points = {"near": np.array([[50.0, 50.0, 2.0]]), "far": np.array([[50.0, 50.0, 1.0]])}
    image = np.zeros((100, 100, 3), np.uint8)
    outline = outline_parts(parts, points, pixels_per_metre=np.array([100.0]), light=(0.0, -1.0))
    paint_figure(image, outline, 0)
    red, green, _ = image[50, 50]
    assert red > 100 > green
    assert not image[:35].any()  # nothing beyond the radius of ten pixels
    assert not image[65:].any()
