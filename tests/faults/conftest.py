"""Fixtures of the fault campaign."""

from tests.faults.campaign import campaign

__all__ = ["campaign"]
