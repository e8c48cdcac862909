"""
The wire: what Sentinels and data nodes say, as typed values.

**In** come a peer's bytes, or a channel and a payload from a log or a transcript. **Out** go values: an `Event` (what a
Sentinel published), replies (what it answered), and commands as bytes. Nothing here knows who said something, when, or
whether it is true: no function takes a time, and no value holds a moment.

    bytes ── publications ──┬─────────────────────── grammar ──> Event            (a table: events)
                            └── resp ──> frames ──┬── grammar ──> Event
                                                  ├── replies ──> MasterReply …    (reply_parts, info)
                                                  └── refusal ──> Refusal          (error replies)

Read in this order:

- `events`: the table `EVENTS`, one row for each of the channels, and one class for each form of payload. Everything
  that the code knows of a channel is in its row; other packages' tables are comprehensions over it.
- `nouns`: what events and replies share: the kinds of instances, and what is not recognised.
- `grammar`: from a channel and a payload to an `Event`, by the form that the row names.
- `facts`: what a conversation can bring, in one union: `Fact` is what `belief` takes.
- `resp`: RESP2 and RESP3 by hiredis. Commands become bytes, bytes become frames, within bounds.
- `publications`: what a subscriber hears, cut where messages begin; only what is no common message becomes a frame.
- `refusal`: the kinds of error replies. The one place that reads a server's words.
- `replies`: one parser for each command that we send, and the values that they return.
- `reply_parts`: what these parsers share: text, numbers, addresses, rows.
- `info`: INFO, of a Sentinel or a data node.
- `hello`: the message by which Sentinels find each other; heard on data nodes.

Invariants:

- **No input raises.** What does not fit becomes `Unrecognised`, with what was expected; a stream that is broken says so
  in `FrameReader.broken`. The fuzzers hold this (fuzz/fuzz_grammar.py, fuzz/fuzz_replies.py).
- **All or nothing.** One bad row makes the whole reply `Unrecognised`: a list with a gap would pass for a smaller
  deployment.
- **How bytes are cut does not matter.** The same bytes give the same values, whole or one by one.
- **Memory is bounded.** `LIMITS` bounds frames, texts and lists, whatever a peer sends.
- **No password is kept.** ``+set`` is masked before it is read, and never cached.
- **Names survive.** Text is UTF-8 with surrogateescape, so any master's name goes back as it came. A peer's text is
  cleaned (`resp.plain`) where it enters a sentence.

The protocol's facts and their sources are in docs/topics/protocol.md.
"""
