"""
Real servers on loopback, for the demo, the tests and the benchmarks.

::

    with Lab(masters=("mymaster1", "mymaster2"), binary="redis-7.0") as lab:
        lab.crash(lab.master("mymaster1"))

What comes in: `LabOptions` (how many of what, which server). What goes out: running masters, replicas and Sentinels
that can be crashed, hung, resumed, failed over and restarted, and the truth about which node is the master.

The lab imports nothing else of switchmaster than its errors: the apparatus must not share a bug with what it measures.

Invariants:

- Nothing outlives the lab: no process and no temporary folder, after an exception, at interpreter exit, and when the
  lab's own process was killed (`guardian`).
- A signal goes only to a process that is proven to be the intended one: its pid and its start time match.
- Every wait has a limit, and its error says what was still missing.
- "Who is the master" is answered by the data nodes (`truth`), never by a Sentinel.

Read in this order: `lab_options` (what a lab looks like, and the configuration files for it), `binaries` (which servers
this machine has), `ports`, `certificates` (TLS), `processes` and `guardian`, `lab_client` (a small blocking client),
`truth`, `servers` (one server), `steering` (what can be done to the servers), `deployment` (`Lab`: starts and ends
everything), `publication` (steering from a second terminal), `faulty_proxy` (a TCP proxy that stalls, cuts or slows).
"""

from switchmaster.lab.binaries import ServerBinary, find_binaries, find_binary
from switchmaster.lab.deployment import Lab
from switchmaster.lab.faulty_proxy import FaultyProxy
from switchmaster.lab.lab_client import CommandRefused, LabClient, ServerSilent
from switchmaster.lab.lab_options import LabOptions
from switchmaster.lab.servers import LabServer
from switchmaster.lab.steering import Steering

__all__ = [
    "CommandRefused",
    "FaultyProxy",
    "Lab",
    "LabClient",
    "LabOptions",
    "LabServer",
    "ServerBinary",
    "ServerSilent",
    "Steering",
    "find_binaries",
    "find_binary",
]
