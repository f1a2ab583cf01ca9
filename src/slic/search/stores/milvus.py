"""The store for those who outgrow one machine: a Milvus server or cluster, by its own client."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from jaxtyping import Float32, Int64
from pymilvus import DataType, MilvusClient, MilvusException

from slic.errors import SearchError
from slic.search.stores.types import Change, Neighbours

# A client sees its own writes at once. With "Strong" every search waits for the clock: 0.2 s.
CONSISTENCY = "Session"
GENERATION = "slic.generation"  # a property of the collection: it goes where the vectors go
GRAPH = {"M": 16, "efConstruction": 200}
SEARCH_WIDTH = 128  # candidates that a search of the graph keeps
MOST_FOUND = 16_384  # neighbours that the server gives at once
ROWS_PER_CALL = 2000  # a call may carry 64 MB
TIMEOUT_SECONDS = 60.0

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its errors come as our own one line


class MilvusStore:
    """One collection of a server, named by the identity of the index."""

    def __init__(self, address: str, identity: str, dimension: int) -> None:
        self.address = address
        self.collection = f"slic_{identity}"
        self.dimension = dimension
        with self._reported():
            self._client = MilvusClient(uri=address, timeout=10.0)

    @property
    def generation(self) -> int | None:
        """What the collection has followed up to; None when there is none, or a half-filled one."""
        with self._reported():
            if not self._client.has_collection(self.collection, timeout=TIMEOUT_SECONDS):
                return None
            told = self._client.describe_collection(self.collection, timeout=TIMEOUT_SECONDS)
        stamp = told.get("properties", {}).get(GENERATION)
        return None if stamp is None else int(stamp)

    def apply(self, change: Change) -> None:
        """Follow the database; the stamp comes last, so after a crash it is done again."""
        with self._reported():
            if change.whole:
                self._make_empty()
            self._remove(change.removed)
            for ids, vectors in change.added:
                self._upsert(ids, vectors)
            self._client.alter_collection_properties(
                self.collection, properties={GENERATION: str(change.generation)}
            )

    def save(self) -> None:
        """Do nothing: the server has written what it acknowledged."""

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours:
        """Return the ``k`` nearest moments of each query, and at most `MOST_FOUND`."""
        limit = min(k, MOST_FOUND)
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        similarities = np.full((len(vectors), k), -np.inf, dtype=np.float32)
        with self._reported():
            found = self._client.search(
                self.collection,
                list(vectors),
                limit=limit,
                search_params={"params": {"ef": max(SEARCH_WIDTH, 2 * limit)}},
                timeout=TIMEOUT_SECONDS,
            )
        for row, hits in enumerate(found):
            ids[row, : len(hits)] = [hit["id"] for hit in hits]
            similarities[row, : len(hits)] = [hit["distance"] for hit in hits]
        return Neighbours(ids, similarities)

    def close(self) -> None:
        """Leave the server."""
        self._client.close()

    def _make_empty(self) -> None:
        client = self._client
        if client.has_collection(self.collection, timeout=TIMEOUT_SECONDS):
            client.drop_collection(self.collection)
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dimension)
        graph = client.prepare_index_params()
        graph.add_index("vector", index_type="HNSW", metric_type="COSINE", params=GRAPH)
        client.create_collection(
            self.collection, schema=schema, index_params=graph, consistency_level=CONSISTENCY
        )

    def _remove(self, ids: Int64[np.ndarray, " n"]) -> None:
        for start in range(0, len(ids), ROWS_PER_CALL):
            self._client.delete(self.collection, ids=ids[start : start + ROWS_PER_CALL].tolist())

    def _upsert(self, ids: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n d"]) -> None:
        for start in range(0, len(ids), ROWS_PER_CALL):
            part = slice(start, start + ROWS_PER_CALL)
            rows = zip(ids[part].tolist(), vectors[part], strict=True)
            self._client.upsert(self.collection, [{"id": i, "vector": v} for i, v in rows])

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except MilvusException as error:
            raise SearchError(
                f"{self.address}: the Milvus server does not do it ({error.message}); "
                "start it, see its log, or give its address as http://host:19530."
            ) from error
