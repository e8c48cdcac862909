"""
What the daemon serves over HTTP: the belief, the journal, the stream, health, metrics, the dashboard.

`create_app` makes the application from what the composition root hands over (`ServedState`) and from `HttpSettings`;
`HttpServer` serves it.

Live routes answer from memory, and go on where the journal is away; journal routes answer 503 with a sentence then::

    GET  /api/v1/status                       version, deployments, journal, who may look and act
    GET  /api/v1/deployments                  [deployment]
    GET  /api/v1/topology                     [topology: all masters and Sentinels]      ?deployment=
    GET  /api/v1/masters                      [master]       ?deployment= &health= &cursor= &limit=
    GET  /api/v1/masters/{name}               one            ?deployment= where several deployments have one so named
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
``ETag`` and heeds ``If-None-Match``; HEAD answers as GET would, without a body.

The stream's events are named by the line's ``type`` (``event``, ``switch``, ``failover``, ``notice``, ...), their id is
the entry's in the journal, their data is the line. ``Last-Event-ID`` (or ``?after=``) goes on behind that entry,
whoever answers: nothing that the journal has is left out. ``?type=`` (repeatable), ``?deployment=`` and ``?master=``
choose. ``reset`` says that the id is none of this journal's: load everything anew.

In order: `guard` (who may come in), `state` (what is handed over), `beliefs` (the belief's JSON), `answers` (JSON,
ETag, errors), `history` (questions to the journal), `stream`, `families` and `metrics`, the routes, `app`,
`connections` (who is kept), `serving`, `thread`.
Who may look and act says `switchmaster.server.settings.http_settings`.
"""

from ..settings.http_settings import HttpSettings
from .app import create_app
from .http_connections import HttpConnections
from .http_server import HttpServer
from .http_thread import HttpThread
from .metrics import Metrics
from .served_state import ServedState

__all__ = ["HttpConnections", "HttpServer", "HttpSettings", "HttpThread", "Metrics", "ServedState", "create_app"]
