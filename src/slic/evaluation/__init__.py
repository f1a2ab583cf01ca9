"""Scores of an encoder against labels. Pretraining cannot import this package."""

from collections.abc import Mapping

from slic.errors import ProtocolError
from slic.evaluation.base import AnyProtocol, EvaluationProtocol, LabelledSplit, Scores
from slic.evaluation.classification import FineTuning, LinearProbe, LinearTraining
from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS
from slic.lookup import look_up

PROTOCOLS: Mapping[str, AnyProtocol] = {
    **RETRIEVAL_PROTOCOLS,
    "finetune": FineTuning,
    "linear": LinearTraining,
    "probe": LinearProbe,
}

__all__ = ["PROTOCOLS", "EvaluationProtocol", "LabelledSplit", "Scores", "find_protocol"]


def find_protocol(name: str) -> AnyProtocol:
    """Return the protocol that a name stands for, or its class if it has settings.

    Args:
        name: A key of `PROTOCOLS`, or an import path such as ``my_module.MyProtocol``.

    Raises:
        ProtocolError: There is no such protocol, or what is imported is not a protocol.

    Example:
        >>> find_protocol("probe")(clips=5).score(encoder, split).top_1
    """
    found: AnyProtocol = look_up(name, PROTOCOLS, kind="protocol", error=ProtocolError)
    if not callable(getattr(found, "score", None)):
        raise ProtocolError(f"protocol {name!r}: it has no method 'score'.")
    return found
