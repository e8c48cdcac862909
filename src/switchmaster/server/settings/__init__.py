"""
The daemon's configuration: from text to complete, checked values.

What comes in: command line flags, ``SWITCHMASTER_...`` variables and one TOML file; a flag wins over a variable, a
variable over the file, the file over the default. What goes out: one frozen `configuration.Configuration`, or a
`UsageError` whose sentence names the file, the line and the key. The same tables also give the JSON Schema and the
reference page.

How a file is read:

1. `toml_lines` finds the line of each key, because `tomllib` forgets it.
2. `tables` declares what the file may contain: one class for each table, one field for each key, with its default and
   its description. This is the only place to add a key. `action_tables` holds the tables of ``[[actions]]``;
   `value_types` says what a value may be.
3. `file` reads the file, validates it against `tables`, and words each problem as a sentence with its line.
4. `configuration` puts flags and variables over the file, reads the secrets that it names, and checks what several keys
   mean together. `http_settings` holds the rules of read and write access over HTTP, `guard_settings` makes the policy
   of each master's guard, `relay_configuration` the settings of each deployment's relay, `proxy_configuration` those of
   its proxy, `doctor_settings` the doctor's suppressions, `action_settings` the actions that follow a switch,
   `share_settings` how deployments are shared. `journal_place` says where the journal is; verbs that only read it need
   no more of a file.
5. `reference` derives the JSON Schema and the rows of docs/reference/configuration.md from `tables`.

Invariants:

- A `Configuration` is complete: nothing has to be read or checked again to start the daemon.
- Secrets are never in the file, in a `repr` or in an error, except a journal's password inside `JournalSettings.url`,
  which `JournalSettings.shown` masks.
- `DeploymentSettings.fingerprint` changes with everything that needs a new Watcher; the guard, the relay and the proxy
  do not.

To add a key: a field in `tables`, its use in `configuration`, then ``make docs``.
"""
