"""
The belief: who is master, since when, and why; and what each failover went through.

**In** come facts, each with the Sentinel that said it and a `Moment`: events, answers, ROLE of data nodes, links that
came up or went down (`switchmaster.wire.facts`). **Out** go decisions (`decisions`): a `Switch`, a `Failover` record, a
`Notice` for people, and what the shell should connect, ask or probe next; and `topology`, an immutable value of all
that is believed. Nothing here knows a byte, a socket, a clock or chance: the same facts at the same moments give the
same decisions, in production, in a replay, in the simulation and under the fuzzer.

    facts ──> Watch ──┬── Roster ── KnownSentinel …                        (which are heard, which vote)
                      ├── Elections                                         (events that name no master)
                      └── Masters ──┬── Belief ── BelievedMaster, Views, Voters, Candidates
                                    └── Attempts ── Attempt …               (which failover an event belongs to)
    decisions, topology <── Watch

The rules, by which a belief alone moves (their words are in `decide`):

1. *Epochs order, never arrival.*
2. *A candidate needs the grade of the policy;* a node that denies being a master is never followed.
3. *An announcement without an epoch is settled by asking*, or by its place among the switches made.
4. *Epochs begin again in a new incarnation*, which a majority begins.
5. *One Sentinel can't raise the epoch* that orders the others' words.

Read in this order:

- `decisions`: what comes out. `topology`: what a reader gets; `words`: its words for people.
- `watch`: `Watch`, the entrance. It passes each fact on.
- `decide`: `Belief`, the rules for one master. What it moves belongs to these:
  - `believed`: the believed address, its epoch, the floor and the incarnation.
  - `past_addresses`: the switches of an incarnation, by which late announcements are known.
  - `views`: what each Sentinel says of the master, and how that compares with the belief.
  - `voters`: what the views add up to: majority, support, contradiction.
  - `candidate_masters`: addresses that may come next, and what speaks for each.
  - `standing`: how long a majority must contradict the belief, and whether its node is confirmed.
  - `node_names`: one node that Sentinels call by two addresses.
  - `notices`: what a person should know, each once.
- `judges`: what each event means for a belief, as a table.
- `failover`: the record of one attempt and the order of its stages. `attempts`: which attempt an event belongs to.
  `elections`: the same for epochs and votes, which name no master.
- `roster`: the Sentinels of the deployment: which to dial, which are one process. `members`: whose word is a vote.
  `electorate`: whether the Sentinels could fail a master over now.
- `followed_masters`: the masters, each settled after a fact; `schedule`: when each is due; `master_state`: the value
  that a reader gets of one.

Invariants, held by tests/unit/test_watch_random.py, the fuzzers and the simulation:

- **One Switch** for each master, incarnation, epoch and address; later announcements add witnesses to it.
- **The decided epoch never falls** within an incarnation, and incarnations only rise.
- **Promoted means proved:** no Switch has the grade ``promoted`` whose node did not answer ROLE ``master`` after a
  Sentinel named it.
- **A minority decides nothing alone** against the Sentinels that are heard, and admits no voter.
- **Memory is bounded** by `LIMITS`, whatever is said: masters, Sentinels, candidates, attempts, witnesses.
- **Every wait has a deadline:** after `Watch.tick`, `Watch.deadline` is later, or None.
"""
