"""
The core: from bytes to decisions, with no I/O, no clock and no chance. To be read in this order.

- `model` the nouns; `events`, `grammar` what Sentinels publish; `replies`, `info` what they answer; `facts` both.
- `link` one conversation with one Sentinel, of `greeting`, `subscription`, `snapshot`, `stream`, `resp` and `backoff`;
  `nodelink` one with a data node.
- `failover`, `attempts` the stages of a failover; `topology` what is believed, `voters` what each Sentinel says.
- `decisions`, `candidate`, `history`, `decide`, `meaning` who is master; `roster` which Sentinels are heard.
- `watch` all of it, for one deployment, `state` its picture; `transcript`, `replay` the same, from a recording.
"""
