"""A division of rows into inverted lists, and the comparison of rows with lists."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from slic.neighbours.borders import Borders
from slic.neighbours.lists import Fineness, divide
from slic.neighbours.rows import ROWS_PER_BLOCK, unit_rows
from slic.neighbours.settling import settled
from slic.neighbours.sharded import (
    NOT_FOUND,
    Best,
    Found,
    Queries,
    Sharding,
    Task,
    compare,
    in_threads,
)

LISTS_PER_TASK = 64
DOUBTFUL_LINKS = 0.3  # share of the links to nearest rows that are not trusted yet
ANGLE_ERROR = 1e-3  # radians, of a similarity in single precision


class Order(NamedTuple):
    """Rows sorted by list.

    Attributes:
        positions: Position in the collection of the row at every place.
        sizes: Number of rows of every list.
        best: The nearest rows found so far, as places.
    """

    positions: Int64[np.ndarray, " n"]
    sizes: Int64[np.ndarray, " k"]
    best: Best


def first_order(
    x: Float[np.ndarray, "n d"], points: Int64[np.ndarray, " m"], fineness: Fineness, *, seed: int
) -> Order:
    """Sort the points, rows of ``x`` by position, into lists."""
    lists = settled(x, divide(x, points, fineness, seed=seed))
    return Order(np.concatenate(lists), _sizes(lists), Best.none_yet(len(points)))


@dataclass(frozen=True)
class Division:
    """Rows in an order of lists.

    Attributes:
        order: The order, and the nearest rows found.
        rows: The unit rows.
        file: A file of the rows for workers, if they are not threads of this process.
        sharding: Where comparisons run.
    """

    order: Order
    rows: Float32[np.ndarray, "n d"]
    file: Path | None
    sharding: Sharding

    @classmethod
    def of(
        cls, x: Float[np.ndarray, "n d"], order: Order, sharding: Sharding, *, name: str
    ) -> "Division":
        """Gather the rows; a sharded search writes them to the file ``name`` of its folder."""
        shape, file = (len(order.positions), x.shape[1]), None
        if sharding.folder is None:
            rows = np.empty(shape, dtype=np.float32)
        else:
            file = sharding.folder / name
            rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)

        def fill(start: int) -> None:
            part = slice(start, start + ROWS_PER_BLOCK)
            unit_rows(x[order.positions[part]], out=rows[part])

        list(in_threads(fill, range(0, len(rows), ROWS_PER_BLOCK)))
        return cls(order, rows, file, sharding)

    @cached_property
    def bounds(self) -> Int64[np.ndarray, " l"]:
        """Places where the lists begin, and where the last one ends."""
        return np.concatenate([[0], np.cumsum(self.order.sizes)])

    @cached_property
    def list_of_place(self) -> Int64[np.ndarray, " n"]:
        """The list at every place."""
        return np.repeat(np.arange(len(self.order.sizes)), self.order.sizes)

    @cached_property
    def centres(self) -> Float32[np.ndarray, "k d"]:
        """The mean direction of every list."""
        return unit_rows(np.add.reduceat(self.rows, self.bounds[:-1], axis=0))

    @cached_property
    def borders(self) -> Borders:
        """The lists beside every list."""
        return Borders.of(self.centres)

    def compare_within_(self) -> None:
        """Compare the rows of every list with each other."""
        known = self.order.best.similarity
        for task, found in self._compared(known):
            self.order.best.improve_(np.arange(task.bounds[0], task.bounds[-1]), found.members)

    def compare_(self, queries: Int64[np.ndarray, " m"], lists: Int64[np.ndarray, " m"]) -> None:
        """Compare rows, by place, with lists that are not their own."""
        by_list, known = np.argsort(lists, kind="stable"), self.order.best.similarity
        for task, found in self._compared(known, queries[by_list], lists[by_list]):
            assert task.queries is not None
            self.order.best.improve_(np.arange(task.bounds[0], task.bounds[-1]), found.members)
            self.order.best.improve_(task.queries.places, found.queries)

    def true_nearest(self, places: Int64[np.ndarray, " m"]) -> Best:
        """Return the true nearest rows of some rows; lists must have been compared within.

        A list is left out if all of its rows are surely farther than the nearest row found.
        """
        query, one_list = self._within_reach(places).nonzero()
        by_list = np.argsort(one_list, kind="stable")
        query, done = query[by_list], 0
        nearest = Best(*(part[places] for part in self.order.best))
        not_asked = np.full(len(self.rows), np.inf, np.float32)
        not_asked[places] = nearest.similarity
        for task, found in self._compared(not_asked, places[query], one_list[by_list]):
            assert task.queries is not None
            asked = len(task.queries.places)
            nearest.improve_(query[done : done + asked], found.queries)
            done += asked
        return nearest

    def _within_reach(self, places: Int64[np.ndarray, " m"]) -> Bool[np.ndarray, "m k"]:
        """Return which lists may hold a nearer row, by the triangle inequality of angles."""
        to_centre = np.empty(len(self.rows), np.float32)
        for start in range(0, len(self.rows), ROWS_PER_BLOCK):
            part = slice(start, start + ROWS_PER_BLOCK)
            own = self.centres[self.list_of_place[part]]
            to_centre[part] = np.einsum("nd,nd->n", self.rows[part], own)
        radius = _angles(np.minimum.reduceat(to_centre, self.bounds[:-1]))
        nearest = _angles(self.order.best.similarity[places])
        away = _angles(self.rows[places] @ self.centres.T)
        reached: Bool[np.ndarray, "m k"] = away - radius < nearest[:, None] + ANGLE_ERROR
        reached[np.arange(len(places)), self.list_of_place[places]] = False
        return reached

    def _compared(
        self,
        known: Float32[np.ndarray, " n"],
        queries: Int64[np.ndarray, " m"] | None = None,
        lists: Int64[np.ndarray, " m"] | None = None,
    ) -> Iterator[tuple[Task, Found]]:
        """Compare lists with queries, which are sorted by list, or with themselves.

        Args:
            known: Similarity of every row to the nearest found before.
            queries: Places of rows.
            lists: The list of every query.
        """
        tasks, lists_in_all = [], len(self.order.sizes)
        for start in range(0, lists_in_all, LISTS_PER_TASK):
            numbers = np.arange(start, min(start + LISTS_PER_TASK, lists_in_all) + 1)
            bounds, asked = self.bounds[numbers], None
            if queries is not None and lists is not None:
                ends = np.searchsorted(lists, numbers)
                places = queries[ends[0] : ends[-1]]
                asked = Queries(places, ends - ends[0], known[places])
            members = known[bounds[0] : bounds[-1]].copy()  # as it is now, in every task
            tasks.append(
                Task(self.rows if self.file is None else self.file, bounds, members, asked)
            )
        return zip(tasks, self.sharding.map(compare, tasks), strict=True)

    def next_order(self, fineness: Fineness, *, seed: int) -> Order:
        """Sort the rows again, by the mean directions of groups of near rows.

        Args:
            fineness: How to divide the groups; ``points`` counts rows.
            seed: Seed of the draws.
        """
        groups, group = self._groups()
        means = _mean_directions(self.rows, group, k=groups)
        weight = np.bincount(group)
        lists = divide(means, np.arange(groups), fineness, seed=seed, weight=weight)
        list_of_group = np.empty(groups, np.int64)
        list_of_group[np.concatenate(lists)] = np.repeat(np.arange(len(lists)), _sizes(lists))
        list_of_place = list_of_group[group]
        places = np.argsort(list_of_place, kind="stable")
        best = self.order.best.moved(places)
        return Order(self.order.positions[places], np.bincount(list_of_place), best)

    def _groups(self) -> tuple[int, Int[np.ndarray, " n"]]:
        """Return the number of groups connected by the more similar links, and each row's group.

        The others would connect clusters, where few rows have found their nearest yet.
        """
        similarity, index = self.order.best
        linked = similarity >= np.quantile(similarity, DOUBTFUL_LINKS)
        linked = np.flatnonzero(linked & (index != NOT_FOUND))
        ones = np.ones(len(linked), np.int8)
        graph = csr_array((ones, (linked, index[linked])), shape=(len(index), len(index)))
        groups, group = connected_components(graph, directed=False)
        return groups, group


def _sizes(lists: list[Int64[np.ndarray, " _"]]) -> Int64[np.ndarray, " k"]:
    return np.array([len(one) for one in lists])


def _angles(similarity: Float32[np.ndarray, "*n"]) -> Float32[np.ndarray, "*n"]:
    angles: Float32[np.ndarray, "*n"] = np.arccos(np.clip(similarity, -1.0, 1.0))
    return angles


def _mean_directions(
    rows: Float32[np.ndarray, "n d"], group: Int[np.ndarray, " n"], *, k: int
) -> Float32[np.ndarray, "k d"]:
    """Return the unit mean of every group, summed in single precision to save memory."""
    one = np.ones(len(rows), dtype=np.float32)
    sums = (
        csr_array((one, (group, np.arange(len(rows), dtype=group.dtype))), shape=(k, len(rows)))
        @ rows
    )
    return unit_rows(sums, out=sums)
