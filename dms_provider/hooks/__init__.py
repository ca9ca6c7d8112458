"""Hooks for the databases and cloud services that no maintained provider has a hook for."""
