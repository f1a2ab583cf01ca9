"""A vector store in a Milvus server or cluster, for indexes that outgrow one machine."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from jaxtyping import Float32, Int64
from pymilvus import DataType, MilvusClient, MilvusException

from slic.errors import SearchError
from slic.search.stores.base import Neighbours, StoreLocation, StoreUpdate

# A client sees its own writes at once. With "Strong", every search waits 0.2 s for a time stamp.
CONSISTENCY_LEVEL = "Session"
GENERATION_PROPERTY = "slic.generation"  # kept with the vectors, so the two cannot be separated
HNSW_PARAMETERS = {"M": 16, "efConstruction": 200}
MIN_EF = 128  # candidates that a search of the HNSW graph keeps
MAX_NEIGHBOURS = 16_384  # limit of the server for one query
ROWS_PER_CALL = 2000  # a call may carry 64 MB
MILVUS_TIMEOUT_SECONDS = 60.0

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its errors are raised as SearchError


class MilvusStore:
    """One collection of a Milvus server, named by the identity of the index.

    Args:
        location: ``url`` is the address of the server, such as ``http://host:19530``.

    Raises:
        SearchError: The server does not answer.
    """

    def __init__(self, location: StoreLocation) -> None:
        self.url = location.url
        self.collection = f"slic_{location.identity}"
        self.dimension = location.dimension
        with self._translated_errors():
            self._client = MilvusClient(uri=self.url, timeout=10.0)

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
            self._client.alter_collection_properties(
                self.collection, properties={GENERATION_PROPERTY: str(update.generation)}
            )

    def save(self) -> None:
        """Do nothing: the server keeps what it has acknowledged."""

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours:
        """Return the ``k`` nearest moments of each query, at most `MAX_NEIGHBOURS`."""
        limit = min(k, MAX_NEIGHBOURS)
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        similarities = np.full((len(vectors), k), -np.inf, dtype=np.float32)
        with self._translated_errors():
            found = self._client.search(
                self.collection,
                list(vectors),
                limit=limit,
                search_params={"params": {"ef": max(MIN_EF, 2 * limit)}},
                timeout=MILVUS_TIMEOUT_SECONDS,
            )
        for row, hits in enumerate(found):
            ids[row, : len(hits)] = [hit["id"] for hit in hits]
            similarities[row, : len(hits)] = [hit["distance"] for hit in hits]
        return Neighbours(ids, similarities)

    def close(self) -> None:
        """Close the connection to the server."""
        self._client.close()

    def _recreate_collection(self) -> None:
        client = self._client
        if client.has_collection(self.collection, timeout=MILVUS_TIMEOUT_SECONDS):
            client.drop_collection(self.collection)
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dimension)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="HNSW", metric_type="IP", params=HNSW_PARAMETERS)
        client.create_collection(
            self.collection, schema=schema, index_params=index, consistency_level=CONSISTENCY_LEVEL
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
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except MilvusException as error:
            raise SearchError(
                f"{self.url}: the Milvus server failed ({error.message}); "
                "start it, read its log, or give its address as http://host:19530."
            ) from error
