"""The arrays of B tables, as the network reads them.

Shape alphabet of this package: B tables, N rows, D columns, T tokens, F features, H width, K levels, A anchors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Token groups of B tables with their masks.

    A group holds tokens of one kind; a mask is true where a token exists. Which columns belong to x and which to y is
    settled before tokens are made, so no reader of a batch has to guess a side or a padding.

    Attributes:
        tokens: Name of a group -> features, (B, T, F) float32; masked tokens are zero.
        masks: Name of a group -> (B, T) bool.
        anchors: Plug-in estimates of the mutual information in nats, (B, A), each at least 0.
        n: Rows per table, (B,) int64.
        d_x: Columns of x per table, (B,) int64.
        d_y: Columns of y per table, (B,) int64.
    """

    tokens: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    anchors: Tensor
    n: Tensor
    d_x: Tensor
    d_y: Tensor

    def __len__(self) -> int:
        """Number of tables B."""
        return self.anchors.shape[0]

    @staticmethod
    def cat(parts: Sequence[Batch]) -> Batch:
        """Join batches along B, padding every group to its longest part."""
        if len(parts) == 1:
            return parts[0]
        names = parts[0].tokens.keys()
        tokens, masks = {}, {}
        for name in names:
            length = max(part.tokens[name].shape[1] for part in parts)
            tokens[name] = torch.cat([_pad(part.tokens[name], length) for part in parts])
            masks[name] = torch.cat([_pad(part.masks[name], length) for part in parts])
        return Batch(
            tokens,
            masks,
            anchors=torch.cat([part.anchors for part in parts]),
            n=torch.cat([part.n for part in parts]),
            d_x=torch.cat([part.d_x for part in parts]),
            d_y=torch.cat([part.d_y for part in parts]),
        )

    def take(self, index: Tensor) -> Batch:
        """The tables at `index`, (B',) int64, in that order, without padding that none of them needs."""
        tokens, masks = {}, {}
        for name, mask in self.masks.items():
            chosen = mask[index]
            length = max(int(chosen.sum(1).max()), 1) if len(index) else 1
            masks[name] = chosen[:, :length]
            tokens[name] = self.tokens[name][index, :length]
        return Batch(tokens, masks, self.anchors[index], self.n[index], self.d_x[index], self.d_y[index])

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        if self.anchors.device == torch.device(device):
            return self
        return Batch(
            {name: group.to(device) for name, group in self.tokens.items()},
            {name: mask.to(device) for name, mask in self.masks.items()},
            *(part.to(device) for part in (self.anchors, self.n, self.d_x, self.d_y)),
        )

    def state(self) -> dict[str, Tensor]:
        """Flat names -> contiguous tensors, for a file; `from_state` is its inverse."""
        flat = {f"tokens.{name}": group.contiguous() for name, group in self.tokens.items()}
        flat |= {f"masks.{name}": mask.contiguous() for name, mask in self.masks.items()}
        return flat | {"anchors": self.anchors, "n": self.n, "d_x": self.d_x, "d_y": self.d_y}

    @staticmethod
    def from_state(flat: Mapping[str, Tensor]) -> Batch:
        """The batch that `state` wrote; other names in `flat` are left alone."""
        tokens = {name.removeprefix("tokens."): flat[name] for name in flat if name.startswith("tokens.")}
        masks = {name.removeprefix("masks."): flat[name] for name in flat if name.startswith("masks.")}
        return Batch(tokens, masks, flat["anchors"], flat["n"], flat["d_x"], flat["d_y"])


def _pad(group: Tensor, length: int) -> Tensor:
    """Append zeros (or False) along T up to `length`."""
    missing = length - group.shape[1]
    if missing == 0:
        return group
    return torch.cat([group, group.new_zeros(group.shape[0], missing, *group.shape[2:])], dim=1)
