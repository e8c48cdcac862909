"""The OpenAPI document: it is true and complete."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from rig.api_rig import FakeDeployment, served
from switchmaster.belief.failover import Outcome
from switchmaster.belief.topology import Health
from switchmaster.model import Cause, Grade
from switchmaster.server.api import shapes
from switchmaster.wire.facts import LinkState

TESTS = Path(__file__).parent.parent


@pytest.mark.slow
def test_every_answer_matches_the_document() -> None:
    # slow: it generates 12 requests or more for each of 23 operations.
    pytest.importorskip("schemathesis")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "schemathesis.pytest.plugin", "tests/openapi/made_up.py"]
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, timeout=100, check=False)
    found = re.search(r"(\d+) passed", done.stdout)
    assert (done.returncode, found is not None) == (0, True), done.stdout[-20_000:] + done.stderr[-5_000:]
    assert found is not None
    assert int(found[1]) == len(operations()) - 1  # all but the stream


def test_document_states_purpose_and_access_of_every_operation() -> None:
    document = served(FakeDeployment())[0].openapi()
    for (method, path), operation in operations().items():
        assert operation["description"], path
        assert "default" in operation["responses"], path
        wanted = [{"token": []}] if method == "post" else [{}, {"token": []}]
        assert operation.get("security") == (None if path in ("/livez", "/readyz") else wanted), path
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def test_every_list_is_a_page() -> None:
    document = served(FakeDeployment())[0].openapi()
    for (_, path), operation in operations().items():
        schema = operation["responses"]["200"].get("content", {}).get("application/json", {}).get("schema", {})
        name = schema.get("$ref", "").rpartition("/")[2]
        if name.endswith("Page"):
            shape = document["components"]["schemas"][name]
            assert set(shape["properties"]) == {"items", "next"}, path
            assert set(shape["required"]) == {"items", "next"}, path


def operations() -> dict[tuple[str, str], dict[str, object]]:
    document = served(FakeDeployment())[0].openapi()
    return {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_words_of_the_document_are_those_of_the_core() -> None:
    for words, kind in (
        (shapes.HealthName, Health),
        (shapes.SentinelRow.model_fields["state"].annotation, LinkState),
        (shapes.MasterLine.model_fields["grade"].annotation, Grade),
        (shapes.SwitchLine.model_fields["cause"].annotation, Cause),
        (shapes.FailoverLine.model_fields["outcome"].annotation, Outcome),
    ):
        assert set(get_args(words)) == {str(word) for word in kind}
