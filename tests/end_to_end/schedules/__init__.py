"""Schedules on a real scheduler, whose clock is moved to the moments that matter."""
