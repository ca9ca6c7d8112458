"""What it costs to turn many flow specs into DAGs, beside plain Python and dag-factory."""
