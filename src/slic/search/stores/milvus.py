"""A vector store in a Milvus server or cluster, for indexes that outgrow one machine.

A collection may be divided into numbered partitions. They need not all be in memory: with
``loaded=N`` in the address, a search loads N of them at a time, one group after the other.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from jaxtyping import Float32, Int64
from pymilvus import DataType, MilvusClient, MilvusException

from slic.errors import SearchError
from slic.search.stores.base import Neighbours, StoreLocation, StoreUpdate
from slic.search.stores.milvus_address import parse_milvus_address

# "Strong" waits 0.2 s for a time stamp, so only the first search after an update asks for it.
CONSISTENCY_LEVEL = "Session"
AFTER_UPDATE = "Strong"  # a removed moment would else be found for a moment longer
GENERATION_PROPERTY = "slic.generation"  # kept with the vectors, so the two cannot be separated
HNSW_PARAMETERS = {"M": 16, "efConstruction": 200}
MIN_EF = 128  # candidates that a search of the HNSW graph keeps
MAX_NEIGHBOURS = 16_384  # limit of the server for one query
BYTES_PER_CALL = 8 << 20  # a call may carry 64 MB
IDS_PER_CALL = 16_384
IDS_PER_PARTITION_TURN = 4096  # so many ids that follow each other go to the same partition
MILVUS_TIMEOUT_SECONDS = 60.0
LOADING_TIMEOUT_SECONDS = 600.0

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its errors are raised as SearchError


class MilvusStore:
    """One collection of a Milvus server, named by the identity of the index.

    Args:
        location: ``url`` is the address of the server, such as ``http://host:19530``, with options
            of `slic.search.stores.milvus_address.MilvusAddress`.

    Raises:
        SearchError: The address is invalid, or the server does not answer.
    """

    def __init__(self, location: StoreLocation) -> None:
        self.address = parse_milvus_address(location.url)
        self.collection = f"slic_{location.identity}"
        self.dimension = location.dimension
        self._partitions: list[str] | None = None
        self._loading = threading.Lock()
        self._updated = True
        with self._translated_errors():
            self._client = MilvusClient(
                uri=self.address.server,
                token=self.address.token,
                db_name=self.address.database,
                timeout=10.0,
            )

    @property
    def generation(self) -> int | None:
        """The generation of the collection; None if it does not exist or is only partly filled."""
        with self._translated_errors():
            if not self._client.has_collection(self.collection, timeout=MILVUS_TIMEOUT_SECONDS):
                return None
            description = self._client.describe_collection(
                self.collection, timeout=MILVUS_TIMEOUT_SECONDS
            )
        generation = description.get("properties", {}).get(GENERATION_PROPERTY)
        return None if generation is None else int(generation)

    def apply(self, update: StoreUpdate) -> None:
        """Write the vectors, then the generation: after a crash the update is applied again."""
        with self._translated_errors():
            if update.replaces_all:
                self._recreate_collection()
            self._remove(update.removed)
            for ids, vectors in update.added:
                self._upsert(ids, vectors)
            self._updated = True
            self._client.alter_collection_properties(
                self.collection, properties={GENERATION_PROPERTY: str(update.generation)}
            )

    def save(self) -> None:
        """Do nothing: the server keeps what it has acknowledged."""

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours:
        """Return the ``k`` nearest moments of each query, at most `MAX_NEIGHBOURS`."""
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        similarities = np.full((len(vectors), k), -np.inf, dtype=np.float32)
        with self._translated_errors():
            for group in self._groups():
                found = self._search_group(vectors, min(k, MAX_NEIGHBOURS), group)
                similarities, ids = _merged((similarities, ids), found, k)
        self._updated = False
        return Neighbours(ids, similarities)

    def close(self) -> None:
        """Close the connection to the server."""
        self._client.close()

    def _names(self) -> list[str]:
        """Return the partitions that the collection has; how many is fixed when it is made."""
        if self._partitions is None:
            found = self._client.list_partitions(self.collection)
            self._partitions = sorted(n for n in found if n.startswith("part_")) or ["_default"]
        return self._partitions

    def _groups(self) -> Iterator[list[str]]:
        """Load groups of partitions one after the other, at most as many as may be loaded."""
        names = self._names()
        size = min(self.address.loaded or len(names), len(names))
        if size == len(names):
            self._load(names, release=[])
            yield names
            return
        with self._loading:  # threads would release each other's partitions
            for start in range(0, len(names), size):
                group = names[start : start + size]
                self._load(group, release=[name for name in names if name not in group])
                yield group

    def _load(self, names: list[str], *, release: list[str]) -> None:
        loaded = {name for name in [*names, *release] if self._is_loaded(name)}
        if others := [name for name in release if name in loaded]:
            self._client.release_partitions(self.collection, others, timeout=MILVUS_TIMEOUT_SECONDS)
        if missing := [name for name in names if name not in loaded]:
            self._client.load_partitions(
                self.collection,
                missing,
                replica_number=self.address.replicas,
                timeout=LOADING_TIMEOUT_SECONDS,
            )

    def _is_loaded(self, name: str) -> bool:
        state = self._client.get_load_state(
            self.collection, partition_name=name, timeout=MILVUS_TIMEOUT_SECONDS
        )
        return str(getattr(state["state"], "name", state["state"])) == "Loaded"

    def _search_group(
        self, vectors: Float32[np.ndarray, "q d"], limit: int, group: list[str]
    ) -> tuple[Float32[np.ndarray, "q l"], Int64[np.ndarray, "q l"]]:
        ids = np.full((len(vectors), limit), -1, dtype=np.int64)
        similarities = np.full((len(vectors), limit), -np.inf, dtype=np.float32)
        found = self._client.search(
            self.collection,
            list(vectors),
            limit=limit,
            search_params={"params": {"ef": max(MIN_EF, 2 * limit)}},
            partition_names=group,
            consistency_level=AFTER_UPDATE if self._updated else CONSISTENCY_LEVEL,
            timeout=MILVUS_TIMEOUT_SECONDS,
        )
        for row, hits in enumerate(found):
            ids[row, : len(hits)] = [hit["id"] for hit in hits]
            similarities[row, : len(hits)] = [hit["distance"] for hit in hits]
        return similarities, ids

    def _recreate_collection(self) -> None:
        client, self._partitions = self._client, None
        if client.has_collection(self.collection, timeout=MILVUS_TIMEOUT_SECONDS):
            client.drop_collection(self.collection)
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dimension)
        client.create_collection(
            self.collection,
            schema=schema,
            num_shards=self.address.shards,
            consistency_level=CONSISTENCY_LEVEL,
        )
        if self.address.partitions > 1:
            for number in range(self.address.partitions):
                client.create_partition(self.collection, f"part_{number:04d}")
        index = client.prepare_index_params()
        index.add_index("vector", index_type="HNSW", metric_type="IP", params=HNSW_PARAMETERS)
        client.create_index(self.collection, index)

    def _remove(self, ids: Int64[np.ndarray, " n"]) -> None:
        for start in range(0, len(ids), IDS_PER_CALL):
            self._client.delete(self.collection, ids=ids[start : start + IDS_PER_CALL].tolist())

    def _upsert(self, ids: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n d"]) -> None:
        names, size = self._names(), max(1, BYTES_PER_CALL // (4 * self.dimension))
        place = ids // IDS_PER_PARTITION_TURN % len(names)
        for number in np.unique(place).tolist():
            own = np.flatnonzero(place == number)
            for part in np.split(own, range(size, len(own), size)):
                rows = zip(ids[part].tolist(), vectors[part], strict=True)
                data = [{"id": i, "vector": v} for i, v in rows]
                self._client.upsert(self.collection, data, partition_name=names[number])

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except MilvusException as error:
            raise SearchError(
                f"{self.address.server}: the Milvus server failed ({error.message}); "
                "start it, read its log, or give its address as http://host:19530."
            ) from error


def _merged(
    one: tuple[Float32[np.ndarray, "q a"], Int64[np.ndarray, "q a"]],
    other: tuple[Float32[np.ndarray, "q b"], Int64[np.ndarray, "q b"]],
    k: int,
) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
    """Return the ``k`` best of both, best first."""
    similarities, ids = (np.concatenate(arrays, axis=1) for arrays in zip(one, other, strict=True))
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarities, order, axis=1), np.take_along_axis(ids, order, axis=1)
