"""The sample data set: drawn people doing ten actions, encoded as real video files."""

from slic.videos.synthetic.actions import ACTIONS
from slic.videos.synthetic.dataset import write_sample

__all__ = ["ACTIONS", "write_sample"]
