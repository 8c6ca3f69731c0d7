"""JSON compared value for value: number texts, the order of members and duplicated names are kept.

`json` alone would turn 1.10 into 1.1, 1e400 into infinity, and drop the first of two equal names."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A number by its text: 1.0 and 1 differ."""

    text: str


class Members(tuple):
    """An object: its (name, value) pairs in their order. Not equal to a list of pairs."""

    __slots__ = ()

    def __eq__(self, other):
        return isinstance(other, Members) and tuple.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = tuple.__hash__

    def names(self):
        return [name for name, _ in self]

    def all(self, name):
        return [value for key, value in self if key == name]

    def one(self, name):
        values = self.all(name)
        assert len(values) == 1, f"{name!r} stands {len(values)} times among {self.names()}"
        return values[0]


def _refuse(text):
    raise ValueError(f"{text} is not JSON")


def exact(text):
    """Parses strictly (UTF-8, no NaN) into Members, lists, Number, str, bool and None."""
    if isinstance(text, (bytes, bytearray)):
        text = bytes(text).decode("utf-8", "strict")
    return json.loads(text, object_pairs_hook=Members, parse_int=Number, parse_float=Number,
                      parse_constant=_refuse)


def plain(value):
    """The same as ordinary Python values; of duplicated names the last counts."""
    if isinstance(value, Members):
        return {name: plain(member) for name, member in value}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, Number):
        integer = value.text.lstrip("-").isdigit()
        return int(value.text) if integer and len(value.text) < 4000 else float(value.text)
    return value


STAMP = "authenticated_user"


def stamped(activity):
    """The one user an exact activity is stamped with; fails when there is none, or more than one."""
    return activity.one(STAMP)


def without_stamp(activity):
    """Every member but the top-level authenticated_user, in order."""
    return Members((name, value) for name, value in activity if name != STAMP)
