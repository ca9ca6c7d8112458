"""Audits of a table's data: rules, the statements that compute their values, verdicts, history, reports."""
