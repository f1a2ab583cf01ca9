"""The sample data set: drawn people doing ten actions, encoded as real video files."""

from slic.sample.actions import ACTIONS
from slic.sample.dataset import write_sample

__all__ = ["ACTIONS", "write_sample"]
