"""Benchmarks: ratios between ways of doing one thing, measured side by side."""
