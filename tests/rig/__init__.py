"""
Servers, networks, browsers and applications that tests run, and the theory of operation of all tests.

Kinds of tests, cheapest first. Write a test in the first kind that can show the fault:

- ``tests/unit``: one module by values; no sockets, no sleep. Proves rules and tables.
- ``tests/replay``: recorded events of real servers against golden transcripts, cut and resumed at every event. Proves
  that the belief reads real servers correctly, and that a change of a decision is seen in a diff.
- ``tests/sim``: the production Watcher on a virtual clock among simulated Sentinels. Proves the invariants under
  thousands of orders of faults; one seed reproduces a run. ``sim/mutants.py`` proves that it catches faults.
- ``tests/shell``: real sockets to a peer of `peers` that stalls, cuts, floods or lies. Proves the I/O shells.
- ``tests/live``: real Valkey and Redis servers in a `Lab`. Proves that all of it holds for them. Marked ``live``.
- ``tests/browser``: the dashboard in headless Chromium. Marked ``browser``.
- ``tests/upstream``: redis-py's own tests, unmodified, through our classes; run by tests/live/test_upstream.py.
- ``tests/openapi``: requests generated from the API's document; run by tests/unit/test_api_document.py.
- ``tests/chaos``: real servers under random faults, judged by an independent observer. ``make chaos``.
- ``tests/soak``: hundreds of failovers of one lab; fails if memory, descriptors or objects grow. ``make soak``.
  Planned failovers in a row and a rolling restart under writers: ``make planned``. The doctor's rules, its
  rights, and failovers that go wrong: ``make proofs``.

A test's name is the sentence it proves, in at most 80 characters; the docstring holds the rest. Waiting is
`conditions.eventually`, never a sleep. A missing server, browser or right skips a test with its reason; with
``SWITCHMASTER_TEST_REQUIRE=all`` it fails.

What to use. Without servers:

- `scenario`: a Watch of three Sentinels fed by lines of events; for tests of the belief.
- `inspected`: a deployment in perfect order as an `Inspection`, to spoil value by value; for tests of the doctor.
- `guard_cases`: a dead master with its witnesses; for tests of the guard.
- `planned_cases`: a healthy master as a planned failover surveys it; for tests of plan and outcome.
- `story`: the same as one text of times, speakers and lines, with the decisions that must follow.
- `relay_scene`: the same with a relay behind it, and conversations of its clients; for tests of the relay.
- `viewpoints`: a healthy deployment as three Sentinels see it; for tests of `explain`.
- `api_rig`: fake deployments and a filled journal behind the API; for tests of the API and the dashboard.
- `reactions`: a journal of switches, and actions whose targets are lists; for tests of what follows a switch.
- `simulated_apis`: what actions use of the HTTP APIs of Consul and Kubernetes.
- `guard_rig`: how the guards of such a deployment stand, and what operators ordered of them.
- `failover_rig`: how the planned failovers of such a deployment stand, and what operators ordered.
- `interrupts`: interrupts some work at every instruction where a signal handler may raise.
- `scripted_peers`: scripted Sentinels and data nodes in a thread of their own; for tests of blocking clients.
- `child`: a process that does not outlive the test that started it.
- `conditions`: `eventually` waits for a condition, with a limit.
- `growth`: whether a series of measurements has stopped growing.
- `document_blocks`: blocks of code, commands, links and headings of the documents.

With servers:

- `lateness`: another try for a live test that failed while the machine was proved to be late. A plugin of conftest.py.
- `lab_fixtures`: the fixtures `server` and `lab_factory`, and `find_or_skip`. A plugin of conftest.py.
- `guarding`, `guard_program`: a guard beside a lab, in a process of its own.
- `doctor_scenes`: what breaks a lab so that a rule of the doctor fires, and mends it again.
- `granted`: ACL users of a lab with the rights that the doctor prints, and what servers refused them.
- `client_lab`: views of a lab and of the test's own process for tests of the drop-in; `make_ready` for the next
  failover.
- `watcher_log`: everything that a Watcher reports about a lab, in one order.
- `server_side`: the view of kernel, servers and Sentinels, as a second opinion on a client's reports.
- `daemons`: ``switchmaster serve`` as a process. `relay_process`: ``switchmaster relay`` the same way.
- `proxies`: ``switchmaster proxy`` as a process, with a real HAProxy. `proxy_rig`: its line, as the daemon serves it.
- `postgres`, `named`, `etcd`: a temporary PostgreSQL cluster, BIND with one zone, etcd of one member.
- `programs`: where Debian's programs are, or why a test is skipped.
- `dashboard`: Chromium with a page that fails on any console error, violation or foreign request.

With networks (Linux, root):

- `netns`: two network namespaces joined by a cable that can be cut.
- `star_network`: many namespaces around a hub, each of which can be isolated.
- `separated_lab`: a deployment whose master is behind such a cable.
- `routable_options`: lab options for servers that listen beyond loopback.

Applications:

- `application`: threads and tasks with our Sentinels, of either client library.
- `traffic`: numbered commands by threads and tasks, and the outcome of each number.
- `glide_work`: writers with both clients of Valkey GLIDE.
- `writers`: numbered writes and their acknowledgements; smaller than `traffic`.
- `celery_app`, `gunicorn_app`, `greenlet_program`: programs of those frameworks, run as processes; `celery_process`
  runs workers of Celery and a sender.
- `framework_program`, `framework_given`: many frameworks at once, each in one process; `framework_work` is their base,
  and `framework_process` runs them.
- `drop_in_check`: a program that uses everything of the drop-in with one version of a client library.
"""
