"""Slow computations about the index, one at a time in a process, while the page asks for them."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, ParamSpec, TypeVar

from cachetools import LRUCache

from slic.errors import SlicError
from slic.studio.worker import Progress, Worker

MAX_JOB_SECONDS = 3600.0
MAX_JOB_BYTES = 16 << 30
MAX_KEPT_JOBS = 12

JobP = ParamSpec("JobP")
ResultT = TypeVar("ResultT")


class BackgroundJobs:
    """Results of slow functions of the index, kept under keys that name its state.

    Example:
        >>> answer = jobs.poll(("survey", index.generation), survey, index.path)
        >>> answer if isinstance(answer, Progress) else draw(answer)
    """

    def __init__(self) -> None:
        self._worker = Worker(
            max_seconds=MAX_JOB_SECONDS, max_bytes=MAX_JOB_BYTES, subject="index", niceness=10
        )
        self._jobs: LRUCache[Hashable, _Job] = LRUCache(MAX_KEPT_JOBS)
        self._lock = threading.Lock()

    def poll(
        self,
        key: Hashable,
        function: Callable[JobP, ResultT],
        *args: JobP.args,
        **kwargs: JobP.kwargs,
    ) -> ResultT | Progress:
        """Return the result of a function, or how far it is.

        The first call starts it. It runs in a process, so the function and its arguments are
        pickled; `slic.studio.worker.report_progress` is called there.

        Args:
            key: Names the function, its arguments and the state of the index.
            function: A function of a module.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Raises:
            SlicError: The function raised it, or its process ended. The next call tries again.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                job = self._jobs[key] = _Job()
                threading.Thread(
                    target=self._run, args=(job, function, args, kwargs), daemon=True
                ).start()
            if job.error is not None:
                del self._jobs[key]
                raise job.error
            if not job.finished:
                return job.progress
            result: ResultT = job.result
            return result

    def close(self) -> None:
        """End the process at once."""
        self._worker.close()

    def _run(
        self,
        job: "_Job",
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        try:
            job.result = self._worker.follow(job.follow, function, *args, **kwargs)
            job.finished = True
        except SlicError as error:
            job.error = error


class _Job:
    """A computation that runs, or has ended."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.result: Any = None
        self.finished = False
        self.error: SlicError | None = None

    def follow(self, progress: Progress) -> None:
        self.progress = progress
