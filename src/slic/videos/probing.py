"""Finding out about one video by decoding all of it once, or why it cannot be used."""

from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import cv2

from slic.errors import UnreadableVideoError
from slic.videos import frame_folder
from slic.videos.video import Video
