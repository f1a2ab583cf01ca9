"""Window attention with the right relative positions in windows that are not full.

It imports torchvision, so only `slic.models.backbones.torchvision` imports it, when it builds.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d


class WindowAttention3d(ShiftedWindowAttention3d):  # type: ignore[misc]
    """torchvision's attention; only the biases of windows of less than full height or width differ.

    A feature map that is smaller than the window (8 x 7 x 7 tokens) shrinks it. torchvision, as the
    authors' code (Liu et al., CVPR 2022), then takes the first rows and columns of the table of
    positions of the full window. These are other places unless only the frames are fewer. The
    published weights never met such windows: clips of 224 pixels fill them at every stage.
    """

    def get_relative_position_bias(self, window_size: Sequence[int]) -> Float[Tensor, "1 n p p"]:
        """Return the bias of each head, for each pair of tokens of a window.

        Args:
            window_size: Frames, rows and columns of the window, in tokens.
        """
        t, h, w = window_size
        pairs = self.relative_position_index.view(*self.window_size, *self.window_size)
        inside = pairs[:t, :h, :w, :t, :h, :w].reshape(t * h * w, t * h * w)
        bias: Tensor = self.relative_position_bias_table[inside].permute(2, 0, 1)
        return bias.contiguous()[None]
