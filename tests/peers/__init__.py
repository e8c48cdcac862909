"""
Peers that are not real servers: scripted, faulty and lying ones.

- `scripted`: a Sentinel and a data node without I/O, which answer what real servers were recorded to answer. Bytes in,
  bytes out; the source of answers for the other modules.
- `faulty_peer`: such a peer on a loopback socket of the running asyncio loop; it drips, stalls, cuts, floods and lies.
- `sentinel_thread`: a faulty peer in a thread of its own, for tests of code that runs in threads.
- `echo_node`: a data node and a Sentinel in threads; each answer of the node names its command, so a test can tell
  answers that a client mixed up.
- `cutting_proxy`: a proxy before a real node that cuts the connection after the server executed a command and before
  its answer.
- `lying_sentinel`: a proxy before a real Sentinel that adds failovers which never happened; also a program.
"""
