"""All checks, one after the other."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from slic.doctor.finding import Finding
from slic.doctor.packages import (
    MODULES,
    check_combinations,
    check_gpu,
    check_imports,
    check_requirements,
)
from slic.doctor.processes import try_imports
from slic.doctor.system import (
    check_cache,
    check_folder,
    check_memory,
    check_processor,
    check_python,
    check_shared_memory,
)
from slic.doctor.trial import check_by_trial

NVIDIA_DEVICE = Path("/dev/nvidia0")


def examine(folder: Path | None = None) -> Iterator[Finding]:
    """Yield the finding of each check, as soon as it is known.

    Args:
        folder: Folder that is to be written to; None for the current one, which may be closed.

    Example:
        >>> [finding for finding in examine() if finding.level == "broken"]
        []
    """
    yield from guarded("python", check_python)
    yield from guarded("requirements", check_requirements)
    yield from guarded("packages", check_combinations)
    yield from guarded("imports", _check_modules)
    system = (check_processor, check_memory, check_shared_memory, check_cache)
    yield from chain.from_iterable(guarded("system", check) for check in system)
    place = folder or Path.cwd()
    yield from guarded("folder", lambda: check_folder(place, needed=folder is not None))
    yield from guarded("trial", check_by_trial)


def _check_modules() -> Iterator[Finding]:
    tried = try_imports(MODULES)
    yield from check_imports(tried)
    yield from check_gpu(tried["torch"], device_there=NVIDIA_DEVICE.exists())


def guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a check; an error of the check itself becomes a finding."""
    try:
        yield from check()
    except Exception as error:  # an examination must not end in a traceback
        text = f"could not be checked ({type(error).__name__}: {error})"
        yield Finding("broken", name, text, "Reinstall the package; if it stays, report this line.")
