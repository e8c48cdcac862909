"""
The shells: the only package that opens sockets to Sentinels and nodes.

`dial` how to reach an address; `shell`, `sentinel_connection`, `node_connection` one conversation each; `feeds`,
`readers` who wants to know; `watcher` all of it under asyncio; `sync` the same, for threads.
"""
