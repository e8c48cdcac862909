"""
Requests that schemathesis generates from the OpenAPI document, valid and invalid; it judges every answer.

`tests/unit/test_api_document.py` runs this in a separate pytest, since schemathesis's plugin slows every start down.
The stream has no end, so it is tested in `tests/shell/test_api_stream.py` instead.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import schemathesis
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from rig.api_rig import LOOPBACK, FakeDeployment, FileJournal, served
from rig.reactions import UnstartedActions
from switchmaster.server.api import HttpSettings

TOKEN = "act-1234"
EXAMPLES = int(os.environ.get("SWITCHMASTER_TEST_EXAMPLES", "12"))
"""Examples of each operation."""
UNTOLD = {"cursor", "addr"}
"""Parameters whose form no schema can express, so that the API may refuse what the schema allows."""

FOLDER = tempfile.TemporaryDirectory()
KEPT = FileJournal(Path(FOLDER.name))
TOLD = FakeDeployment()
TOLD.fail_over()
KEPT.write(TOLD.entries)
APP, STATE = served(TOLD, FakeDeployment("other"), kept=KEPT, settings=HttpSettings(LOOPBACK, token=TOKEN))
STATE.actions = UnstartedActions(KEPT.url)
DOCUMENT = schemathesis.openapi.from_asgi("/openapi.json", APP, headers={"Host": "127.0.0.1"})


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    STATE.close()
    KEPT.close()
    FOLDER.cleanup()


@DOCUMENT.exclude(path="/api/v1/stream").parametrize()
@hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck))
def test_every_answer_is_as_the_document_says(case: schemathesis.Case) -> None:
    headers = {"Host": "127.0.0.1"} | ({"Authorization": f"Bearer {TOKEN}"} if case.method == "POST" else {})
    answer = case.call(headers=headers)
    excluded = [ignored_auth]  # it asks without a Host, which is refused before the token is looked at
    if answer.status_code == 400 and set(case.query or {}) & UNTOLD:
        excluded.append(positive_data_acceptance)
    if answer.status_code in (413, 431):  # too large: a refusal as well, though not one that the check knows
        excluded.append(negative_data_rejection)
    case.validate_response(answer, excluded_checks=excluded)
