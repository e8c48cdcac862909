"""
Recordings of real servers, and the modules that read them.

``captures/`` holds the events of Redis 6.2, Redis 7.0 and Valkey 9.1 Sentinels with the steps taken (its README lists
them), ``replies/`` what each version answers to the commands of a watcher, ``node_info/`` what data nodes answer to
INFO (server, persistence, replication and keyspace; paths replaced) with their setting ``save``, ``logs/`` log files of
Sentinels with the truth beside them, ``pasted/`` and ``transcripts/`` text that people copied from a terminal. Never
edit a recording; make another one.

- `recordings`: what the Sentinels of a capture published, whole or between two steps.
- `events`: captured events one by one, and a formatter that writes an event back from its fields.
- `answers`: what a recorded Sentinel would have answered at each moment, derived from what it published.
- `journals`: recordings written into a journal, as a daemon would have kept them.
- `log_wrappers`: what docker, kubectl, journalctl, syslog and others put around a server's log lines.
- `inspections`: the replies of recorded servers by question, as the doctor's shell would have collected them.
"""
