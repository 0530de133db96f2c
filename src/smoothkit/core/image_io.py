"""What a network asks of the images that it is given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageIO:
    """Facts about a network that padding and tiling read from its attribute ``io``.

    Args:
        channels: channels of an input image.
        multiple_of: both sides of an input have to be multiples of this.
        min_size: smallest side of an input, in pixels.
        scale: output side divided by input side.
        radius: how far, in input pixels along either axis, an output pixel sees; tiles that
            overlap by this much give the whole image's result. None: not local, an output pixel
            may depend on the whole image.
        refuses_below: smaller sides are refused; those below ``min_size`` are padded.
        default_tile: largest side and overlap of the tiles that inference cuts images into unless
            told otherwise. None: tiles depend on memory, and results do not depend on them.
    """

    channels: int = 3
    multiple_of: int = 1
    min_size: int = 1
    scale: int = 1
    radius: int | None = None
    refuses_below: int = 1
    default_tile: tuple[int, int] | None = None

    def size_fault(self, height: int, width: int) -> str | None:
        """Why an image of this size is refused, or None."""
        if min(height, width) >= self.refuses_below:
            return None
        return f"sides must be {self.refuses_below} or more, got {height}x{width}."
