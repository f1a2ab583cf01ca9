"""What is kept of films and pictures is bounded, and nothing is made twice."""

from hypothesis import given
from hypothesis import strategies as st

from slic.studio.previews import PreviewCache


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 60)), max_size=40))
def test_the_cache_agrees_with_a_plain_list(asked: list[tuple[int, int]]) -> None:
    cache = PreviewCache(most_bytes=100)
    kept: list[tuple[int, bytes]] = []  # the longest unused first
    for key, size in asked:
        made: list[int] = []

        def make(size: int = size, made: list[int] = made) -> bytes:
            made.append(size)
            return b"x" * size

        got = cache.get(key, make)
        before = [value for held, value in kept if held == key]
        assert got == (before[0] if before else b"x" * size)
        assert bool(made) != bool(before)
        kept = [(held, value) for held, value in kept if held != key] + [(key, got)]
        while sum(len(value) for _, value in kept) > 100:
            kept.pop(0)
