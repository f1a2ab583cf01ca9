"""The sample data set: drawn people doing ten actions, encoded as real video files.

Actor, background, camera and encoding are independent of the action, so only motion reveals it.
"""

from slic.sample.actions import ACTIONS
from slic.sample.dataset import write_sample

__all__ = ["ACTIONS", "write_sample"]
