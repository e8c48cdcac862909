"""
What the daemon serves over HTTP: the belief, the journal, the stream, health, metrics and the dashboard.

What comes in: a `served_state.ServedState` (everything that is served) and `HttpSettings` (where, and who has access).
`create_app` makes the ASGI application, `HttpServer` serves it, `HttpThread` runs the server in a thread.

Live routes answer from memory and work while the journal is away; journal routes then answer 503 with a sentence::

    GET  /api/v1/status                       version, deployments, journal, read and write access
    GET  /api/v1/deployments                  [deployment]
    GET  /api/v1/topology                     [topology: all masters and Sentinels]      ?deployment=
    GET  /api/v1/overview                     numbers by state, what is urgent, some masters  ?find= &state= &limit=
    GET  /api/v1/masters                      [master]       ?deployment= &health= &cursor= &limit=
    GET  /api/v1/masters/{name}               one            ?deployment= if several deployments have one so named
    GET  /api/v1/guard                        [guard]        ?deployment= &master=
    GET  /api/v1/masters/{name}/guard         what the guard of one master would do, and why not
    POST /api/v1/masters/{name}/guard         {"arming": ..., "confirm": NAME} or {"suspend": ..., "confirm": NAME}
    GET  /api/v1/proxy                        [proxy]        ?deployment= &master=
    GET  /api/v1/planned-failovers            [planned failover]  ?deployment= &master=
    GET  /api/v1/masters/{name}/planned-failover  the one that runs, or the last
    POST /api/v1/masters/{name}/planned-failover  {"confirm": NAME, "to": ...} or {"dry_run": true}
    GET  /api/v1/doctor                       [risk, finding, ...]    ?deployment= &master=
    GET  /api/v1/actions                      [configured action], in the order of the file
    POST /api/v1/actions/{name}/run           {"master": ..., "confirm": NAME} -> its reaction    (into the journal)
    POST /api/v1/actions/{name}/test          {} -> whether its target can be reached
    GET  /api/v1/reactions                    [reaction: what an action is to do for a master] (from the journal)
    GET  /api/v1/receipts                     [receipt: what an action did], newest first      (from the journal)
    GET  /api/v1/pauses                       [pause]                                          (from the journal)
    POST /api/v1/actions/pause  /resume       {"action": ..., "master": ..., "seconds": ...}   (into the journal)
    GET  /api/v1/claims                       [claim: who watches a deployment]   ?deployment=
    GET  /api/v1/sentinels                    [sentinel]     ?deployment=
    GET  /api/v1/failovers                    [failover]     newest first, with filters        (from the journal)
    GET  /api/v1/failovers/{id}               one, with its comments                           (from the journal)
    GET  /api/v1/failovers/{id}/postmortem    the same as Markdown, to be completed            (from the journal)
    POST /api/v1/failovers/{id}/acknowledge   {"by": ..., "comment": ...} -> the failover      (into the journal)
    POST /api/v1/failovers/{id}/comments      {"by": ..., "text": ...} -> the failover         (into the journal)
    GET  /api/v1/switches                     [switch]       newest first                      (from the journal)
    GET  /api/v1/events                       [any line]     newest first, ?type= &failover= &since=  (from the journal)
    GET  /api/v1/observers                    [run of a daemon], newest first                  (from the journal)
    GET  /api/v1/stream                       server-sent events: every line, as it is committed
    GET  /livez  /readyz  /metrics  /openapi.json
    GET  /  /docs                             the dashboard, and a page of these routes
    GET  /masters/{name}/is-master?addr=      200 or 503, for balancers

A list is ``{"items": [...], "next": cursor or null}``. Lines have the shapes of `switchmaster.render`. An error is
``{"status": 404, "title": "Not Found", "detail": "a sentence"}``. Under ``/api/v1/`` everything but the stream has an
``ETag`` and respects ``If-None-Match``; HEAD answers like GET, without a body.

The stream's events are named by the line's ``type`` (``event``, ``switch``, ``failover``, ``notice``, ...); their id is
the entry's id in the journal, their data is the line. ``Last-Event-ID`` (or ``?after=``) continues after that entry,
at any daemon on the same journal: nothing in the journal is left out. ``?type=`` (repeatable), ``?deployment=`` and
``?master=`` select. ``reset`` means that the id is not in this journal: load everything again.

Invariants: every request passes `admission` first (Host, Origin, token, size); no route waits for the journal except
through `journal_queries`, which is bounded in number and time; the limits on connections hold before any TLS handshake.

Read in this order: `admission` (which requests are let in), `served_state` (what is served), `claim_lines` and
`belief_lines` (the claims and the belief as JSON), `overview` (its digest), `answers` (JSON, ETag, errors),
`journal_queries` (bounded reads of the journal), `journal_stream` (server-sent events), `metric_families` and
`metrics`, then the routes (`parameters`, `shapes`, `action_shapes`, `claim_shapes`, `guard_routes`, `doctor_routes`,
`proxy_routes`, `failover_routes`, `action_routes`, `claim_routes`, `live_routes`, `journal_routes`, `health_routes`,
`dashboard`), `app`, `http_connections` (which connections are kept), `http_server`, `http_thread`.
"""

from ..settings.http_settings import HttpSettings
from .app import create_app
from .http_connections import HttpConnections
from .http_server import HttpServer
from .http_thread import HttpThread
from .metrics import Metrics
from .served_state import ServedState

__all__ = ["HttpConnections", "HttpServer", "HttpSettings", "HttpThread", "Metrics", "ServedState", "create_app"]
