"""Synthetic joint distributions with known mutual information, and the factory that writes tables of them."""
