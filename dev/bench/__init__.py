"""Benchmarks: each prints what it measured beside a peer in the same run."""
