"""
Doctor: what will hurt in the next failover, found from outside.

What comes in: replies of all Sentinels and nodes, which `switchmaster.net.inspector` collects. What goes out: an
`Inspection`, the facts about a deployment at one moment. All of it is pure: no I/O, no clock, no chance.

Read in this order: `questions` (what is asked, and how replies become values), `inspection` (those values).

Invariants: every question is read-only; a value that could not be had is None, and never stands for a good one; no
value holds a secret.
"""
