"""
A master's place in Kubernetes: the EndpointSlice of a Service without a selector, or a label of pods.

Both are changed only while they are still as they were read (``resourceVersion``), and keep the switch that led to them
in an annotation: an older switch never follows a newer one. The pod's own credentials are read again with each
attempt, because Kubernetes renews them.

Sources: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/ and
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import quote

from ..journal.wishes import Wish
from ..model import is_ip
from .action_kinds import Action, AttemptFailed, GiveUp, Run
from .http_target import ApiAnswer, HttpTarget, read_token
from .stored_place import place_json, refuse_older

__all__ = ["KubernetesAction"]

ANNOTATION: Final = "switchmaster/place"
MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
OF_SERVICE: Final = "kubernetes.io/service-name"
OURS: Final = "switchmaster"
PODS_MAX: Final = 500
CONFLICT: Final = 409
NOT_FOUND: Final = 404
MASTER_LABEL: Final = "master"
REPLICA_LABEL: Final = "replica"
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?")
"""Of a Service, with room for the slice's ending."""
_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""Of a label."""


@dataclass(frozen=True, slots=True)
class KubernetesAction(Action):
    """Keeps an EndpointSlice, or a label of pods."""

    kind: ClassVar[str] = "kubernetes"
    compares: ClassVar[bool] = True

    target: HttpTarget
    namespace: str
    token_file: str
    service: str | None
    """A template of the Service's name, with ``{master}``; None where pods are labelled."""
    port_name: str
    """Of the Service's port; empty if it has none."""
    selector: str | None
    """A template of the pods' selector, with ``{master}``."""
    label: str
    """The pods' label that says ``master`` or ``replica``."""

    @property
    def summary(self) -> str:
        """The namespace, and the Service or the pods."""
        return f"{self.namespace}: {f'service {self.service}' if self.service else f'pods {self.selector}'}"

    async def apply(self, wish: Wish, run: Run) -> str:
        if self.service is not None:
            return await self._apply_slice(wish, run)
        return await self._apply_pods(wish, run)

    async def compare(self, wish: Wish, run: Run) -> str:
        if self.service is not None:
            name = self._slice_name(wish.master)
            found = await self._slice(name)
            address = await _address_of(wish.new.host)
            wanted = {**self._wanted_slice(name, wish, address), "metadata": {}}
            if found is not None and _shown(found) == _shown(wanted):
                return ""
            return f"{name} shows {_shown(found)[1:] if found is not None else 'nothing'}"
        pods = await self._pods(wish.master)
        masters = [_name(pod) for pod in pods if _labels(pod).get(self.label) == MASTER_LABEL]
        return (
            ""
            if masters == [_name(await self._pod_of(pods, wish))]
            else f"{self.label}=master is on {', '.join(masters) or 'no pod'}"
        )

    async def test(self) -> str:
        if self.service is not None:
            await self._slice(self._slice_name("example"))
            rights = [("discovery.k8s.io", "endpointslices", verb) for verb in ("get", "create", "update", "delete")]
        else:
            await self._pods("example")
            rights = [("", "pods", verb) for verb in ("list", "patch")]
        for group, resource, verb in rights:
            await self._check_right(group, resource, verb)
        verbs = ", ".join(verb for _, _, verb in rights)
        return f"{self.namespace}: {rights[0][1]} may be used ({verbs}); nothing was changed"

    def plan(self, wish: Wish) -> str:
        what = f"the slice {self._slice_name(wish.master)}" if self.service is not None else f"the label {self.label}"
        return f"would let {what} show {wish.new}"

    # -- the EndpointSlice of a Service ---------------------------------------------------------------

    async def _apply_slice(self, wish: Wish, run: Run) -> str:
        name = self._slice_name(wish.master)
        found = await self._slice(name)
        wanted = self._wanted_slice(name, wish, await _address_of(wish.new.host))
        if found is None:
            await self._change("POST", self._slices(), wanted)
            return f"{name} made"
        if _labels(found).get(MANAGED_BY) != OURS:
            raise GiveUp(f"{name} belongs to {_labels(found).get(MANAGED_BY) or 'somebody else'}")
        if _place(found) == place_json(wish) and _shown(found) == _shown(wanted):
            return f"{name} is right already"
        refuse_older(_place(found), wish, run)
        version = found["metadata"].get("resourceVersion")
        if found.get("addressType") != wanted["addressType"]:  # it can't be changed
            await self._change("DELETE", f"{self._slices()}/{name}", {"preconditions": {"resourceVersion": version}})
            await self._change("POST", self._slices(), wanted)
            return f"{name} made again"
        wanted["metadata"]["resourceVersion"] = version
        await self._change("PUT", f"{self._slices()}/{name}", wanted)
        return f"{name} written"

    def _slices(self) -> str:
        return f"/apis/discovery.k8s.io/v1/namespaces/{quote(self.namespace)}/endpointslices"

    def _slice_name(self, master: str) -> str:
        return f"{self._service_name(master)}-{OURS}"

    def _service_name(self, master: str) -> str:
        name = (self.service or "").replace("{master}", master)
        if not _NAME.fullmatch(name):
            raise GiveUp(f"{name!r} is no name of a Service: small letters, digits and '-', at most 50")
        return name

    async def _slice(self, name: str) -> dict[str, Any] | None:
        answer = (await self._ask("GET", f"{self._slices()}/{name}")).check(NOT_FOUND)
        return None if answer.status == NOT_FOUND else _object(answer)

    def _wanted_slice(self, name: str, wish: Wish, address: str) -> dict[str, Any]:
        labels = {OF_SERVICE: self._service_name(wish.master), MANAGED_BY: OURS}
        port = {"port": wish.new.port, "protocol": "TCP", "name": self.port_name}
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": labels, "annotations": {ANNOTATION: place_json(wish)}},
            "addressType": "IPv6" if ":" in address else "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [port],
        }

    # -- the label of pods ----------------------------------------------------------------------------

    async def _apply_pods(self, wish: Wish, run: Run) -> str:
        pods = await self._pods(wish.master)
        for pod in pods:
            refuse_older(_place(pod), wish, run)
        chosen = await self._pod_of(pods, wish)
        # First those that lose it: at no time two pods have it.
        others = [pod for pod in pods if pod is not chosen and _labels(pod).get(self.label) != REPLICA_LABEL]
        for pod in others:
            await self._label(pod, REPLICA_LABEL, wish)
        if _labels(chosen).get(self.label) != MASTER_LABEL or _place(chosen) != place_json(wish):
            await self._label(chosen, MASTER_LABEL, wish)
            others.append(chosen)
        return f"{self.label}=master is on {_name(chosen)}; {len(others)} pods changed"

    async def _pods(self, master: str) -> list[dict[str, Any]]:
        if not _VALUE.fullmatch(master):
            raise GiveUp(f"{master!r} is no value of a label")
        selector = quote((self.selector or "").replace("{master}", master), safe="")
        path = f"/api/v1/namespaces/{quote(self.namespace)}/pods?labelSelector={selector}&limit={PODS_MAX}"
        found = _object((await self._ask("GET", path)).check())
        items = found.get("items")
        if not isinstance(items, list) or any(not isinstance(one, dict) or "metadata" not in one for one in items):
            raise AttemptFailed(f"{self.target.summary} answers with something else than Kubernetes")
        return items

    async def _pod_of(self, pods: list[dict[str, Any]], wish: Wish) -> dict[str, Any]:
        """Return the pod that has an address; a host name may be a pod's own, as in a StatefulSet."""
        host = wish.new.host
        first = host.partition(".")[0]
        for pod in pods:
            if not is_ip(host) and _name(pod) == first:
                return pod
        address = await _address_of(host)
        for pod in pods:
            status = pod.get("status") or {}
            if address in {status.get("podIP"), *(one.get("ip") for one in status.get("podIPs") or ())}:
                return pod
        raise AttemptFailed(f"none of {len(pods)} pods has the address {host}")

    async def _label(self, pod: dict[str, Any], value: str, wish: Wish) -> None:
        version = pod["metadata"].get("resourceVersion")
        changed = {
            "metadata": {
                "resourceVersion": version,
                "labels": {self.label: value},
                "annotations": {ANNOTATION: place_json(wish)},
            }
        }
        path = f"/api/v1/namespaces/{quote(self.namespace)}/pods/{quote(_name(pod))}"
        await self._change("PATCH", path, changed, {"content-type": "application/merge-patch+json"})

    # -- the API --------------------------------------------------------------------------------------

    async def _check_right(self, group: str, resource: str, verb: str) -> None:
        attributes = {"namespace": self.namespace, "group": group, "resource": resource, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = _object((await self._ask("POST", path, review)).check())
        if not (answer.get("status") or {}).get("allowed"):
            raise AttemptFailed(f"it may not {verb} {resource} in {self.namespace}; see deploy/kubernetes/")

    async def _change(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> None:
        answer = await self._ask(method, path, body, headers)
        if answer.status == CONFLICT:
            raise AttemptFailed("it was changed meanwhile")
        answer.check()

    async def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> ApiAnswer:
        token = await asyncio.to_thread(read_token, self.token_file)
        return await self.target.ask(method, path, body, {"authorization": f"Bearer {token}", **(headers or {})})


def _object(answer: ApiAnswer) -> dict[str, Any]:
    if not isinstance(answer.body, dict):
        raise AttemptFailed("the API answers with something else than Kubernetes")
    return answer.body


def _name(found: dict[str, Any]) -> str:
    return str(found["metadata"].get("name", ""))


def _labels(found: dict[str, Any]) -> dict[str, str]:
    return found["metadata"].get("labels") or {}


def _place(found: dict[str, Any]) -> str | None:
    return (found["metadata"].get("annotations") or {}).get(ANNOTATION)


def _shown(found: dict[str, Any]) -> tuple[Any, ...]:
    addresses = [address for one in found.get("endpoints") or () for address in one.get("addresses") or ()]
    ports = [(one.get("name") or "", one.get("port")) for one in found.get("ports") or ()]
    return found.get("addressType"), addresses, ports


async def _address_of(host: str) -> str:
    """Return the address of a host: a slice takes no names."""
    if is_ip(host):
        return host
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise AttemptFailed(f"{host!r} can't be resolved: {getattr(error, 'strerror', None) or error}") from None
    return str(found[0][4][0])
