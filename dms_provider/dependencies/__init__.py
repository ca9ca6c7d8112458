"""What a ``dependency_check`` waits for: which business times, and what holds given the runs there are."""

from __future__ import annotations

from dms_provider.dependencies.dependency import Dependency, window_of
from dms_provider.dependencies.runs import NotedRun, NotedRuns, variable_key
from dms_provider.dependencies.times import TooManyTimes, looked_for
from dms_provider.dependencies.verdict import Verdict, judge
from dms_provider.dependencies.windows import Span, span_of

__all__ = [
    "Dependency",
    "NotedRun",
    "NotedRuns",
    "Span",
    "TooManyTimes",
    "Verdict",
    "judge",
    "looked_for",
    "span_of",
    "variable_key",
    "window_of",
]
