"""Checks of the installed packages: versions, extras, and those that do not fit each other."""

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from typing import TYPE_CHECKING, Any

from slic.doctor.finding import Finding, gigabytes
from slic.doctor.processes import Tried

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "slic-video"
EXTRAS = {
    "completion": "completion of the command in a shell",
    "export": "slic export onnx",
    "milvus": "an index in a Milvus server",
    "mlflow": "--log_with mlflow",
    "mteb": "the adapter for the mteb benchmark",
    "ray": "--engine ray, archives on a cluster",
    "search": "fast search of large indexes",
    "storage": "videos in object storage and on web servers",
    "studio": "slic studio, the web page",
    "tensorboard": "--log_with tensorboard",
    "torchvision": "the encoders torchvision/...",
    "trackio": "--log_with trackio",
    "transformers": "the encoders transformers/..., and search by text",
    "wandb": "--log_with wandb",
}
"""What each extra is for."""

MODULES = {
    "torch": (
        "dict(version=m.__version__, cuda=m.version.cuda, gpus=[(m.cuda.get_device_name(i), "
        "m.cuda.get_device_properties(i).total_memory, (m.ones(8, 8, device=i) @ m.ones(8, 8, "
        "device=i)).sum().item()) for i in range(m.cuda.device_count())])"
    ),
    "torchvision": "(m.__version__, m.ops.nms)[0]",
    "av": (
        "dict(version=m.__version__, ffmpeg=m.ffmpeg_version_info, decoders=[c for c in ('h264', "
        "'hevc', 'av1', 'vp9', 'vp8', 'mpeg4', 'mjpeg', 'prores') if c in m.codecs_available])"
    ),
    "cv2": "dict(version=m.__version__, optflow=hasattr(m, 'optflow'))",
    "faiss": "m.__version__",
    "numpy": "m.__version__",
    **dict.fromkeys(
        ("accelerate", "huggingface_hub", "jaxtyping", "jinja2", "jsonargparse", "psutil",
         "pyarrow", "yaml", "safetensors.torch", "sklearn", "scipy", "threadpoolctl", "tqdm"),
        "None",
    ),
}  # fmt: skip
"""The modules that are imported on trial, each with an expression for its facts."""

DISTRIBUTIONS = {
    "cv2": "opencv-contrib-python-headless",
    "faiss": "faiss-cpu",
    "safetensors.torch": "safetensors",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""The distribution of a module, where its name is another."""

OPTIONAL_MODULES = ("faiss", "torchvision")
OPENCV = "opencv-contrib-python-headless"
OTHER_OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
SUM_ON_GPU = 512.0  # of a product of 8 x 8 ones
SHIFT_OF_TORCHVISION = 15  # torchvision 0.(N + 15) belongs to torch 2.N


def installed_version(name: str) -> str | None:
    """Return the version of a distribution; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_requirements() -> Iterator[Finding]:
    """Compare the installed versions with those that the package needs, and list the extras."""
    needed = _requirements()
    if problems := [text for text in map(_problem, needed[""]) if text]:
        way_out = f"pip install --upgrade {DISTRIBUTION}"
        yield Finding("broken", "requirements", "; ".join(problems), way_out)
    else:
        text = f"all {len(needed[''])} required packages are new enough"
        yield Finding("ok", "requirements", text)
    for extra, meaning in EXTRAS.items():
        parts = needed.get(extra, [])
        problems = [text for text in map(_problem, parts) if text]
        name, way_out = f"extra {extra}", f"pip install '{DISTRIBUTION}[{extra}]'"
        if not problems:
            yield Finding("ok", name, f"installed, for {meaning}")
        elif not any(installed_version(part.name) for part in parts):
            yield Finding("note", name, f"not installed; it is for {meaning}", way_out)
        else:
            yield Finding("note", name, f"{'; '.join(problems)}; it is for {meaning}", way_out)


def _requirements() -> "dict[str, list[Requirement]]":
    """Return the requirements of the package by extra; those of no extra have an empty name."""
    from packaging.requirements import Requirement

    found: dict[str, list[Requirement]] = {"": []}
    for requirement in map(Requirement, requires(DISTRIBUTION) or ()):
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            found[""].append(requirement)
            continue
        for extra in EXTRAS:
            if marker.evaluate({"extra": extra}):
                found.setdefault(extra, []).append(requirement)
    return found


def _problem(requirement: "Requirement") -> str:
    """Return what is wrong with the installed version; empty if nothing is."""
    there = installed_version(requirement.name)
    if there is None:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(there, prereleases=True):
        return f"{requirement.name} {there} is installed, but {requirement.specifier} is needed"
    return ""


def check_imports(tried: Mapping[str, Tried]) -> Iterator[Finding]:
    """State versions, and name the modules that cannot be imported.

    Args:
        tried: The outcome for each of `MODULES`.
    """
    for module, outcome in tried.items():
        name = DISTRIBUTIONS.get(module, module)
        if outcome.error.startswith("ModuleNotFoundError") and any(
            f"'{other}'" in outcome.error for other in tried if other != module
        ):
            continue  # the other one is named itself
        if outcome.error and (module not in OPTIONAL_MODULES or installed_version(name)):
            yield Finding("broken", module, outcome.error, _way_out(module))
    for module in ("torch", "av", "cv2", "faiss", "torchvision", "numpy"):
        if (outcome := tried[module]).value:
            yield Finding("ok", module, _describe(module, outcome.value))
    decoders = (tried["av"].value or {}).get("decoders", ())
    if decoders and (missing := {"h264", "hevc", "av1", "vp9"} - set(decoders)):
        text = f"this FFmpeg cannot decode {', '.join(sorted(missing))}"
        yield Finding("warning", "codecs", text, "pip install --force-reinstall --no-deps av")
    if (tried["cv2"].value or {}).get("optflow") is False:
        text = "this build has no optical flow by TV-L1"
        yield Finding("broken", "cv2", text, _reinstall_opencv())


def _describe(module: str, facts: Any) -> str:
    if module == "torch":
        return (
            f"{facts['version']}, built for {'CUDA ' + facts['cuda'] if facts['cuda'] else 'CPU'}"
        )
    if module == "av":
        return f"{facts['version']} (PyAV), with FFmpeg {facts['ffmpeg']}"
    if module == "cv2":
        return f"{facts['version']} (OpenCV)"
    return str(facts)


def _way_out(module: str) -> str:
    if module == "cv2":
        return _reinstall_opencv()
    torch = installed_version("torch")
    if module == "torchvision" and torch:
        return torchvision_command(torch)
    name = DISTRIBUTIONS.get(module, module)
    there = installed_version(name)
    if there is None:
        return f"pip install {name}"
    # Without the name of a build, such as +cpu, which is on no common index.
    return f"pip install --force-reinstall --no-deps '{name}=={there.partition('+')[0]}'"


def torchvision_command(torch: str) -> str:
    """Return the command that installs the torchvision that belongs to a version of torch 2."""
    major, minor = torch.split(".")[:2]
    if major != "2":
        return "pip install --upgrade torch torchvision"
    pair = f"'torch==2.{minor}.*' 'torchvision==0.{int(minor) + SHIFT_OF_TORCHVISION}.*'"
    return f"pip install {pair}"


def check_combinations() -> Iterator[Finding]:
    """Name installed packages that are known not to fit each other."""
    from packaging.requirements import Requirement

    if others := [name for name in OTHER_OPENCVS if installed_version(name)]:
        text = f"{', '.join(others)} beside {OPENCV}: both write the module cv2"
        yield Finding("broken", "opencv", text, _reinstall_opencv(*others))
    torch = installed_version("torch")
    if installed_version("torchvision") and torch:
        pins = map(Requirement, distribution("torchvision").requires or ())
        for pin in pins:
            plain = torch.partition("+")[0]  # without the build, such as +cpu
            if pin.name == "torch" and not pin.specifier.contains(plain, prereleases=True):
                text = (
                    f"torchvision {version('torchvision')} needs torch{pin.specifier}, not {torch}"
                )
                yield Finding("broken", "torchvision", text, torchvision_command(torch))


def _reinstall_opencv(*others: str) -> str:
    uninstall = f"pip uninstall --yes {' '.join((*others, OPENCV))} && " if others else ""
    return f"{uninstall}pip install --force-reinstall --no-deps {OPENCV}"


def check_gpu(tried: Tried, *, device_there: bool) -> Iterator[Finding]:
    """State the GPUs, or why there are none.

    Args:
        tried: The outcome of importing torch; importing includes a computation on each GPU.
        device_there: Whether the system has a GPU by NVIDIA.
    """
    if tried.error:
        return
    for title, memory, total in tried.value["gpus"]:
        text = f"{title}, {gigabytes(memory)}"
        if total == SUM_ON_GPU:
            yield Finding("ok", "gpu", text)
        else:
            text += f"; it computes {total}, not {SUM_ON_GPU}"
            yield Finding("broken", "gpu", text, "Update its driver.")
    if tried.value["gpus"]:
        return
    if not device_there:
        yield Finding("note", "gpu", "none; everything runs on the processor")
    elif tried.value["cuda"]:
        text = "there is one, but PyTorch cannot use it"
        way_out = "Update its driver, or install a PyTorch for an older CUDA (pytorch.org)."
        yield Finding("warning", "gpu", text, way_out)
    else:
        text = "there is one, but this PyTorch is built for the processor alone"
        way_out = "Install a PyTorch for CUDA (pytorch.org) to use it."
        yield Finding("warning", "gpu", text, way_out)
