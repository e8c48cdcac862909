"""
The shells: the only package that opens sockets to Sentinels and nodes.

`dial` how to reach an address · `connection`, `node` one conversation each · `feeds` what a reader follows · `watcher`
all of it under asyncio · `sync` the same, for threads.
"""
