"""How accurate is an estimator of mutual information, how honest is its interval, and where does it fail?

The name of this package is also a builtin, so import from it by name: `from eval.metrics import absolute_error`.
"""
