"""Benchmark of lock-free schema change, and the writers that it and the tests let loose on a table."""
