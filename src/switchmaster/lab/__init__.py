"""
Real servers on loopback, for the demo, the tests and the benchmarks.

::

    with Lab(masters=("mymaster1", "mymaster2"), binary="redis-7.0") as lab:
        lab.crash(lab.master("mymaster1"))

The lab imports nothing of ours but the errors: the apparatus can't share a bug with what it
measures.
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
