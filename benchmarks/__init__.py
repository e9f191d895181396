"""Ratios against named peers, measured in one run: ``make bench``, or ``python -m benchmarks [name …]``."""
