"""
The core: from bytes to decisions, with no I/O, no clock and no chance. To be read in this order.

`model` the nouns · `events`, `grammar` what Sentinels publish · `replies`, `info` what they answer · `facts` both, as
the core is told · `link` (with `greeting`, `subscription`, `snapshot`, `stream`, `resp`, `backoff`) one conversation with one
Sentinel · `nodelink` with one data node · `failover`, `attempts` the stages of a failover · `topology` what is believed
· `decisions`, `decide` who is master · `roster` which Sentinels are heard · `watch` all of it, for one deployment ·
`transcript`, `replay` the same, from a recording.
"""
