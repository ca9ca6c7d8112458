"""How the runs of a flow behave: when a node fails, and when one run meets another.

What decides stands in :mod:`dms_provider.policies.rules` and is the same on both sides: the scheduler
decides once for a run, when it starts (:mod:`~dms_provider.policies.run_start`); each node obeys, when it
starts and while it works (:mod:`~dms_provider.policies.guard`).
"""
