"""
A simulated Sentinel: timers, PING, INFO, hello, SDOWN and ODOWN, TILT, and the commands of operators.

The functions and their order are those of sentinel.c (sentinelTimer and what it calls), the numbers those of
docs/topics/protocol.md, section 5.1. The failover itself is in `failover`, the answers to clients are in `answers`. It
persists what a configuration file holds; a crash loses the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from switchmaster.model import Address

from . import answers, failover
from .instance import Instance, Monitored, State
from .node import Info
from .process import Conversation, Process
from .world import World

__all__ = ["Flavour", "Memory", "Sentinel"]

INFO_PERIOD = 10.0
PUBLISH_PERIOD = 2.0
TILT_TRIGGER = 2.0
TILT_PERIOD = 30.0
RECONNECT = 1.0


@dataclass(frozen=True)
class Flavour:
    """Which server the Sentinels run, and their configuration."""

    version: str = "redis-7.0.15"
    """A recording in tests/recorded/replies."""
    quorum: int = 2
    down_after: float = 1.0
    failover_timeout: float = 10.0
    resp2: bool = False
    """Whether HELLO is unknown."""
    stale_opinions: bool = False
    """Whether the others' opinions of a master are never forgotten (Valkey 9.1)."""

    @property
    def valkey(self) -> bool:
        return self.version.startswith("valkey")


@dataclass
class Memory:
    """What the configuration file holds of one master."""

    address: Address
    config_epoch: int
    leader_epoch: int
    replicas: list[Address]
    sentinels: dict[str, Address] = field(default_factory=dict)


class Sentinel(Process):
    """
    One Sentinel.

    Args:
        world: its world.
        name: its name in the transcript.
        address: where it listens.
        flavour: which server it runs.
    """

    def __init__(self, world: World, name: str, address: Address, flavour: Flavour) -> None:
        super().__init__(world, name, address)
        self.flavour = flavour
        self.run_id = f"{world.chance.getrandbits(160):040x}"
        self.current_epoch = 0
        self.masters: dict[str, Monitored] = {}
        self.removed: dict[str, float] = {}
        """When it was told to stop monitoring a master."""
        self.wall_offset = 0.0
        self.tilt_since: float | None = None
        self.crash_after_promotion = False
        self._ticked = self.now
        world.sentinels[name] = self
        self._next_tick()

    @property
    def now(self) -> float:
        """Its wall clock."""
        return self.world.clock.now + self.wall_offset

    @property
    def tilted(self) -> bool:
        return self.tilt_since is not None

    def monitor(self, name: str, address: Address, say: bool = True) -> Monitored:
        """Start to monitor a master (SENTINEL MONITOR, or the configuration)."""
        flavour = self.flavour
        master = self.masters[name] = Monitored(
            name,
            address,
            self.now,
            quorum=flavour.quorum,
            down_after=flavour.down_after,
            failover_timeout=flavour.failover_timeout,
        )
        self.world.hold(self.name, name, address, 0)
        if say:
            self.event("+monitor", master, f"quorum {flavour.quorum}")
        return master

    def know(self, master: Monitored, run_id: str, address: Address) -> Instance:
        """Add another Sentinel to the table of a master."""
        other = master.sentinels[run_id] = Instance("sentinel", run_id, address, self.now, master)
        return other

    # -- publishing ---------------------------------------------------------------------------------

    def event(self, channel: str, instance: Instance, more: str = "") -> None:
        """Publish an event about an instance."""
        self.publish(channel, f"{instance.ident} {more}" if more else instance.ident)

    def publish(self, channel: str, payload: str) -> None:
        self.say(f"{channel} {payload}")
        answers.publish(self, channel, payload)
        self.world.heard(self, channel)

    # -- the timer ----------------------------------------------------------------------------------

    def _next_tick(self) -> None:
        life = self.life
        pause = self.world.chance.uniform(0.05, 0.1)
        self.world.clock.after(pause, lambda: self.take(life, self._tick))

    def _tick(self) -> None:
        now = self.now
        delta, self._ticked = now - self._ticked, now
        if delta < 0 or delta > TILT_TRIGGER:
            self.tilt_since = now
            self.publish("+tilt", "#tilt mode entered")
        for master in list(self.masters.values()):
            self._handle(master)
            for replica in list(master.replicas.values()):
                self._handle(replica)
            for other in list(master.sentinels.values()):
                self._handle(other)
            if master.state is State.UPDATE_CONFIG and not self.tilted:
                failover.switch_to_promoted(self, master)
            if not self.alive:
                return
        self._next_tick()

    def _handle(self, instance: Instance) -> None:
        now = self.now
        self._reconnect(instance, now)
        self._periodic(instance, now)
        if isinstance(instance, Monitored) and now - instance.published_at > PUBLISH_PERIOD:
            self.publish_hello(instance)
        if self.tilt_since is not None:
            if now - self.tilt_since < TILT_PERIOD:
                return
            self.tilt_since = None
            self.publish("-tilt", "#tilt mode exited")
        self._check_sdown(instance, now)
        if isinstance(instance, Monitored):
            self._check_odown(instance)
            if failover.start_if_needed(self, instance):
                failover.ask(self, instance, forced=True)
            failover.go_on(self, instance)
            failover.ask(self, instance, forced=False)

    # -- links --------------------------------------------------------------------------------------

    def _process_of(self, instance: Instance) -> Process | None:
        return self.world.processes.get(instance.address)

    def tell(self, instance: Instance, act: object) -> None:
        """Send something to an instance: `act` is called there, without arguments."""
        target = self._process_of(instance)

        def refused() -> None:
            instance.connected = False

        if target is None:
            refused()
        else:
            self.send(target, act, refused)  # type: ignore[arg-type]

    def link_lost(self, address: Address) -> None:
        for master in self.masters.values():
            for instance in (master, *master.replicas.values(), *master.sentinels.values()):
                if instance.address == address:
                    instance.connected = False

    def _reconnect(self, instance: Instance, now: float) -> None:
        if instance.connected or now - instance.reconnected_at < RECONNECT:
            return
        instance.reconnected_at = now
        instance.connected = True
        self._ping(instance, now)

    def _periodic(self, instance: Instance, now: float) -> None:
        if not instance.connected:
            return
        period = instance.ping_period
        if now - instance.last_pong > period and now - instance.last_ping > period / 2:
            self._ping(instance, now)
        if instance.kind == "sentinel":
            return
        if now - instance.info_asked > 0.3 and (
            instance.info_at is None or now - instance.info_at > self._info_period(instance)
        ):
            instance.info_asked = now
            self._ask_info(instance)

    def _info_period(self, instance: Instance) -> float:
        master = instance.master
        if instance.kind != "slave":
            return INFO_PERIOD
        return 1.0 if master.odown or master.in_progress or instance.link_down_for > 0 else INFO_PERIOD

    def _ping(self, instance: Instance, now: float) -> None:
        instance.last_ping = now
        if instance.pinged_since is None:
            instance.pinged_since = now
        target, life = self._process_of(instance), self.life

        def pong() -> None:
            if not instance.gone:
                instance.last_pong = instance.last_avail = self.now
                instance.pinged_since = None

        if target is None:
            instance.connected = False
        else:
            self.tell(instance, lambda: target.reply(self, life, pong))

    def _check_sdown(self, instance: Instance, now: float) -> None:
        if (
            instance.pinged_since is None
            and instance.connected
            and not instance.sdown
            and instance.role == instance.kind
        ):
            return
        if instance.pinged_since is not None:
            silent = now - instance.pinged_since
        else:
            silent = 0.0 if instance.connected else now - instance.last_avail
        down_after = instance.master.down_after
        demoted = instance.kind == "master" and instance.role == "slave"
        down = silent > down_after or (demoted and now - instance.role_since > down_after + 2 * INFO_PERIOD)
        if down and not instance.sdown:
            instance.sdown, instance.sdown_since = True, now
            self.event("+sdown", instance)
        elif not down and instance.sdown:
            instance.sdown = False
            self.event("-sdown", instance)

    def _check_odown(self, master: Monitored) -> None:
        votes = 1 + sum(other.says_down for other in master.sentinels.values()) if master.sdown else 0
        odown = votes >= master.quorum
        if odown and not master.odown:
            self.event("+odown", master, f"#quorum {votes}/{master.quorum}")
        elif master.odown and not odown:
            self.event("-odown", master)
        master.odown = odown

    # -- INFO ---------------------------------------------------------------------------------------

    def _ask_info(self, instance: Instance) -> None:
        life = self.life
        target = self.world.nodes.get(instance.address)
        if target is None:
            return

        def informed() -> None:
            info = Info(target)
            target.reply(self, life, lambda: instance.gone or self._take_info(instance, info))

        self.tell(instance, informed)

    def _take_info(self, instance: Instance, info: Info) -> None:
        now, master = self.now, instance.master
        if instance.run_id not in ("", info.run_id):
            self.event("+reboot", instance)
        instance.run_id = info.run_id
        if instance.kind == "master":
            for address in info.replicas:
                if address not in master.replicas:
                    self.event("+slave", master.add_replica(address, now))
        if info.role == "slave":
            if info.following != instance.following:
                instance.following, instance.following_since = info.following, now
            instance.link_up, instance.link_down_for = info.link_up, info.link_down_for
            instance.offset, instance.priority = info.offset, info.priority
        instance.info_at = now
        if info.role != instance.role:
            instance.role, instance.role_since = info.role, now
            instance.following_since = now
            expected = info.role == instance.kind
            self.event("+role-change" if expected else "-role-change", instance, f"new reported role is {info.role}")
        if not self.tilted and instance.kind == "slave":
            failover.judge_replica(self, instance, now)

    # -- hello --------------------------------------------------------------------------------------

    def publish_hello(self, master: Monitored) -> None:
        """Publish hello: through the master, through its replicas, and directly."""
        master.published_at = self.now
        hello = (self.run_id, self.address, self.current_epoch, master.name, master.believed, master.config_epoch)
        for instance in (master, *master.replicas.values()):
            node = self.world.nodes.get(instance.address)
            if node is not None and instance.connected and not instance.sdown:
                self.tell(instance, lambda node=node: self._relay(node, hello))
        for other in master.sentinels.values():
            target = self.world.processes.get(other.address)
            if other.connected and isinstance(target, Sentinel):
                self.tell(other, lambda target=target: target.take_hello(*hello))

    def _relay(self, node: Process, hello: tuple[str, Address, int, str, Address, int]) -> None:
        for other in self.world.sentinels.values():
            at = other.masters.get(hello[3])
            if other is self or not other.alive or at is None:
                continue
            link = at if at.address == node.address else at.replicas.get(node.address)
            if link is not None and link.connected:
                node.reply(other, other.life, lambda other=other: other.take_hello(*hello))

    def take_hello(self, run_id: str, address: Address, epoch: int, name: str, at: Address, config_epoch: int) -> None:
        """Process another Sentinel's hello (sentinelProcessHelloMessage)."""
        master = self.masters.get(name)
        if master is None or run_id == self.run_id:
            return
        other = master.sentinels.get(run_id)
        if other is None or other.address != address:
            other = self._meet(master, run_id, address)
        self.raise_epoch(epoch)
        if config_epoch > master.config_epoch:
            master.config_epoch = config_epoch
            if at != master.address:
                self.event("+config-update-from", other)
                self.change_address(master, at)
        other.hello_at = self.now

    def _meet(self, master: Monitored, run_id: str, address: Address) -> Instance:
        if master.sentinels.pop(run_id, None) is not None:
            text = f"ip {address.host} port {address.port} for {run_id}"
            self.event("+sentinel-address-switch", master, text)
            return self.know(master, run_id, address)
        for obsolete in [each for each in master.sentinels.values() if each.address == address]:
            self.event("+sentinel-invalid-addr", obsolete)
            del master.sentinels[obsolete.name]
        other = self.know(master, run_id, address)
        self.event("+sentinel", other)
        return other

    def raise_epoch(self, epoch: int) -> None:
        if epoch > self.current_epoch:
            self.current_epoch = epoch
            self.publish("+new-epoch", str(epoch))

    def change_address(self, master: Monitored, new: Address) -> None:
        """Use another address for a master, and publish it (sentinelResetMasterAndChangeAddress)."""
        old = master.address
        self.world.hold(self.name, master.name, new, master.config_epoch)
        self.publish("+switch-master", f"{master.name} {old.host} {old.port} {new.host} {new.port}")
        replicas = [address for address in master.replicas if address != new]
        master.reset(self.now)
        master.address = new
        for address in [*replicas, *([old] if old != new and old not in replicas else [])]:
            self.event("+slave", master.add_replica(address, self.now))

    # -- operators ----------------------------------------------------------------------------------

    def command_reset(self, name: str) -> None:
        """SENTINEL RESET."""
        master = self.masters.get(name)
        if master is not None:
            master.reset(self.now)
            master.sentinels.clear()
            self.event("+reset-master", master)

    def command_remove(self, name: str) -> None:
        """SENTINEL REMOVE."""
        master = self.masters.get(name)
        if master is not None:
            self.event("-monitor", master)
            master.drop_replicas()
            del self.masters[name]
            self.removed[name] = self.world.clock.now

    def command_failover(self, name: str, coordinated: bool = False) -> bool:
        """SENTINEL FAILOVER; return whether it was accepted."""
        master = self.masters.get(name)
        if master is None or master.in_progress or failover.select(self, master) is None:
            return False
        self.say(f"was told SENTINEL FAILOVER {name}{' COORDINATED' if coordinated else ''}")
        if self.flavour.valkey:
            master.sdown, master.sdown_since = True, self.now
        failover.start(self, master)
        master.forced, master.coordinated = not coordinated, coordinated
        return True

    # -- life ---------------------------------------------------------------------------------------

    def remember(self) -> dict[str, Memory]:
        """Return the content of its configuration file."""
        return {
            name: Memory(
                master.address if not master.in_progress else master.believed,
                master.config_epoch,
                master.leader_epoch,
                list(master.replicas),
                {run_id: other.address for run_id, other in master.sentinels.items()},
            )
            for name, master in self.masters.items()
        }

    def start(self, memory: dict[str, Memory] | None = None, renewed: bool = False) -> None:
        """
        Restart it.

        Args:
            memory: an older configuration; None for what it held when it died.
            renewed: whether it has lost its id.
        """
        if self.alive:
            return
        memory = self.remember() if memory is None else memory
        super().start()
        if renewed:
            self.run_id = f"{self.world.chance.getrandbits(160):040x}"
        self.say(f"starts{' with another id' if renewed else ''}")
        self.tilt_since, self._ticked, self.masters = None, self.now, {}
        self.crash_after_promotion = False
        for name, held in memory.items():
            master = self.monitor(name, held.address, say=False)
            master.config_epoch, master.leader_epoch = held.config_epoch, held.leader_epoch
            for address in held.replicas:
                if address != held.address:
                    master.add_replica(address, self.now)
            for run_id, address in held.sentinels.items():
                if run_id != self.run_id:
                    self.know(master, run_id, address)
        self._next_tick()

    def move(self, address: Address) -> None:
        """Move it to another address; it must be dead."""
        del self.world.processes[self.address]
        self.world.network.listening.pop(self.address)
        self.address, self.host = address, address.host
        self.world.processes[address] = self
        self.world.network.listen(address, self)
        self.say(f"is at {address} now")

    def answer(self, conversation: Conversation, words: list[str]) -> bytes:
        return answers.answer(self, conversation, words)

    def copy_of_memory(self) -> dict[str, Memory]:
        """Return the current content of the file, to start from later."""
        return {name: replace(held) for name, held in self.remember().items()}
