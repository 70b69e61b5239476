"""Measurements: `python -m bench` runs all of them, `python -m bench sm2 pictures` some (docs/performance.md)."""
