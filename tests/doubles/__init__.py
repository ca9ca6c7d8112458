"""Doubles of services that cannot be had here: each says what it does not do."""
