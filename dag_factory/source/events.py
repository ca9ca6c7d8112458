"""The YAML parser: libyaml where PyYAML was built with it, else PyYAML's own, which is slower."""

from __future__ import annotations

from typing import Any, Protocol, cast

import yaml


class EventSource(Protocol):
    """What both parsers give."""

    def get_event(self) -> Any:
        """Return the next event, ``None`` after the last one."""


def parse_events(text: str) -> EventSource:
    """Return a parser that stands before the first event of ``text``."""
    if yaml.__with_libyaml__:
        from yaml.cyaml import CSafeLoader

        return cast(EventSource, CSafeLoader(text))
    return cast(EventSource, yaml.SafeLoader(text))
