"""Multi-head attention over sets: masks are carried, order is never seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Scaled dot-product attention of Q queries over T tokens of width H.

    Reference: Vaswani et al. (2017), NeurIPS; as a map of sets: Lee et al. (2019), ICML (Set Transformer).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, queries: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Attend from queries (B, Q, H) to tokens (B, T, H) where mask (B, T) is true -> (B, Q, H)."""
        batch, split = len(tokens), (self.heads, self.size)
        query = self.query(queries).view(batch, -1, *split).transpose(1, 2)  # (B, heads, Q, H / heads)
        key, value = self.key_value(tokens).view(batch, -1, 2, *split).permute(2, 0, 3, 1, 4).unbind()  # T for Q
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        return self.out(attended.transpose(1, 2).flatten(2))  # (B, Q, H)


class Block(nn.Module):
    """Pre-norm attention of tokens among themselves, then a feed-forward of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.before_feed = nn.LayerNorm(width)
        self.feed = feed_forward(width, 4 * width, width)

    def forward(self, tokens: Tensor, mask: Tensor, first: int | None = None) -> Tensor:
        """Tokens (B, T, H) with mask (B, T) -> (B, T, H), or (B, first, H) where no more of them are asked for."""
        normed = self.before_attention(tokens)  # (B, T, H)
        tokens = tokens[:, :first] + self.attention(normed[:, :first], normed, mask)  # (B, first, H)
        return tokens + self.feed(self.before_feed(tokens))  # (B, first, H)


class Pool(nn.Module):
    """Read a set of any size through Q learned queries."""

    def __init__(self, width: int, heads: int, queries: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, width) * width**-0.5)
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Tokens (B, T, H) with mask (B, T) -> (B, Q, H)."""
        queries = self.queries.expand(len(tokens), -1, -1)  # (B, Q, H)
        return queries + self.attention(queries, self.norm(tokens), mask)  # (B, Q, H)


class Gelu(nn.Module):
    """x Phi(x), elementwise.

    Reference: Hendrycks and Gimpel (2016), arXiv:1606.08415.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T, H) -> (B, T, H)."""
        # Transposed, because torch hands contiguous values to oneDNN, which needs as long to begin as 5000 values take.
        return functional.gelu(tokens.mT).mT


def feed_forward(d_in: int, hidden: int, d_out: int) -> nn.Sequential:
    """Two linear layers around a GELU."""
    return nn.Sequential(nn.Linear(d_in, hidden), Gelu(), nn.Linear(hidden, d_out))
