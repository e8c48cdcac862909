"""
Who is master: one `Belief` for each master, which applies the rules below and is moved by nothing else.

1. Epochs order, never arrival. A fact of a lower epoch never moves the belief. One of the same epoch with another
   address is a disagreement: it is reported, not followed. A higher epoch makes a candidate.
2. A candidate is decided when it has the grade that the policy asks for. A node that denies being a master is never
   followed. If the node can't be asked, or is silent for ``timeout``, an announcement is enough, unless a majority
   of the Sentinels that are heard contradicts it; the Switch says so. What a node says that they do not list as one of
   this master's proves nothing: it counts as silent.
3. An announcement without an epoch is settled by asking its Sentinel. If that is impossible (a transcript, an ACL),
   it counts by its place: `View.index` says which switches that Sentinel has made.
4. Epochs begin again, in a new incarnation, when a majority that was told to monitor the master from scratch agrees, or
   when a majority gives another address for `SETTLE` and finds it well.
5. One Sentinel can't raise the epoch that orders the others' words: a majority must give it, or a switch.

What follows from rule 2: a node that was decided on by its ROLE alone is still asked, until a Sentinel confirms it; the
leader that promoted it may leave it (`standing`).

`BelievedMaster` owns what is believed and `Views` what each Sentinel says; `Voters` counts that, and `Candidates` holds
what may come next. This module only decides what they mean for each other. There is no clock: time comes in as a
`Moment`, or as `now`, in monotonic seconds.
"""

from __future__ import annotations

from ..model import Address, Cause, Grade, Moment, SentinelName, Via
from ..wire.events import InstanceEvent, SwitchedMaster
from ..wire.facts import Probe
from .believed import BelievedMaster
from .candidate_masters import Candidate, Candidates, unproved, why
from .decisions import Ask, Decision, Switch
from .members import Members
from .node_names import RENAMED, NodeNames
from .notices import Notices
from .standing import SETTLE, Standing
from .topology import Electorate
from .views import View, Views
from .voters import Voters

__all__ = ["Belief"]


class Belief:
    """
    What is believed of one master's address.

    Args:
        deployment: the deployment's name.
        master: the master's name.
        policy: the least grade that a Switch must have.
        probing: whether nodes can be asked for their ROLE.
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
        self.believed = BelievedMaster()
        self.views = Views(self.believed)
        """What each Sentinel says."""
        self.voters = Voters(self.views, members)
        self.stale_answers = 0
        """Answers of an older epoch that were not followed."""
        self._standing = Standing(self.believed)
        self._ticked = -1.0
        """When `tick` was last called, in monotonic seconds."""
        self._out: list[Decision] = []
        self._notices = Notices(deployment, master, lambda notice: self._out.append(notice))
        self._names = NodeNames(self.voters, self._notices)
        self._candidates = Candidates(master, probing, lambda decision: self._out.append(decision))

    # -- what a reader gets -------------------------------------------------------------------------

    @property
    def address(self) -> Address | None:
        """The believed address; None until a Sentinel has named one."""
        return self.believed.address

    @property
    def epoch(self) -> int | None:
        """Its config epoch; None if no fact has named it."""
        return self.believed.epoch

    @property
    def incarnation(self) -> int:
        """How often epochs began again."""
        return self.believed.incarnation

    @property
    def established(self) -> bool:
        """Whether the first answers are in, so that another address is a switch."""
        return self.believed.established

    @property
    def switch(self) -> Switch | None:
        """The last switch, with all its witnesses."""
        return self.believed.switch

    @property
    def grade(self) -> Grade:
        """The evidence for the belief now."""
        if self.voters.support(self.address) >= self.voters.majority:
            return Grade.AGREED
        return self.switch.grade if self.switch is not None else Grade.ANNOUNCED

    @property
    def imminent(self) -> Address | None:
        """The candidate that has just behaved as a promotion makes a node behave, or says that it is a master."""
        return self._candidates.imminent(self.voters.unlisted)

    @property
    def pending(self) -> bool:
        """Whether something was decided that `decisions` has not returned yet."""
        return bool(self._out)

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in monotonic seconds; what an earlier tick has seen is not due again."""
        group, due = self._opposition(), self.voters.deadlines
        if not (group or self._candidates or due):
            return None  # read after every event, and nearly always so
        due += self._candidates.deadlines(self.timeout)
        due += self._standing.deadlines(group)
        first: float | None = None
        for moment in due:
            if moment > self._ticked and (first is None or moment < first):
                first = moment
        return first

    def down_after(self, sentinel: SentinelName) -> float | None:
        """Return a Sentinel's ``down-after-milliseconds`` for this master, in seconds; None if it is not known."""
        view = self.views.by_sentinel.get(sentinel)
        return None if view is None else view.down_after

    def wants(self, node: Address) -> bool:
        """Return whether the ROLE of a node still matters: it is a candidate, or waits to be confirmed."""
        return self._candidates.get(node) is not None or self._standing.confirming == node

    @property
    def candidates(self) -> int:
        """How many addresses may come next."""
        return len(self._candidates)

    def decisions(self) -> list[Decision]:
        """Return what was decided since the last call."""
        out, self._out = self._out, []
        return out

    # -- what Sentinels say -------------------------------------------------------------------------

    def view(self, sentinel: SentinelName) -> View:
        """Return this Sentinel's account; it is created if there is none."""
        return self.views.of(sentinel)

    def mentioned(self, sentinel: SentinelName, address: Address, can_ask: bool, now: float) -> View:
        """
        Fold in the master's address that an event carries beside its news.

        It is the first word of a transcript. Later it is only a hint, since the leader names the old address until its
        own ``+switch-master``.

        Args:
            sentinel: whose event it is.
            address: the address that it names.
            can_ask: whether this Sentinel answers questions.
            now: monotonic seconds.

        Returns:
            What this Sentinel says.
        """
        view, believed = self.views.of(sentinel), self.believed
        if address == view.address and believed.address is not None:
            return view  # nearly always
        if (view.address is None or believed.address is None) and not address.possible:
            return view
        if view.address is None:
            self.views.mention(view, address, now)
        if believed.address is None:
            believed.begin(address, now)
            if not can_ask:
                believed.skip_first_phase()
        elif can_ask and address not in (view.address, believed.address) and not believed.past.was_at(address):
            self._out.append(Ask(sentinel, (self.master,), f"it names {address}, which is not the belief"))
        return view

    def named(self, sentinel: SentinelName, node: Address, epoch: int | None, moment: Moment) -> None:
        """Fold in ``+selected-slave`` and what follows it: the leader wants this node to be the master."""
        if node == self.address or self.believed.outdated(epoch) or self._impossible(sentinel, node, moment):
            return
        candidate = self._candidates.open(node, f"{sentinel} selected it")
        candidate.name(sentinel, epoch)
        self._judge(candidate, moment)

    def withdrawn(self, node: Address, now: float) -> None:
        """Fold in an abort: the node is no longer a candidate, and is watched a while for a rogue promotion."""
        candidate = self._candidates.get(node)
        if candidate is not None and not candidate.announced:
            candidate.withdraw(now)

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
        Fold in a Sentinel's word that a node is the master now.

        Args:
            sentinel: who says so.
            node: the new address.
            old: the address before, as that Sentinel knew it.
            epoch: the epoch of the failover that selected this node; None if none is known.
            via: the event.
            can_ask: whether this Sentinel answers questions.
            moment: when.
        """
        view, believed = self.views.of(sentinel), self.believed
        if self._impossible(sentinel, node, moment):
            return
        if not can_ask:
            believed.skip_first_phase()
        if believed.switch is not None and node != believed.address and sentinel in believed.switch.witnesses:
            self._standing.left(node)
        if old is not None and old.possible:
            if believed.address is None:
                believed.begin(old, believed.since)  # it was there before this word
            if view.address is None:
                self.views.start(view, old)
        if view.address == node:
            return self._confirm(view, epoch)
        made = believed.past.next_to(node, view.index)
        self.views.move(view, node, epoch, moment.now)
        if made is not None:
            self.views.make(view, *made)
            return self._witness(view)
        if node == believed.address:
            return self._confirm(view, epoch)
        if believed.outdated(epoch):
            return
        candidate = self._candidates.open(node, f"{via} from {sentinel}")
        candidate.announce(sentinel, via, epoch, moment.now)
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
        Fold in the pair that a Sentinel answered, or published in its hello: the address and its config epoch.

        Args:
            sentinel: who answered.
            address: the address.
            epoch: the config epoch.
            moment: when.
            via: by what it was said.
            run_id: of the node at that address; empty if it is not known.
        """
        view, believed = self.views.of(sentinel), self.believed
        if self._impossible(sentinel, address, moment):
            return
        if epoch <= believed.floor or believed.epoch is None:
            # At a higher epoch it is a failover, whatever its node is called.
            address = self._one_name(view, address, run_id, moment)
        returned = not view.live or view.address is None
        self.views.answer(view, address, epoch, run_id, moment.now)
        late = epoch > believed.floor or moment.now < believed.since + SETTLE
        if view.incarnation < believed.incarnation and address != believed.address and late:
            return
        self.views.join(view)
        if believed.address is None or (not believed.established and epoch > believed.floor):
            believed.answer(address, epoch, moment.now)
        elif address == believed.address:
            self._agree(view, epoch, moment)
        elif epoch > believed.floor or self._candidates.asked(address):
            self._follow(view, address, epoch, via, moment)
        elif believed.established:
            self._ignore(view, epoch, returned, moment)
        self._compare_incarnations(moment)

    def monitored(self, sentinel: SentinelName, address: Address, can_ask: bool, moment: Moment) -> None:
        """Fold in ``+monitor``: this Sentinel begins at epoch 0 (createSentinelRedisInstance() in sentinel.c)."""
        view = self.views.of(sentinel)
        if self._impossible(sentinel, address, moment):
            return
        self.views.monitor(view, address, moment.now)
        if self.address is None:
            self.believed.begin(address, moment.now, epoch=0)
        if can_ask:
            self._out.append(Ask(sentinel, (self.master,), "it was told to monitor this master"))
        self._compare_incarnations(moment)

    def forgotten(self, sentinel: SentinelName, moment: Moment) -> None:
        """Fold in ``-monitor``, or an answer without this master: this Sentinel monitors it no longer."""
        view = self.views.leave(sentinel)
        if view is None:
            return
        self.voters.leave(view, moment.now + SETTLE)
        if not self.views.by_sentinel:
            self._notices.removed(sentinel, moment)
        self._compare_incarnations(moment)

    def renewed(self, sentinel: SentinelName) -> None:
        """Fold in a new run id under a known name: that Sentinel has lost its memory."""
        self.views.renew(sentinel)

    def lost(self, sentinel: SentinelName) -> None:
        """Fold in the loss of a link: what that Sentinel said is kept, but does not count."""
        self.views.lose(sentinel)

    def gone(self, sentinel: SentinelName) -> None:
        """Drop a Sentinel for good: it no longer counts as a voter."""
        self.views.by_sentinel.pop(sentinel, None)

    def surveyed(self, electorate: Electorate, moment: Moment) -> None:
        """Report what has changed of the Sentinels that count for this master; nothing is decided by it."""
        self._notices.electorate(electorate, moment)

    # -- what nodes say -----------------------------------------------------------------------------

    def probed(self, probe: Probe, moment: Moment) -> None:
        """Fold in a node's ROLE, or why it gave none."""
        if probe.ended:
            return self._candidates.ended(probe.node)
        if probe.node == self._standing.confirming and probe.node == self.address:
            self._standing.answered(probe.role)
            return self._compare_incarnations(moment)
        candidate = self._candidates.get(probe.node)
        if candidate is not None:
            candidate.probe(probe)
            self._judge(candidate, moment)

    def claims(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """Fold in ``-role-change … master``: a node that should be a replica says it is a master."""
        if node == self.address:
            return
        candidate = self._candidates.get(node)
        if candidate is None:
            self._notices.second(sentinel, node, moment)
        elif candidate.withdrawn_at is not None:
            self._notices.rogue(sentinel, node, moment)

    def demoted(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """Fold in ``+convert-to-slave``: a Sentinel makes this node a replica."""
        if node == self.address and node == self._standing.confirming:
            self._standing.demoted()
            self._compare_incarnations(moment)

    # -- time ---------------------------------------------------------------------------------------

    def establish(self, moment: Moment) -> None:
        """
        End the first phase: from now on another address is a switch.

        What a majority gives is the first belief. A Sentinel that gives another address at a higher epoch may be the
        first that knows of a failover, or may lie: its node is asked.
        """
        if not self.believed.establish(moment.now):
            return
        most = self.voters.most
        backed = self.voters.backed(most)
        if most is None or backed is None:
            return
        self.believed.settle(most, backed)
        for view in self.views.by_sentinel.values():
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
        self._compare_incarnations(moment)

    # -- candidates ---------------------------------------------------------------------------------

    def _judge(self, candidate: Candidate, moment: Moment) -> None:
        if self._candidates.get(candidate.node) is not candidate:
            return
        if candidate.node == self.address or (candidate.begins is None and self.believed.outdated(candidate.epoch)):
            return self._candidates.drop(candidate)
        if candidate.withdrawn_at is not None:
            if candidate.role == "master":
                self._notices.rogue(None, candidate.node, moment)
            return
        grade = self._earned(candidate, moment.now)
        if grade is not None:
            self._decide(candidate, grade, moment)

    def _disbelieve(self, candidate: Candidate, moment: Moment) -> None:
        """Give up an announcement that its node has denied, or a majority has contradicted, for long enough."""
        since, said_by = candidate.announced_at, next(iter(candidate.announced), None)
        if since is None or said_by is None or candidate.begins:
            return
        if self._candidates.get(candidate.node) is not candidate:
            return
        if candidate.denied and moment.now >= since + self.timeout:
            self._notices.denied(said_by, candidate.node, candidate.role, moment)
        elif moment.now >= since + SETTLE and self._opposing(candidate, since, moment.now):
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
        if candidate.begins is Cause.UNKNOWN and self._standing.firm(now):
            return None
        if not self.voters.heard:
            return None  # those that are lost could contradict
        unasked = self.policy is Grade.ANNOUNCED or not self.probing or bool(candidate.reason)
        return Grade.ANNOUNCED if (unasked or late) and not contradicted else None

    def _opposing(self, candidate: Candidate, since: float, now: float) -> list[View]:
        asked = now if candidate.compared_at is None else candidate.compared_at
        return self.voters.contradicting(candidate.node, since, now < asked + SETTLE)

    def _contradicted(self, candidate: Candidate, now: float) -> bool:
        """Return whether a majority of the Sentinels that are heard gives another address; ask those again, once."""
        since = candidate.announced_at
        if since is None or candidate.begins:
            return False
        against = self._opposing(candidate, since, now)
        if against and candidate.compared_at is None:
            candidate.compared_at = now
            doubt = "can't be asked" if candidate.role is None else "is none that most Sentinels list"
            why = f"{next(iter(candidate.announced))} announces {candidate.node}, and its node {doubt}"
            self._out += [Ask(view.sentinel, (self.master,), why) for view in against]
        return bool(against)

    def _follow(self, view: View, address: Address, epoch: int, via: Via, moment: Moment) -> None:
        candidate = self._candidates.open(address, f"{view.sentinel} answers with it at epoch {epoch}")
        candidate.answer(view.sentinel, via, epoch, moment.now)
        self._judge(candidate, moment)

    def _decide(self, candidate: Candidate, grade: Grade, moment: Moment) -> None:
        via = next(iter(candidate.announced.values()), Via.ROLE)
        if candidate.begins is not None:
            self._begin_incarnation(candidate.node)
        support = self.voters.support(candidate.node)
        switch = Switch(
            deployment=self.deployment,
            master=self.master,
            old=self.address,
            new=candidate.node,
            epoch=candidate.epoch,
            incarnation=self.incarnation,
            grade=grade,
            cause=candidate.begins or Cause.FAILOVER,
            via=via,
            witnesses=candidate.witnesses,
            why=why(candidate, grade, via, support, self.voters.count, self._unproved(candidate)),
            at=moment.now,
            time=moment.wall,
        )
        self._out.append(switch)
        self._stop_confirming()
        self.believed.move(switch, moment.now)
        self.views.switched(switch, candidate.announced)
        self._standing.begin(candidate.node if via is Via.ROLE else None)
        self._notices.occasion = (self.incarnation, self.epoch)
        for other in self._candidates:
            if other is candidate or candidate.epoch is None or self.believed.outdated(other.epoch):
                self._candidates.drop(other, keep_probe=other is candidate and via is Via.ROLE)

    def _unproved(self, candidate: Candidate) -> str:
        if not self.probing:
            return "the node was not asked"
        return unproved(candidate, None if self.policy is Grade.ANNOUNCED else self.timeout)

    # -- new incarnations ---------------------------------------------------------------------------

    def _opposition(self) -> list[View]:
        """Return the majority that gives one other address at no higher epoch, if there is one."""
        believed = self.believed
        if not believed.established:
            return []
        return self.voters.otherwise(believed.address, believed.incarnation, believed.floor)

    def _compare_incarnations(self, moment: Moment) -> None:
        """Follow a majority that gives another address at no higher epoch, if epochs have begun again there."""
        for view in self._opposition():
            if view.address is not None:
                self.views.rename(view, self._one_name(view, view.address, view.run_id, moment))
        group = self._opposition()
        stale = [c for c in self._candidates if c.begins and not any(v.address == c.node for v in group)]
        for candidate in stale:
            self._candidates.drop(candidate)
        cause = self._standing.incarnation_cause(group, self._abandoned, moment.now)
        if cause is None or group[0].address is None:
            return
        candidate = self._candidates.open(group[0].address, "a majority gives it, and epochs begin again")
        candidate.begin_incarnation(cause, group, moment.now)
        self._judge(candidate, moment)

    @property
    def _abandoned(self) -> bool:
        """Whether the leader that chose the believed node neither is heard nor has announced it."""
        chosen_by = self.switch.witnesses if self.switch is not None else ()
        views = [view for name in chosen_by if (view := self.views.by_sentinel.get(name)) is not None]
        return not any(view.live or view.address == self.address for view in views)

    def _begin_incarnation(self, node: Address | None) -> None:
        self.believed.renew()
        self.views.begin_incarnation(node)

    # -- what confirms or contradicts the belief ----------------------------------------------------

    def _agree(self, view: View, epoch: int, moment: Moment) -> None:
        believed = self.believed
        backed = self.voters.backed(self.address)
        # Sentinels that have said the same for so long, and again so long after the switch, are not behind.
        long_backed = self.voters.backed(self.address, moment.now - SETTLE, believed.since + SETTLE)
        if believed.epoch is None and epoch >= believed.floor:
            believed.date(epoch)
        elif backed is not None and backed > believed.floor:
            if believed.epoch is not None and believed.established:
                self._notices.missed(view.sentinel, believed.epoch, backed, moment)
            believed.date(backed)
        elif long_backed is not None and believed.epoch is not None and believed.backed <= long_backed < believed.floor:
            # Otherwise one Sentinel's word would make outdated whatever the others do from now on.
            self._notices.overstated(believed.epoch, long_backed, moment)
            self._begin_incarnation(view.address)
            believed.date(long_backed)
        believed.back(backed)
        if epoch == believed.epoch:
            self._witness(view)

    def _ignore(self, view: View, epoch: int, returned: bool, moment: Moment) -> None:
        self.stale_answers += 1
        if epoch == self.epoch:
            self._notices.disagrees(view.sentinel, view.address, epoch, self.address, moment)
        elif returned:
            self._notices.stale(view.sentinel, view.address, epoch, moment)

    def _confirm(self, view: View, epoch: int | None) -> None:
        self.views.confirm(view, epoch)
        self._witness(view)

    def _witness(self, view: View) -> None:
        switch = self.switch
        if switch is None or view.address != switch.new or view.address != self.address:
            return
        if view.sentinel not in switch.witnesses or self.voters.support(self.address) >= self.voters.majority:
            self._stop_confirming()  # there may never be more than the leader's word
        self.believed.witness(view.sentinel)

    def _stop_confirming(self) -> None:
        if self._standing.confirming is not None:
            self._candidates.leave(self._standing.confirming)
            self._standing.confirmed()

    def _impossible(self, sentinel: SentinelName, node: Address, moment: Moment) -> bool:
        if not node.possible:
            self._notices.impossible(sentinel, node, moment)
        return not node.possible

    # -- one node, two names ------------------------------------------------------------------------

    def in_our_words(
        self, sentinel: SentinelName, event: InstanceEvent | SwitchedMaster, moment: Moment
    ) -> InstanceEvent | SwitchedMaster:
        """Return an event with our address for the believed node, if its Sentinel has another for it."""
        view = self.views.by_sentinel.get(sentinel)
        if view is None or (view.called is None and event.channel not in RENAMED):
            return event
        return self._names.in_our_words(self.believed.address, view, event, moment)

    def _one_name(self, view: View, address: Address, run_id: str, moment: Moment) -> Address:
        """Return the believed address if a Sentinel has another for that very node; else its own."""
        switch = self.switch
        if switch is not None and switch.new == self.address and switch.grade is Grade.ANNOUNCED:
            # Only Sentinels speak for it, and one of them may have made up its run id as well.
            return address
        ours = self._names.ours(self.address, view, address, run_id, moment)
        candidate = None if ours == address else self._candidates.get(address)
        if candidate is not None:
            self._candidates.drop(candidate)
        return ours
