from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchmaster.account.transcript import LINE_MAX, SKIPS_KEPT, Said, Skipped, Transcript, merge, read_transcript
from switchmaster.account.transcript_lines import read_prompt, read_time

TESTS = Path(__file__).parent.parent
CAPTURES = TESTS / "recorded" / "captures"
NOTE = TESTS / "recorded" / "transcripts" / "operators-note.txt"
TERMINALS = sorted(CAPTURES.glob("*.s?.redis-cli.txt"))

SDOWN = "master mymaster1 10.209.10.30 6390"
PMESSAGE = f'1) "pmessage"\n2) "*"\n3) "+sdown"\n4) "{SDOWN}"\n'
RAW = f"pmessage\n*\n+sdown\n{SDOWN}\n"
LINE = f'{{"ts": 1.5, "sentinel": "h:1", "channel": "+sdown", "payload": "{SDOWN}"}}\n'
CUT = "an incomplete message"
NO_TEXT = "a JSON object without the text of a channel and a payload"
NOT_SENTINEL = "published by a data node, not by a Sentinel"
LATE = {"redis-7.0.15-two-masters.s1.redis-cli.txt": 2}
"""Events that were published after the terminal subscribed and before the pipe did."""

each_terminal = pytest.mark.parametrize("path", TERMINALS, ids=lambda path: path.name)


def read(text: str | bytes) -> Transcript:
    return read_transcript(text, "file")


def heard(transcript: Transcript) -> list[tuple[str, str]]:
    return [(said.channel, said.payload) for said in transcript.said]


def is_subsequence(part: list[tuple[str, str]], whole: list[tuple[str, str]]) -> bool:
    rest = iter(whole)
    return all(each in rest for each in part)


def test_note_is_read_as_it_is() -> None:
    note = read_transcript(NOTE.read_bytes(), "note")
    assert 17 == len(note.said)
    assert ("10.209.10.31:46390",) == note.sentinels
    assert 2 == note.sessions
    assert [1] * 16 + [2] == [said.session for said in note.said]
    assert 0 == note.skipped
    assert "tty" == note.form
    assert ("+sdown", SDOWN) == heard(note)[0]
    assert ("+switch-master", "mymaster1 10.209.10.30 6391 10.209.10.30 6390") == heard(note)[-1]


def test_note_gives_the_lines_where_events_begin() -> None:
    lines = NOTE.read_text(encoding="utf-8").split("\n")
    for said in read_transcript(NOTE.read_bytes(), "note").said:
        assert '1) "pmessage"' == lines[said.line - 1]
        assert f'"{said.channel}"' in lines[said.line + 1]


def test_recordings_are_there() -> None:
    assert len(TERMINALS) > 20


@each_terminal
def test_recording_is_the_same_on_a_terminal_and_through_a_pipe(path: Path) -> None:
    tty = read_transcript(path.read_bytes(), "s")
    raw = read_transcript(path.with_suffix(".raw.txt").read_bytes(), "s")
    assert ("tty", "raw") == (tty.form, raw.form)
    assert heard(tty)[LATE.get(path.name, 0) :] == heard(raw)
    assert (0, 0) == (tty.skipped, raw.skipped)
    assert path.read_text().count('"pmessage"') == len(tty.said)


@each_terminal
def test_recording_by_redis_cli_is_a_part_of_the_timed_one(path: Path) -> None:
    capture, sentinel, *_ = path.name.rsplit(".", 3)
    timed = read_transcript((CAPTURES / f"{capture}.jsonl").read_bytes(), "all")
    number = int(sentinel[1])
    name = sorted(timed.sentinels)[number - 1]
    whole = [(said.channel, said.payload) for said in timed.said if said.sentinel == name]
    part = heard(read_transcript(path.read_bytes(), "s"))
    assert len(part) > 3
    assert is_subsequence(part, whole)


def test_recorded_lines_keep_sentinel_and_time() -> None:
    path = CAPTURES / "redis-7.0.15-main.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    transcript = read_transcript(path.read_bytes(), "all")
    assert "jsonl" == transcript.form
    assert 0 == transcript.skipped
    assert [(line["sentinel"], line["ts"], line["channel"], line["payload"]) for line in lines] == [
        (said.sentinel, said.time, said.channel, said.payload) for said in transcript.said
    ]


@pytest.mark.parametrize(
    ("quoted", "payload"),
    [
        (r"say \"hi\"", 'say "hi"'),
        (r"back\\slash", "back\\slash"),
        (r"\n\r\t\a\b", "\n\r\t\a\b"),
        (r"\xe4\xb8\xbb", "主"),
        (r"\xff\xfe", "\udcff\udcfe"),
        ("主", "主"),
        (r"\\x41", r"\x41"),
    ],
)
def test_quoting_of_redis_cli_is_undone(quoted: str, payload: str) -> None:
    assert [("+x", payload)] == heard(read(f'1) "message"\n2) "+x"\n3) "{quoted}"\n'))


def test_message_of_three_elements_is_heard_in_both_forms() -> None:
    tty = '1) "subscribe"\n2) "+sdown"\n3) (integer) 1\n1) "message"\n2) "+sdown"\n3) "x y"\n'
    raw = "subscribe\n+sdown\n1\nmessage\n+sdown\nx y\n"
    assert [("+sdown", "x y")] == heard(read(tty)) == heard(read(raw))
    assert (0, 0) == (read(tty).skipped, read(raw).skipped)


@pytest.mark.parametrize(
    "dressed",
    [
        "".join(f"> {line}\n" for line in PMESSAGE.splitlines()),
        "".join(f"    {line}\n" for line in PMESSAGE.splitlines()),
        "".join(f"> {line}\n" for line in RAW.splitlines()),
        "".join(f"    {line}\n" for line in RAW.splitlines()),
        PMESSAGE.replace("\n", "\r\n"),
        RAW.replace("\n", "\r\n"),
        PMESSAGE.replace("\n", "\n\n"),
        PMESSAGE.replace(") ", "> "),
        "h:1> psubscribe *\nReading messages... (press Ctrl-C)\r\x1b[K" + PMESSAGE,
        "h:1(subscribed mode)> " + PMESSAGE,
        "\ufeff" + PMESSAGE,
        "prose\n\n```\n" + PMESSAGE + "```\n^C\n>>> more prose\n",
        RAW + "^C\n",
        LINE,
        "> " + LINE,
    ],
)
def test_event_is_read_however_it_was_copied(dressed: str) -> None:
    assert [("+sdown", SDOWN)] == heard(read(dressed))
    assert 0 == read(dressed).skipped


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("[root@h ~]# redis-cli -h 10.0.0.1 -p 26379", "10.0.0.1:26379"),
        ("$ valkey-cli -p 26379 psubscribe '*'", "127.0.0.1:26379"),
        ("$ redis-cli -h sentinel.example", "sentinel.example:6379"),
        ("$ redis-cli -h ::1 -p 26379", "[::1]:26379"),
        ("$ redis-cli -u redis://user:se@cret@h:26379/0 psubscribe '*'", "h:26379"),
        ("10.0.0.1:26379> psubscribe *", "10.0.0.1:26379"),
        ("[::1]:26379> psubscribe *", "[::1]:26379"),
        ("> 10.0.0.1:26379> psubscribe *", "10.0.0.1:26379"),
        ("$ redis-cli psubscribe '*'", "file"),
        ("$ redis-cli -h -p 26379", "file"),
        (">>> sentinel.discover_master('mymaster1')", "file"),
        ("not connected> psubscribe *", "file"),
    ],
)
def test_prompt_names_the_sentinel(line: str, name: str) -> None:
    assert (name,) == read(f"{line}\n{PMESSAGE}").sentinels


def test_password_of_a_command_line_is_not_kept() -> None:
    prompt = read_prompt("$ redis-cli -u redis://user:secret@h:26379 -a other")
    assert prompt is not None
    assert "secret" not in repr(prompt)
    assert "other" not in repr(prompt)


@pytest.mark.parametrize("event", [PMESSAGE, RAW])
def test_new_subscription_starts_a_session(event: str) -> None:
    confirmed = "psubscribe\n+s*\n1\npsubscribe\n-s*\n2\n" if event is RAW else (
        '1) "psubscribe"\n2) "+s*"\n3) (integer) 1\n1) "psubscribe"\n2) "-s*"\n3) (integer) 2\n'
    )  # fmt: skip
    transcript = read(confirmed + event + event + confirmed + event)
    assert [1, 1, 2] == [said.session for said in transcript.said]
    assert 0 == transcript.skipped


def test_one_file_may_hold_all_forms_and_several_sentinels() -> None:
    transcript = read(f"a:1> psubscribe *\n{PMESSAGE}b:2> exit\n$ redis-cli -p 3\n{RAW}{LINE}{LINE}")
    assert ["a:1", "127.0.0.1:3", "h:1", "h:1"] == [said.sentinel for said in transcript.said]
    assert [None, None, 1.5, 1.5] == [said.time for said in transcript.said]
    assert "jsonl" == transcript.form


def test_line_feed_in_a_name_is_kept_through_a_pipe() -> None:
    payload = "master odd\nname 127.0.0.1 6379"
    transcript = read(f"pmessage\n*\n+sdown\n{payload}\n{RAW}")
    assert [("+sdown", payload), ("+sdown", SDOWN)] == heard(transcript)


def test_payload_that_says_nothing_takes_no_lines_after_it() -> None:
    transcript = read(f"pmessage\n*\n+sdown\nnothing known\nprose\n{RAW}")
    assert [("+sdown", "nothing known"), ("+sdown", SDOWN)] == heard(transcript)


@pytest.mark.parametrize(
    ("text", "skipped"),
    [
        (PMESSAGE.rpartition("4)")[0] + PMESSAGE, Skipped(1, CUT)),
        (PMESSAGE + PMESSAGE[:-9], Skipped(5, CUT)),
        (PMESSAGE + '1) "pmessage"\n2) "*"\n3) "+sdown"\n', Skipped(5, CUT)),
        ('3) "+sdown"\n4) "x"\n' + PMESSAGE, Skipped(1, "an event without its beginning")),
        ("pmessage\n*\n+sdown\n" + RAW, Skipped(1, CUT)),
        (RAW + "pmessage\n*\n+sdown\n", Skipped(5, CUT)),
        (RAW + "pmessage\n*\n", Skipped(5, "'pmessage' is not followed by a channel")),
        (LINE + LINE[:40] + "\n", Skipped(2, "not a whole line of JSON")),
        (LINE + '{"ts": 1, "step": "kill"}', Skipped(2, NO_TEXT)),
        (LINE + LINE.replace("sentinel", "node"), Skipped(2, NOT_SENTINEL)),
        (LINE + '{"a":' * 10_000, Skipped(2, "not a whole line of JSON")),
        (PMESSAGE + "x" * (LINE_MAX + 1), Skipped(5, f"a line of {LINE_MAX + 1} characters")),
    ],
    ids=lambda value: value.reason if isinstance(value, Skipped) else "",
)  # fmt: skip
def test_unreadable_pieces_are_counted_with_their_line(text: str, skipped: Skipped) -> None:
    transcript = read(text)
    assert [("+sdown", SDOWN)] == heard(transcript)
    assert (1, (skipped,)) == (transcript.skipped, transcript.skips)


def test_kept_skips_are_bounded_and_the_count_is_not() -> None:
    transcript = read("{\n" * 1000)
    assert 1000 == transcript.skipped
    assert SKIPS_KEPT == len(transcript.skips)


def test_other_lines_of_ours_are_skipped() -> None:
    ours = (
        '{"type":"switch","time":null,"master":"m"}\n'
        '{"type":"event","time":"2026-11-23T03:00:00.250000Z","sentinel":"h:1","channel":"+sdown",'
        f'"payload":"{SDOWN}","master":"mymaster1"}}\n'
        '{"type":"event","time":null,"sentinel":"h:1","channel":"+tilt","payload":"x"}\n'
    )
    transcript = read(ours)
    wall = datetime(2026, 11, 23, 3, 0, 0, 250_000, UTC).timestamp()
    assert [wall, None] == [said.time for said in transcript.said]
    assert 0 == transcript.skipped


@pytest.mark.parametrize(
    "bad", ['"soon"', "true", "1e999", "NaN", "[1]", "1" + "0" * 400, "1e300", "1795480343632", "-1e12"]
)
def test_invalid_time_is_no_time(bad: str) -> None:
    [said] = read(LINE.replace("1.5", bad)).said
    assert said.time is None


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.timezones()))
def test_times_are_read_as_the_standard_library_writes_them(moment: datetime) -> None:
    if (moment.utcoffset() or datetime.resolution).total_seconds() % 60:
        return  # ISO 8601 has no seconds in a zone
    assert read_time(moment.isoformat()) == pytest.approx(moment.timestamp(), abs=1e-3)


@pytest.mark.parametrize(
    "text",
    ["2026-11-23", "2026-11-23T03:00:00", "2026-13-01T00:00:00Z", "x", "0000-12-31T23:00:00Z", "9999-12-31T23:59:60Z"],
)
def test_incomplete_time_is_none(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize("text", ["", b"", "\n\n", "nothing\nof note\n", bytes(range(256)) * 50])
def test_file_without_events_is_empty(text: str | bytes) -> None:
    transcript = read(text)
    assert () == transcript.said
    assert "none" == transcript.form
    assert 0 == transcript.sessions


PIECES = [
    *('1) "pmessage"', '2) "*"', '3) "+sdown"', '4) "x', r'4) "\x"', r'4) "a\"', "3) (integer) 1"),
    *("pmessage", "message", "psubscribe", "*", "+sdown", SDOWN, "1", "", "\r", "^C", "\x00"),
    *("h:1> ", 'h:1> 1) "message"', "redis-cli -h", "redis-cli -p 1 -u redis://", '{"ts":', LINE),
    *('{"channel":"\\ud800","payload":"\\udfff"}', "\ud800", '4) "\ud800"', "1) 1) 1)"),
]


@given(st.one_of(st.text(), st.binary()))
@example("\ud800")
@example(b"\xff\n1) \xff")
def test_any_file_can_be_read(text: str | bytes) -> None:
    lines = len(text.split("\n" if isinstance(text, str) else b"\n"))
    assert read(text).skipped <= lines


@given(st.lists(st.sampled_from(PIECES)))
def test_any_mixture_of_known_lines_can_be_read(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    transcript = read(text)
    lines = [said.line for said in transcript.said]
    assert sorted(lines) == lines
    assert len(set(lines)) == len(lines)
    assert lines == [] or lines[-1] <= text.count("\n") + 1
    assert sorted(map(id, merge([transcript]))) == sorted(map(id, transcript.said))


@given(st.binary(max_size=200))
def test_event_after_garbage_is_read(garbage: bytes) -> None:
    transcript = read(garbage + b"\n" + PMESSAGE.encode())
    assert ("+sdown", SDOWN) == heard(transcript)[-1]


def said(channel: str, payload: str = "", time: float | None = None, sentinel: str = "s") -> Said:
    return Said(sentinel, time, channel, payload, 1)


def file(name: str, *lines: Said) -> Transcript:
    return Transcript(name, lines, 0, "raw")


def test_merge_sorts_by_time_and_keeps_the_order_of_files_at_equal_times() -> None:
    a, b, c = said("+a", time=2.0), said("+b", time=1.0), said("+c", time=2.0)
    assert [b, a, c] == merge([file("x", a), file("y", b, c)])


def test_merge_puts_messages_without_a_time_last() -> None:
    untimed, timed = said("+a"), said("+b", time=0.0)
    assert [timed, untimed] == merge([file("x", untimed), file("y", timed)])


def test_merge_aligns_files_at_epochs_and_lets_the_leader_go_first() -> None:
    one, two = said("+new-epoch", "1"), said("+new-epoch", "2")
    follower = file("f", said("+sdown"), one, said("+switch-master", "f1"), two, said("-odown", "f"))
    leader = file("l", said("+odown"), one, said("+elected-leader"), said("+switch-master", "l1"))
    assert [
        *follower.said[:1],
        *leader.said,
        *follower.said[1:],
    ] == merge([follower, leader])


def test_merge_never_lets_an_epoch_go_down() -> None:
    lines = [said("+new-epoch", payload) for payload in ("5", "3", "x", "6", "9" * 5000)]
    assert lines == merge([file("f", *lines)])
    other = said("+new-epoch", "4")
    assert [other, *lines] == merge([file("f", *lines), file("g", other)])


def test_merge_of_recorded_terminals_keeps_each_files_order() -> None:
    paths = sorted(CAPTURES.glob("redis-7.0.15-main.s?.redis-cli.txt"))
    transcripts = [read_transcript(path.read_bytes(), path.name) for path in paths]
    merged = merge(transcripts)
    assert sum(len(each.said) for each in transcripts) == len(merged)
    for each in transcripts:
        assert list(each.said) == [said for said in merged if said.sentinel == each.name]


def test_merge_of_recorded_terminals_puts_each_epoch_in_one_place() -> None:
    paths = sorted(CAPTURES.glob("redis-7.0.15-main.s?.redis-cli.txt"))
    merged = merge([read_transcript(path.read_bytes(), path.name) for path in paths])
    epochs = [int(said.payload) for said in merged if said.channel == "+new-epoch"]
    assert len(epochs) > 6
    assert sorted(epochs) == epochs


def test_merge_distinguishes_terminals_on_their_own_machines() -> None:
    text = "127.0.0.1:26379> psubscribe *\n" + PMESSAGE
    alone, other = read_transcript(text, "host-a"), read_transcript(text, "host-b")
    assert ["127.0.0.1:26379"] == [each.sentinel for each in merge([alone])]
    assert ["host-a", "host-b"] == [each.sentinel for each in merge([alone, other])]
