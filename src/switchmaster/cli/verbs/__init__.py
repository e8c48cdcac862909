"""
One module for each verb: the click command of the same name, and what only that verb does.

A verb parses its options, calls into the packages below, and prints through `switchmaster.cli.output`. Imports of the
server, the journal or the lab are inside the functions, so that other verbs start fast.

- From Sentinels: `watch` (live), `masters`, `master` (one address, for scripts), `topology`.
- From Sentinels and nodes, asked once: `explain` (would it fail over, and why not; the past from the journal), `doctor`
  (what will hurt in the next failover).
- At Sentinels and nodes: `failover` (a planned one), `rolling` (a restart of every node, one by one).
- From files: `replay` (failovers and switches), `why` (sentences; also from the journal), `importing` (the verb
  ``import``, a word of Python's: into the journal).
- The daemon and its journal: `serve`, `history`, `show`, `ack`, `comment`, `config` (check a file, print the schema).
- Fronts for unmodified clients: `relay` (those that know Sentinel), `proxy` (those that do not).
- The running daemon, over its API: `guard`, `actions`.
- For trying it out: `lab` (real servers on loopback), `demo`.
- `completion`, the script for a shell.
- `version`, which `switchmaster.cli.main` answers by itself; it is here for ``--help``.

To add a verb: a module here whose command has the module's name, its name in `switchmaster.cli.group.VERBS`, then
``make docs``.
"""
