"""What a developer of this project runs: servers for tests, the quick start, benchmarks."""
