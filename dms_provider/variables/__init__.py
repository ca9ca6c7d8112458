"""Time patterns, ``${}`` references, the values they stand for, and their safe substitution."""

from dms_provider.variables.pattern import Locale, PatternError, TimePattern
from dms_provider.variables.references import (
    DataReference,
    Reference,
    ReferenceSyntaxError,
    Segments,
    Text,
    UndefinedVariable,
    parse_references,
    splice,
)
from dms_provider.variables.run_conf import RunConf, RunConfError, read_run_conf
from dms_provider.variables.run_times import RunTimes, parse_time, run_times
from dms_provider.variables.scope import (
    OUTPUTS_XCOM_KEY,
    SYSTEM_VARIABLES,
    FlowScope,
    MissingValue,
    author_values,
    resolve,
)
from dms_provider.variables.values import AuthorText, Data, OutputType, Value

__all__ = [
    "OUTPUTS_XCOM_KEY",
    "SYSTEM_VARIABLES",
    "AuthorText",
    "Data",
    "DataReference",
    "FlowScope",
    "Locale",
    "MissingValue",
    "OutputType",
    "PatternError",
    "Reference",
    "ReferenceSyntaxError",
    "RunConf",
    "RunConfError",
    "RunTimes",
    "Segments",
    "Text",
    "TimePattern",
    "UndefinedVariable",
    "Value",
    "author_values",
    "parse_references",
    "parse_time",
    "read_run_conf",
    "resolve",
    "run_times",
    "splice",
]
