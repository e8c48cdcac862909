"""
Parts of the HTTP APIs of Consul and Kubernetes, as their documentation describes them: what the actions use of them.

They are no proof against the real ones; they hold that conflicts, refusals and what is stored are as documented.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "t0ken-of-the-action"
Answered = tuple[int, Any]


class SimulatedApi:
    """A server whose requests are answered by `answer`, one after the other."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: list[tuple[str, str]] = []
        """Methods and paths that have changed something, or tried to."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                with api.lock:
                    if self.command != "GET":
                        api.requests.append((self.command, self.path))
                    status, found = api.answer(self.command, self.path, body, dict(self.headers.items()))
                content = found.encode() if isinstance(found, str) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _do

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def answer(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answered:
        raise NotImplementedError

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


class SimulatedConsul(SimulatedApi):
    """Keys, transactions and services."""

    def __init__(self) -> None:
        self.index = 10
        self.keys: dict[str, tuple[str, int]] = {}
        """The value and the index of each key."""
        self.services: dict[str, dict[str, Any]] = {}
        """By the name of their node."""
        super().__init__()

    def answer(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answered:
        if headers.get("X-Consul-Token", headers.get("x-consul-token")) != TOKEN:
            return 403, "Permission denied: token with AccessorID lacks permission"
        parts = urlsplit(path)
        if method == "GET" and parts.path.startswith("/v1/kv/"):
            key = unquote(parts.path.removeprefix("/v1/kv/"))
            if key not in self.keys:
                return 404, ""
            value, index = self.keys[key]
            encoded = base64.b64encode(value.encode()).decode()
            return 200, [{"Key": key, "Value": encoded, "Flags": 0, "CreateIndex": 10, "ModifyIndex": index}]
        if method == "GET" and parts.path.startswith("/v1/catalog/service/"):
            wanted = unquote(parts.path.rpartition("/")[2])
            found = [one for one in self.services.values() if one["Service"] == wanted]
            return 200, [
                {"ServiceName": wanted, "ServiceAddress": one["Address"], "ServicePort": one["Port"]} for one in found
            ]
        if (method, parts.path) == ("PUT", "/v1/txn"):
            return self._transact(body)
        return 404, "no such endpoint"

    def _transact(self, operations: list[dict[str, Any]]) -> Answered:
        for number, one in enumerate(operations):
            if (kv := one.get("KV")) and kv["Index"] != self.keys.get(kv["Key"], ("", 0))[1]:
                what = f"failed to set key {kv['Key']!r}, index is stale"
                return 409, {"Results": None, "Errors": [{"OpIndex": number, "What": what}]}
        self.index += 1
        nodes = set()
        for one in operations:
            if kv := one.get("KV"):
                assert kv["Verb"] == "cas"
                self.keys[kv["Key"]] = (base64.b64decode(kv["Value"]).decode(), self.index)
            elif node := one.get("Node"):
                nodes.add(node["Node"]["Node"])
            else:
                service = one["Service"]
                assert service["Node"] in nodes
                self.services[service["Node"]] = service["Service"]
        return 200, {"Results": [], "Errors": None}


class SimulatedKubernetes(SimulatedApi):
    """EndpointSlices, pods and reviews of rights in one namespace."""

    NAMESPACE = "kv"
    SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
    PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
    REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def __init__(self) -> None:
        self.version = 100
        self.slices: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.denied: set[str] = set()
        """Verbs that are not allowed."""
        super().__init__()

    def add_pod(self, name: str, address: str, **labels: str) -> None:
        """Let a pod be there."""
        metadata = {"name": name, "labels": labels}
        self.pods[name] = {"metadata": metadata, "status": {"podIP": address, "podIPs": [{"ip": address}]}}
        self._touch(self.pods[name])

    def answer(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answered:
        given = headers.get("Authorization", headers.get("authorization"))
        if given != f"Bearer {TOKEN}":
            return self._status(401, "Unauthorized")
        parts = urlsplit(path)
        base, _, name = parts.path.rpartition("/")
        if parts.path == self.REVIEWS:
            verb = body["spec"]["resourceAttributes"]["verb"]
            return 201, {**body, "status": {"allowed": verb not in self.denied}}
        if parts.path == self.PODS:
            return self._list(parse_qs(parts.query)["labelSelector"][0])
        if base == self.PODS:
            content = headers.get("Content-Type", headers.get("content-type"))
            assert (method, content) == ("PATCH", "application/merge-patch+json")
            return self._patch(self.pods[name], body)
        if self.SLICES in (parts.path, base):
            return self._slice(method, name, body)
        return self._status(404, "not found")

    def _list(self, selector: str) -> Answered:
        wanted = dict(one.split("=") for one in selector.split(","))
        found = [pod for pod in self.pods.values() if wanted.items() <= pod["metadata"]["labels"].items()]
        return 200, {"kind": "PodList", "metadata": {}, "items": copy.deepcopy(found)}

    def _patch(self, found: dict[str, Any], body: dict[str, Any]) -> Answered:
        metadata = body["metadata"]
        if metadata["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return self._status(409, "the object has been modified")
        for kind in ("labels", "annotations"):
            found["metadata"][kind] = {**(found["metadata"].get(kind) or {}), **metadata[kind]}
        self._touch(found)
        return 200, copy.deepcopy(found)

    def _slice(self, method: str, name: str, body: Any) -> Answered:
        if method == "POST":
            return self._create(body)
        found = self.slices.get(name)
        if found is None:
            return self._status(404, "not found")
        version = found["metadata"]["resourceVersion"]
        if method == "GET":
            return 200, copy.deepcopy(found)
        if method == "DELETE":
            if body["preconditions"]["resourceVersion"] != version:
                return self._status(409, "the precondition fails")
            del self.slices[name]
            return self._status(200, "deleted")
        if body["metadata"]["resourceVersion"] != version:
            return self._status(409, "the object has been modified")
        if body["addressType"] != found["addressType"]:
            return self._status(422, "addressType: field is immutable")
        self.slices[name] = body
        self._touch(body)
        return 200, copy.deepcopy(body)

    def _create(self, body: dict[str, Any]) -> Answered:
        name = body["metadata"]["name"]
        if name in self.slices:
            return self._status(409, "already exists")
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            return self._status(422, "metadata.name: invalid")
        self.slices[name] = body
        self._touch(body)
        return 201, copy.deepcopy(body)

    def _touch(self, found: dict[str, Any]) -> None:
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)

    def _status(self, code: int, message: str) -> Answered:
        return code, {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}


@contextmanager
def simulated(make: type[SimulatedApi]) -> Iterator[Any]:
    """Serve an API while the block lasts."""
    api = make()
    try:
        yield api
    finally:
        api.close()
