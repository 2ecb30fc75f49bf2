"""Rows of images, one for each sampler."""

import numpy as np
from matplotlib.figure import Figure


def rows(images: dict[str, np.ndarray], count: int = 20, mark: str = "") -> Figure:
    """The first `count` images [image, 64] of each row, the name at its left."""
    figure = Figure(figsize=(0.36 * count + 1.7, 0.42 * len(images) + 0.3), layout="constrained")
    axes = figure.subplots(len(images), 1, squeeze=False)[:, 0]
    for axis, (name, some) in zip(axes, images.items(), strict=True):
        side = round(some.shape[1] ** 0.5)
        tiles = np.pad(some[:count].reshape(-1, side, side), ((0, 0), (0, 0), (0, side // 8)))
        axis.imshow(np.hstack(list(tiles)), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        axis.spines[:].set_visible(False)
    if mark:
        figure.suptitle(mark, fontsize=9)
    return figure
