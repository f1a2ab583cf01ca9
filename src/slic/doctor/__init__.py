"""Whether an installation works, and what to do where it does not.

Nothing here imports another package: what is examined may be missing or broken. Imports are tried
in other processes.
"""

from slic.doctor.examination import examine
from slic.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]
