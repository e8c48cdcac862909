"""
The daemon: configuration, watching, journal, and what is served; `daemon` is the only composition root.

In order: `model` (what may stand in the file of ``--config``), `toml` (where in the file it stands), `config` (file,
environment and flags read into values), `exposure` (who may look and act over HTTP), then what runs: `watching`,
`api` (what is served), `daemon`.
"""
