"""
The rules, one function each, by subject. Importing this package registers all of them in `switchmaster.doctor.symptom`.

- `durability`: can data be lost or wiped?
- `quorum`: are there enough Sentinels, on enough hosts, that know each other?
- `agreement`: do Sentinels and nodes agree on who is master?
- `timing`: the Sentinels' own settings.
- `readiness`: is there a replica that can be promoted, and is it fit?
- `access`: passwords, rights, TLS.
- `places`: on which host or in which zone a server is, and whether two are on one.
"""

from ..symptom import RULES
from . import access, agreement, durability, quorum, readiness, timing

__all__ = ["access", "agreement", "durability", "quorum", "readiness", "timing"]

_SUBJECTS = [each.__name__ for each in (durability, quorum, agreement, readiness, timing, access)]
"""In the order of the documentation and of findings that are equally grave: data at risk first."""


def _place(rule_id: str) -> tuple[int, str]:
    check = RULES[rule_id].of_master or RULES[rule_id].of_whole
    return _SUBJECTS.index(check.__module__) if check is not None else len(_SUBJECTS), rule_id


for _id in sorted(RULES, key=_place):
    RULES[_id] = RULES.pop(_id)
