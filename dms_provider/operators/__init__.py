"""Operators: one module for each node type that acts."""
