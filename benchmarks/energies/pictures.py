"""Rows of images, one for each sampler."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine


def rows(images: dict[str, np.ndarray], count: int = 20, mark: str = "") -> Figure:
    """The first `count` images of each row, the name at its left.

    Images are [image, pixel] of squares, or [image, height, width].
    """
    wide = max(some.shape[2] / some.shape[1] if some.ndim == 3 else 1 for some in images.values())
    size = 0.36 * count * wide + 2.0, 0.42 * len(images) + 0.3
    # The layout does not see all of a name that stands at the left.
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(rect=(0.02, 0, 0.98, 1)))
    axes = figure.subplots(len(images), 1, squeeze=False)[:, 0]
    for axis, (name, some) in zip(axes, images.items(), strict=True):
        if some.ndim == 2:
            side = round(some.shape[1] ** 0.5)
            some = some.reshape(-1, side, side)
        tiles = np.pad(some[:count], ((0, 0), (0, 0), (0, some.shape[1] // 8)))
        axis.imshow(np.hstack(list(tiles)), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        axis.spines[:].set_visible(False)
    if mark:
        figure.suptitle(mark, fontsize=9)
    return figure
