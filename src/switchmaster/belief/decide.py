"""
Who is master: one `Belief` for each master, moved only by the rules below.

1. Epochs order, never arrival. A fact of a lower epoch never moves the belief; one of the same epoch with
   another address is a disagreement: reported, not followed. A higher epoch makes a candidate.
2. A candidate is decided when it has the grade that the policy asks for. A node that denies being a master is never
   followed. Where the node cannot be asked, or is silent for ``timeout``, an announcement is enough, unless a majority
   of the Sentinels that are heard contradicts it; the Switch says so. What a node says that they do not list as one of
   this master's proves nothing: it counts as silent.
3. An announcement without an epoch is settled by asking its Sentinel. Where asking is not possible (a
   transcript, an ACL), it counts by its place: `View.index` tells which switches that Sentinel has made.
4. Epochs begin anew (an incarnation) when a majority that was told to monitor the master anew agrees, or when
   a majority holds another address for `SETTLE` and finds it well.
5. One Sentinel cannot raise the epoch that orders the others' words: a majority must give it, or a switch.
6. A node that was decided on by its ROLE alone is asked on, until a Sentinel confirms it; its leader may leave it.

Nothing here has a clock: time comes in, as a `Moment`, or as `now` in monotonic seconds.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import LIMITS, Address, Cause, Grade, Moment, SentinelName, Via
from ..wire.events import InstanceEvent, SwitchedMaster
from ..wire.facts import Probe
from .candidates import Candidate, Candidates, unproved, why
from .decisions import Ask, Decision, Switch
from .members import Members
from .node_names import NodeNames
from .notices import Notices
from .past_addresses import PastAddresses, Transition
from .standing import SETTLE, Standing
from .topology import Electorate
from .views import View
from .voters import Voters

__all__ = ["Belief"]


class Belief:
    """
    What is believed of one master's address.

    Args:
        deployment: the deployment's name.
        master: the master's name.
        policy: the least grade that a Switch must have.
        probing: whether data nodes can be asked at all.
        timeout: seconds that a node or a Sentinel has to answer.
        members: the Sentinels that vote; None for all that speak.
    """

    def __init__(
        self,
        deployment: str,
        master: str,
        policy: Grade,
        probing: bool,
        timeout: float,
        members: Members | None = None,
    ) -> None:
        self.deployment = deployment
        self.master = master
        self.policy = policy
        self.probing = probing
        self.timeout = timeout
        self.address: Address | None = None
        self.epoch: int | None = None
        self.incarnation = 0
        self.established = False
        """False while the first answers come in: until then the highest epoch wins, and nothing is a switch."""
        self.voters = Voters(members)
        """What each Sentinel says."""
        self.views = self.voters.views
        self.switch: Switch | None = None
        self.stale_answers = 0
        """Answers of an older epoch that were not followed."""
        self._floor = -1
        """The highest epoch known to belong to the belief or to an earlier one. A new incarnation alone lowers it."""
        self._backed = -1
        """The highest epoch at which a majority gave the belief in this incarnation."""
        self._standing = Standing()
        self._ticked = -1.0
        """The moment of the last `tick`."""
        self._history = PastAddresses()
        self._out: list[Decision] = []
        self._notices = Notices(deployment, master, lambda notice: self._out.append(notice))
        self._names = NodeNames(self.voters, self._notices)
        self._candidates = Candidates(master, probing, lambda decision: self._out.append(decision))

    # -- what a reader gets -------------------------------------------------------------------------

    @property
    def grade(self) -> Grade:
        """What stands behind the belief now."""
        if self.voters.support(self.address) >= self.voters.majority:
            return Grade.AGREED
        return self.switch.grade if self.switch is not None else Grade.ANNOUNCED

    @property
    def pending(self) -> bool:
        """Whether something was decided that `decisions` has not given yet."""
        return bool(self._out)

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in monotonic seconds; what an earlier tick has seen is not due again."""
        group, due = self._otherwise(), self.voters.deadlines
        if not (group or self._candidates or due):
            return None  # asked after every event, and nearly always so
        due += [c.announced_at + self.timeout for c in self._candidates if c.announced_at is not None]
        due += [c.announced_at + SETTLE for c in self._candidates if c.announced_at is not None]
        due += [c.withdrawn_at + SETTLE for c in self._candidates if c.withdrawn_at is not None]
        due += self._standing.deadlines(group)
        return min((each for each in due if each > self._ticked), default=None)

    def decisions(self) -> list[Decision]:
        """Return what was decided since the last call."""
        out, self._out = self._out, []
        return out

    # -- what Sentinels say -------------------------------------------------------------------------

    def view(self, sentinel: SentinelName) -> View:
        """Return this Sentinel's account, new if need be."""
        return self.voters.view(sentinel, self.incarnation)

    def mentioned(self, sentinel: SentinelName, address: Address, can_ask: bool, now: float) -> None:
        """
        Take the master's address that an event carries beside its news.

        It is the first word of a transcript; later it is no more than a hint, since the leader names the old
        address until its own ``+switch-master``.

        Args:
            sentinel: whose event it is.
            address: the address that it names.
            can_ask: whether this Sentinel answers questions.
            now: the moment, in monotonic seconds.
        """
        view = self.view(sentinel)
        if (view.address is None or self.address is None) and not address.possible:
            return
        if view.address is None:
            view.address, view.since, view.index = address, now, self._place(address)
        if self.address is None:
            self.address, self._standing.since = address, now
            self.established = self.established or not can_ask
        elif can_ask and address not in (view.address, self.address) and not self._history.was_at(address):
            self._out.append(Ask(sentinel, (self.master,), f"it names {address}, which is not the belief"))

    def named(self, sentinel: SentinelName, node: Address, epoch: int | None, moment: Moment) -> None:
        """Take ``+selected-slave`` and what follows it: the leader wants this node to be the master."""
        if node == self.address or self._outdated(epoch) or self._impossible(sentinel, node, moment):
            return
        candidate = self._candidates.open(node, f"{sentinel} selected it")
        candidate.withdrawn_at = None
        candidate.named.setdefault(sentinel)
        candidate.epoch = epoch if epoch is not None else candidate.epoch
        self._judge(candidate, moment)

    def withdrawn(self, node: Address, now: float) -> None:
        """Take an abort: the node is a candidate no more, and is watched a while for a rogue promotion."""
        candidate = self._candidates.get(node)
        if candidate is not None and not candidate.announced:
            candidate.withdrawn_at = now

    def announced(
        self,
        sentinel: SentinelName,
        node: Address,
        old: Address | None,
        epoch: int | None,
        via: Via,
        can_ask: bool,
        moment: Moment,
    ) -> None:
        """
        Take a Sentinel's word that a node is the master now.

        Args:
            sentinel: who says so.
            node: the new address.
            old: the address before, as that Sentinel knew it.
            epoch: the epoch of the failover that selected this node; None where none is known.
            via: the event.
            can_ask: whether this Sentinel answers questions.
            moment: when.
        """
        view = self.view(sentinel)
        if self._impossible(sentinel, node, moment):
            return
        self.established = self.established or not can_ask
        if self.switch is not None and node != self.address and sentinel in self.switch.witnesses:
            self._standing.left(node)
        old = old if old is not None and old.possible else None
        if self.address is None:
            self.address = old
        if view.address is None and old is not None:
            view.address, view.index = old, self._place(old)
        if view.address == node:
            return self._confirm(view, epoch)
        made = self._history.next_to(node, view.index)
        self._move(view, node, epoch, moment.now)
        if made is not None:
            view.index, view.epoch = made[0] + 1, made[1].epoch
            return self._witness(view)
        if node == self.address:
            return self._confirm(view, epoch)
        if self._outdated(epoch):
            return
        candidate = self._candidates.open(node, f"{via} from {sentinel}")
        self._announce(candidate, view, via, epoch, moment.now)
        if candidate.epoch is None and can_ask:
            candidate.asked = True
            self._out.append(Ask(sentinel, (self.master,), f"{via} names no epoch"))
        self._judge(candidate, moment)

    def answered(
        self,
        sentinel: SentinelName,
        address: Address,
        epoch: int,
        moment: Moment,
        via: Via = Via.SNAPSHOT,
        run_id: str = "",
    ) -> None:
        """
        Take the pair that a Sentinel answered, or said in its hello: the address and its config epoch.

        Args:
            sentinel: who answered.
            address: the address.
            epoch: the config epoch.
            moment: when.
            via: by what it was said.
            run_id: of the node at that address; empty where it is not known.
        """
        view = self.view(sentinel)
        if self._impossible(sentinel, address, moment):
            return
        if epoch <= self._floor or self.epoch is None:
            # At a higher epoch it is a failover, whatever its node is called.
            address = self._one_name(view, address, run_id, moment)
        returned = not view.live or view.address is None
        self._answer(view, address, epoch, moment.now)
        view.run_id = run_id or view.run_id
        late = epoch > self._floor or moment.now < self._standing.since + SETTLE
        if view.incarnation < self.incarnation and address != self.address and late:
            return
        view.incarnation = self.incarnation
        if self.address is None or (not self.established and epoch > self._floor):
            self.address, self.epoch, self._floor, self._standing.since = address, epoch, epoch, moment.now
        elif address == self.address:
            self._agree(view, epoch, moment)
        elif epoch > self._floor or self._candidates.asked(address):
            self._follow(view, address, epoch, via, moment)
        elif self.established:
            self._ignore(view, epoch, returned, moment)
        self._anew(moment)

    def monitored(self, sentinel: SentinelName, address: Address, can_ask: bool, moment: Moment) -> None:
        """Take ``+monitor``: this Sentinel begins anew, at epoch 0 (sentinel.c, createSentinelRedisInstance)."""
        view = self.view(sentinel)
        if self._impossible(sentinel, address, moment):
            return
        self._move(view, address, 0, moment.now)
        view.fresh, view.incarnation = True, self.incarnation
        if self.address is None:
            self.address, self.epoch, self._standing.since = address, 0, moment.now
        if can_ask:
            self._out.append(Ask(sentinel, (self.master,), "it was told to monitor this master"))
        self._anew(moment)

    def forgotten(self, sentinel: SentinelName, moment: Moment) -> None:
        """Take ``-monitor``, or an answer without this master: this Sentinel monitors it no more."""
        if not self.voters.leave(sentinel, moment.now + SETTLE):
            return
        if not self.views:
            self._notices.removed(sentinel, moment)
        self._anew(moment)

    def renewed(self, sentinel: SentinelName) -> None:
        """Take a new run id under a known name: that Sentinel has lost its memory."""
        self.voters.renew(sentinel)

    def lost(self, sentinel: SentinelName) -> None:
        """Take the loss of a link: what that Sentinel said is kept, but does not count as heard."""
        if sentinel in self.views:
            self.views[sentinel].live = False

    def surveyed(self, electorate: Electorate, moment: Moment) -> None:
        """Take who counts for this master now, for people alone: what has changed is said once."""
        self._notices.electorate(electorate, moment)

    def gone(self, sentinel: SentinelName) -> None:
        """Drop a Sentinel for good: it does not count as a voter any more."""
        self.views.pop(sentinel, None)

    @property
    def imminent(self) -> Address | None:
        """The candidate that has just behaved as a promotion makes a node behave, or says that it is a master."""
        return self._candidates.imminent(self.voters.unlisted)

    # -- what nodes say -----------------------------------------------------------------------------

    def probed(self, probe: Probe, moment: Moment) -> None:
        """Take a node's ROLE, or why it gave none."""
        if probe.ended:
            return self._candidates.ended(probe.node)
        if probe.node == self._standing.confirming and probe.node == self.address:
            self._standing.answered(probe.role)
            return self._anew(moment)
        candidate = self._candidates.get(probe.node)
        if candidate is None:
            return
        candidate.role, candidate.reason, candidate.ended = probe.role, probe.reason, False
        self._judge(candidate, moment)

    def claims(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """Take ``-role-change … master``: a node that should be a replica says it is a master."""
        if node == self.address:
            return
        candidate = self._candidates.get(node)
        if candidate is None:
            self._notices.second(sentinel, node, moment)
        elif candidate.withdrawn_at is not None:
            self._notices.rogue(sentinel, node, moment)

    def demoted(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """Take ``+convert-to-slave``: a Sentinel makes this node a replica."""
        if node == self.address and node == self._standing.confirming:
            self._standing.demoted()
            self._anew(moment)

    # -- time ---------------------------------------------------------------------------------------

    def establish(self, moment: Moment) -> None:
        """
        End the first phase: from now on a change of address is a switch.

        What a majority gives is the first belief. Who gives another at a higher epoch may be the first that knows of a
        failover, or may lie: its node is asked.
        """
        settled, self._standing.since = self.established, moment.now
        self.established = self.address is not None
        if settled or not self.established:
            return
        most = self.voters.most
        backed = self.voters.backed(most)
        if most is None or backed is None:
            return
        self.address = most
        self.epoch = self._floor = self._backed = backed
        for view in self.views.values():
            if view.live and view.address not in (None, most) and view.epoch is not None and view.epoch > backed:
                self._follow(view, view.address, view.epoch, Via.SNAPSHOT, moment)

    def tick(self, moment: Moment) -> None:
        """Decide what has waited long enough, and drop what was withdrawn long ago."""
        self._ticked = moment.now
        self.voters.expire(moment.now)
        for candidate in self._candidates:
            if candidate.withdrawn_at is not None and moment.now >= candidate.withdrawn_at + SETTLE:
                self._candidates.drop(candidate)
            else:
                self._judge(candidate, moment)
                self._disbelieve(candidate, moment)
        self._anew(moment)

    # -- the judgement ------------------------------------------------------------------------------

    def _judge(self, candidate: Candidate, moment: Moment) -> None:
        if self._candidates.get(candidate.node) is not candidate:
            return
        if candidate.node == self.address or (candidate.anew is None and self._outdated(candidate.epoch)):
            return self._candidates.drop(candidate)
        if candidate.withdrawn_at is not None:
            if candidate.role == "master":
                self._notices.rogue(None, candidate.node, moment)
            return
        grade = self._earned(candidate, moment.now)
        if grade is not None:
            self._decide(candidate, grade, moment)

    def _disbelieve(self, candidate: Candidate, moment: Moment) -> None:
        """Give up what was announced where its node has denied it, or a majority contradicts it, for long enough."""
        since, said_by = candidate.announced_at, next(iter(candidate.announced), None)
        if since is None or said_by is None or candidate.anew or self._candidates.get(candidate.node) is not candidate:
            return
        if candidate.denied and moment.now >= since + self.timeout:
            self._notices.denied(said_by, candidate.node, candidate.role, moment)
        elif moment.now >= since + SETTLE and self.voters.contradicting(
            candidate.node, since, moment.now, self.timeout, SETTLE
        ):
            self._notices.contradicted(said_by, candidate.node, moment)
        else:
            return
        if candidate.named:
            candidate.retract()  # it was selected too, and may still be promoted
        else:
            self._candidates.drop(candidate)

    def _earned(self, candidate: Candidate, now: float) -> Grade | None:
        """Return the grade with which the candidate is decided now, or None while it has to wait."""
        late = candidate.announced_at is not None and now >= candidate.announced_at + self.timeout
        proved = candidate.role == "master" and not self.voters.unlisted(candidate.node)
        contradicted = not proved and not candidate.denied and self._contradicted(candidate, now)
        if candidate.announced and candidate.epoch is None and candidate.asked and not late:
            return None
        if candidate.denied:
            return None
        if self.policy is Grade.AGREED:
            return Grade.AGREED if self.voters.support(candidate.node) >= self.voters.majority else None
        if proved:
            return Grade.PROMOTED
        if not candidate.announced:
            return None
        if candidate.anew is Cause.UNKNOWN and self._standing.firm(now):
            return None
        unasked = self.policy is Grade.ANNOUNCED or not self.probing or bool(candidate.reason)
        return Grade.ANNOUNCED if (unasked or late) and not contradicted else None

    def _contradicted(self, candidate: Candidate, now: float) -> bool:
        """Whether a majority of the Sentinels that are heard gives another address; those are asked again, once."""
        since = candidate.announced_at
        if since is None or candidate.anew:
            return False
        against = self.voters.contradicting(candidate.node, since, now, self.timeout, SETTLE)
        if against and not candidate.compared:
            candidate.compared = True
            doubt = "can't be asked" if candidate.role is None else "is none that most Sentinels list"
            why = f"{next(iter(candidate.announced))} announces {candidate.node}, and its node {doubt}"
            self._out += [Ask(view.sentinel, (self.master,), why) for view in against]
        return bool(against)

    def _decide(self, candidate: Candidate, grade: Grade, moment: Moment) -> None:
        via = next(iter(candidate.announced.values()), Via.ROLE)
        if candidate.anew is not None:
            self._begin_anew(candidate.node)
        support = self.voters.support(candidate.node)
        self.switch = Switch(
            deployment=self.deployment,
            master=self.master,
            old=self.address,
            new=candidate.node,
            epoch=candidate.epoch,
            incarnation=self.incarnation,
            grade=grade,
            cause=candidate.anew or Cause.FAILOVER,
            via=via,
            witnesses=candidate.witnesses,
            why=why(candidate, grade, via, support, self.voters.count, self._unproved(candidate)),
            at=moment.now,
            time=moment.wall,
        )
        self._out.append(self.switch)
        self.established = True
        self._remember(candidate, via, moment.now)
        for other in self._candidates:
            if other is candidate or candidate.epoch is None or self._outdated(other.epoch):
                self._candidates.drop(other, keep_probe=other is candidate and via is Via.ROLE)

    def _remember(self, candidate: Candidate, via: Via, now: float) -> None:
        for view in self.views.values():
            view.called = None
        self._history.add(Transition(candidate.epoch, self.address, candidate.node))
        for view in self.views.values():
            # Who held to the address that is left will follow: it was told to monitor this very incarnation.
            view.fresh = view.fresh and view.address != self.address
        self._stop_confirming()
        self.address, self.epoch = candidate.node, candidate.epoch
        self._floor = max(self._floor, -1 if candidate.epoch is None else candidate.epoch)
        self._standing.begin(now, candidate.node if via is Via.ROLE else None)
        self._notices.occasion = (self.incarnation, self.epoch)
        for view in self.views.values():
            # Another may hold to this address from before an A-B-A, and has made none of it yet.
            if view.address == candidate.node and view.sentinel in candidate.announced:
                view.index = self._history.made

    def _unproved(self, candidate: Candidate) -> str:
        if not self.probing:
            return "the node was not asked"
        return unproved(candidate, None if self.policy is Grade.ANNOUNCED else self.timeout)

    # -- new incarnations ---------------------------------------------------------------------------

    def _otherwise(self) -> list[View]:
        return self.voters.otherwise(self.address, self.incarnation, self._floor) if self.established else []

    def _anew(self, moment: Moment) -> None:
        for view in self._otherwise():
            if view.address is not None:
                view.address = self._one_name(view, view.address, view.run_id, moment)
        group = self._otherwise()
        stale = [c for c in self._candidates if c.anew and not any(v.address == c.node for v in group)]
        for candidate in stale:
            self._candidates.drop(candidate)
        cause = self._standing.cause_anew(group, self._abandoned, moment.now)
        if cause is None or group[0].address is None:
            return
        candidate = self._candidates.open(group[0].address, "a majority gives it anew")
        candidate.anew = cause
        for view in group:
            self._announce(candidate, view, Via.SNAPSHOT, None, moment.now)
        candidate.epoch = max(view.epoch or 0 for view in group)
        self._judge(candidate, moment)

    @property
    def _abandoned(self) -> bool:
        """Whether who chose the believed node neither is heard nor has announced it."""
        chosen_by = self.switch.witnesses if self.switch is not None else ()
        views = [view for name in chosen_by if (view := self.views.get(name)) is not None]
        return not any(view.live or view.address == self.address for view in views)

    def _begin_anew(self, node: Address | None) -> None:
        self.incarnation += 1
        self._history.clear()
        self._floor = self._backed = -1
        for view in self.views.values():
            view.index = 0
            if view.address == node:
                view.incarnation = self.incarnation

    # -- the parts of an answer ---------------------------------------------------------------------

    def _answer(self, view: View, address: Address, epoch: int, now: float) -> None:
        if self.voters.returns(view.sentinel):
            view.fresh = True
        if (address, epoch) != (view.address, view.epoch):
            view.since = now
            if view.incarnation < self.incarnation and view.epoch is not None:
                view.incarnation = self.incarnation
        if epoch >= self._floor and epoch > 0:
            view.fresh = False
        if address != view.address:
            view.moved(address)
        view.live, view.address, view.epoch, view.answered_at = True, address, epoch, now
        current = address == self.address
        view.index = self._history.made if current else self._history.index_at(epoch)

    def _agree(self, view: View, epoch: int, moment: Moment) -> None:
        backed = self.voters.backed(self.address)
        # Who has said the same for so long, and again so long after the switch, is not behind.
        long_backed = self.voters.backed(self.address, moment.now - SETTLE, self._standing.since + SETTLE)
        if self.epoch is None and epoch >= self._floor:
            self._date(epoch)
        elif backed is not None and backed > self._floor:
            if self.epoch is not None and self.established:
                self._notices.missed(view.sentinel, self.epoch, backed, moment)
            self._date(backed)
        elif long_backed is not None and self.epoch is not None and self._backed <= long_backed < self._floor:
            # One Sentinel's word, without end, would make outdated whatever the others do from now on.
            self._notices.overstated(self.epoch, long_backed, moment)
            self._begin_anew(view.address)
            self._date(long_backed)
        self._backed = max(self._backed, -1 if backed is None else backed)
        if epoch == self.epoch:
            self._witness(view)

    def _date(self, epoch: int) -> None:
        """Take the epoch of the belief."""
        self.epoch = self._floor = epoch
        if self.switch is not None and self.switch.epoch is None and self.switch.new == self.address:
            self.switch = replace(self.switch, epoch=epoch)

    def _follow(self, view: View, address: Address, epoch: int, via: Via, moment: Moment) -> None:
        candidate = self._candidates.open(address, f"{view.sentinel} answers with it at epoch {epoch}")
        if candidate.asked:
            candidate.asked, candidate.epoch = False, epoch
        if candidate.anew is None:
            candidate.epoch = max(epoch, candidate.epoch or epoch)
            candidate.withdrawn_at = None
            self._announce(candidate, view, via, epoch, moment.now)
        self._judge(candidate, moment)

    def _ignore(self, view: View, epoch: int, returned: bool, moment: Moment) -> None:
        self.stale_answers += 1
        if epoch == self.epoch:
            self._notices.disagrees(view.sentinel, view.address, epoch, self.address, moment)
        elif returned:
            self._notices.stale(view.sentinel, view.address, epoch, moment)

    def _announce(self, candidate: Candidate, view: View, via: Via, epoch: int | None, now: float) -> None:
        candidate.announced.setdefault(view.sentinel, via)
        candidate.withdrawn_at = None
        candidate.announced_at = now if candidate.announced_at is None else candidate.announced_at
        candidate.epoch = epoch if candidate.epoch is None else candidate.epoch

    # -- one node, two names ------------------------------------------------------------------------

    def in_our_words(
        self, sentinel: SentinelName, event: InstanceEvent | SwitchedMaster, moment: Moment
    ) -> InstanceEvent | SwitchedMaster:
        """Return an event with our address for the believed node, where its Sentinel has another for it."""
        view = self.views.get(sentinel)
        return event if view is None else self._names.in_our_words(self.address, view, event, moment)

    def _one_name(self, view: View, address: Address, run_id: str, moment: Moment) -> Address:
        """Return the believed address where a Sentinel has another for that very node; else its own."""
        switch = self.switch
        if switch is not None and switch.new == self.address and switch.grade is Grade.ANNOUNCED:
            # Only Sentinels speak for it, and one of them may have made up its run id as well.
            return address
        ours = self._names.ours(self.address, view, address, run_id, moment)
        candidate = None if ours == address else self._candidates.get(address)
        if candidate is not None:
            self._candidates.drop(candidate)
        return ours

    # -- small matters ------------------------------------------------------------------------------

    def _place(self, address: Address) -> int:
        """Return how many switches a Sentinel has made that holds to this address."""
        history = self._history
        return history.made if address == self.address else history.index_of(address)

    def _move(self, view: View, address: Address, epoch: int | None, now: float) -> None:
        view.live, view.address, view.epoch, view.since = True, address, epoch, now
        view.incarnation = self.incarnation
        view.moved(address)

    def _confirm(self, view: View, epoch: int | None) -> None:
        view.index = self._history.made
        view.epoch = epoch if epoch is not None else self.epoch
        self._witness(view)

    def _witness(self, view: View) -> None:
        switch = self.switch
        if switch is None or view.address != switch.new or view.address != self.address:
            return
        if view.sentinel not in switch.witnesses or self.voters.support(self.address) >= self.voters.majority:
            self._stop_confirming()  # the leader's word alone may be all that ever comes of it
        if view.sentinel not in switch.witnesses and len(switch.witnesses) < LIMITS.witnesses:
            self.switch = replace(switch, witnesses=(*switch.witnesses, view.sentinel))

    def _outdated(self, epoch: int | None) -> bool:
        return epoch is not None and epoch <= self._floor

    def _impossible(self, sentinel: SentinelName, node: Address, moment: Moment) -> bool:
        if not node.possible:
            self._notices.impossible(sentinel, node, moment)
        return not node.possible

    def _stop_confirming(self) -> None:
        if self._standing.confirming is not None:
            self._candidates.leave(self._standing.confirming)
            self._standing.confirmed()
