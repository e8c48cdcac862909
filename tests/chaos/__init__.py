"""
Chaos among real servers: random faults, writers through our clients, and an observer that shares nothing with them.

Run it with ``make chaos SECONDS=120 SEED=7`` or ``python -m chaos --help`` (`__main__`). In the order of a run:

- `schedule`: which faults begin when, drawn from one number. Pure.
- `star_lab`: a lab in which each server has a network of its own.
- `links`: proxies between the application and the servers, in a process of their own.
- `application`: one Watcher, and writers with a ledger each.
- `stock_clients`: clients of redis-py itself on a relay and behind the proxy, beside it, for the report;
  `stock_writer` is their process.
- `observer`: a process that asks every node and Sentinel for its role and records each change.
- `faults`: applies the schedule to servers and links, and repairs what it broke.
- `story`: one run of all of these, and then its judgement:
- `truth`: which node was a master when, from the observer's file. Pure.
- `verdict`: switches that were missed, doubled, invented or late. Pure.
- `losses`: acknowledged writes that are lost, commands that ran twice, errors. Pure.
- `table`: the outcome as a table. Pure.
"""
