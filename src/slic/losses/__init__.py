"""Losses: embeddings and pseudo-labels in, a scalar out.

A recipe names the instance loss by a key of `LOSSES`, or by an import path outside the package.
"""

from slic.losses.base import InstanceLoss, InstanceTerm
from slic.losses.info_nce import InfoNCELoss
from slic.losses.temporal import TemporalLoss
from slic.losses.triplet import TripletLoss

LOSSES: dict[str, type] = {"triplet": TripletLoss, "info_nce": InfoNCELoss}

__all__ = ["LOSSES", "InfoNCELoss", "InstanceLoss", "InstanceTerm", "TemporalLoss", "TripletLoss"]
