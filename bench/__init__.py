"""Measurements, as ratios to what this machine can do at all in the same run. Never a test: machines are noisy."""
