"""Time patterns, ``${}`` references, the values they stand for, and their safe substitution."""
