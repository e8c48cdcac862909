"""
Doctor: what will hurt in the next failover, found from outside.

What comes in: replies of all Sentinels and nodes, which `switchmaster.net.inspector` collects. What goes out: an
`Inspection` (the facts about a deployment at one moment), findings by stable rules, and what is at risk. All of it is
pure: no I/O, no clock, no chance.

Read in this order: `questions` (what is asked, and how replies become values), `inspection` (those values),
`least_rights` (the rights that this needs), `symptom` (what a rule is), `rules` (one function each), `examine` (all of
them applied, findings with one cause folded, suppressed ones apart), `risk` (data at risk, and how long a failover
would take), `diagnosis_lines` (JSON and Markdown).

Invariants: every question is read-only; a value that could not be had is None, and no rule takes it for a good or a bad
one; no value holds a secret; the id of a rule never changes.

To add a rule: a function in `rules` with `symptom.rule`, its documentation as its docstring, a case in
tests/unit/test_doctor_rules.py, then ``make docs``.
"""
