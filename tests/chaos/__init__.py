"""
Chaos among real servers: faults at random times, writers through our clients, and an observer that shares nothing with
them.

`schedule` says what shall go wrong, from one number; `faults` does it, over the servers of a lab and the `links` to
them. `observer` is a process of its own that asks every node; `truth` reads what it wrote. `application` is the
application: one Watcher, and writers with a ledger each. `verdict` holds one against the other; `story` puts it all
together. ``python -m chaos --help``, or ``make chaos SECONDS=120 SEED=7``.
"""
