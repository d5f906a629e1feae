"""Records that are not independent though their texts differ: the same question about another number or day.

A student that was trained on "where is order 17 of last Monday" has seen "where is order 23 of last Friday". Numbers,
ids, addresses and names of days and months are masked; records whose masked texts are equal, or of which one continues
the other's conversation, are near-duplicates.
"""

# ruff: noqa: RUF001 - letters of other scripts; a hundred names are read more easily without their quotes

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from lambdas.domain.dataset.normalization import normal_bytes, prompt_identity, without_unseen

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record

FEWEST_WORDS = 3
"""Words beside what is masked, below which a text is its numbers: "17 + 25" and "12 + 3" ask two questions."""

FEWEST_LETTERS = 8
"""The same for scripts that put no space between words, in letters."""

_TOKEN = re.compile(r"[^\W_]+(?:[-_.:/@#'+]+[^\W_]+)*")
_MASKED_TOKEN = re.compile(r"\d|@|://|^[0-9a-f]{8,}$")
_NUMBERS = re.compile(r"\d+")
_JOINERS = dict.fromkeys(map(ord, "'\u2018\u2019\u02bc\u02b9\u2032\u00b4`-\u2010\u2011\u2012"))
"""What is written inside a word in one keyboard's way or another's, or left out: "don't", "e-mail"."""

_ACCENTS = re.compile("[\u0300-\u036f]")


def _plain(word: str) -> str:
    """Give a word without accents, apostrophes and hyphens: two people write "café" and "e-mail" in four ways."""
    if word.isascii():
        return word.translate(_JOINERS)
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word.translate(_JOINERS))))


# Days and months in the languages that Nova is optimized for and that name them in a word; then number words.
# Those here are written with an s behind them too: "Monday's", "montags".
_NAMES_WITH_S = """
    monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday tonight
    january february march april may june july august september october november december
    montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
    januar februar märz mai juni juli oktober dezember
"""
_NAMES = """
    heute morgen gestern
    lundi mardi mercredi jeudi vendredi samedi dimanche aujourd'hui demain hier
    janvier février mars avril juin juillet août septembre octobre novembre décembre
    lunes martes miércoles jueves viernes sábado domingo hoy mañana ayer
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    lunedì martedì mercoledì giovedì venerdì sabato domenica oggi domani ieri
    gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
    segunda-feira terça-feira quarta-feira quinta-feira sexta-feira hoje amanhã ontem
    janeiro fevereiro março maio junho julho setembro outubro novembro dezembro
    maandag dinsdag woensdag donderdag vrijdag zaterdag zondag vandaag gisteren
    januari februari maart augustus
    pazartesi salı çarşamba perşembe cuma cumartesi pazar bugün yarın dün
    ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık
    понедельник вторник среда среду четверг пятница пятницу суббота субботу воскресенье сегодня завтра вчера
    января февраля марта апреля мая июня июля августа сентября октября ноября декабря
    सोमवार मंगलवार बुधवार गुरुवार शुक्रवार शनिवार रविवार आज कल
    الاثنين الإثنين الثلاثاء الأربعاء الخميس الجمعة السبت الأحد اليوم غدا أمس
    ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen hundred thousand tenth
    mon tue tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec
    ii iii iv vi vii viii ix xi xii
"""

_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS = """
    one two three four five six seven eight nine first second third fourth fifth sixth seventh eighth ninth
"""


@cache
def _plain_names() -> frozenset[str]:
    """Work the names out at the first text: most Lambdas start without one."""
    with_s, tens, units = (found.split() for found in (_NAMES_WITH_S, _TENS, _UNITS))
    names = {*_NAMES.split(), *with_s, *(f"{name}s" for name in with_s), *tens, *units}
    names |= {f"{ten}{unit}" for ten in tens for unit in units}  # the hyphen of "twenty-one" is left out of any word
    return frozenset(map(_plain, names - {"mais"}))  # "but" in French, "more" in Portuguese


@cache
def _unspaced() -> re.Pattern[str]:
    """Find scripts that put no space between words; compiled at the first text that is not ASCII: it takes a while."""
    return re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


@cache
def _days_without_spaces() -> re.Pattern[str]:
    days = "(?:星期|礼拜|禮拜|周|週)[一二三四五六日天]|[月火水木金土日]曜日?|[월화수목금토일]요일"
    return re.compile(days)


_KNOWN_TOKENS = 50_000
"""Tokens whose form is remembered: most texts have the same ones."""

_forms: dict[str, str] = {}


class Kin(NamedTuple):
    """What names a record and its relatives: its own keys, and those of the beginnings of its conversation.

    Keys are hashes that hold within one process.
    """

    own: tuple[int, ...]
    parts: tuple[int, ...] = ()


def masked(text: str) -> str | None:
    """Give a text with what often differs between copies masked, or ``None`` where too little else is left.

    Examples
    --------
    >>> masked("Where is order #17-B of last Monday?") == masked("where is order 2309 of last Friday")
    True
    >>> masked("Don\u2019t send the e-mail \U0001f600") == masked("dont send the email")
    True
    >>> masked("17 + 25") is None
    True
    """
    forms = _forms
    form = " ".join([forms[token] if token in forms else _learned(token) for token in text.split()])
    while "# #" in form or "  " in form:
        form = form.replace("# #", "#").replace("  ", " ")
    form = form.strip()
    words = form.count(" ") + 1 - form.count("#")
    if words >= FEWEST_WORDS or (len(form) >= FEWEST_LETTERS and not form.isascii() and _unspaced().search(form)):
        return form
    return form if form and "#" not in form else None  # but for signs and emoji the same words


def _learned(token: str) -> str:
    """Give the form of what stands between two spaces: words in their normal form, and "#" for what is masked."""
    if token.isdecimal():
        return "#"  # not remembered: there is no end of numbers
    found = unicodedata.normalize("NFKC", _plain(without_unseen(token)).translate(_JOINERS)).casefold()
    if not found.isascii() and _unspaced().search(found):
        found = _NUMBERS.sub(" 0 ", _days_without_spaces().sub(" 0 ", found))
    names = _plain_names()
    parts = ("#" if part in names or _MASKED_TOKEN.search(part) else part for part in _TOKEN.findall(found))
    form = " ".join(parts)
    if len(_forms) >= _KNOWN_TOKENS:
        _forms.clear()
    _forms[token] = form
    return form


def kin(record: Record, *, own_system: bool = True) -> Kin:
    """Name a record: by its text, its group, and the masked text of its conversation and of each beginning of it.

    Parameters
    ----------
    record : Record
    own_system : bool
        Whether the student sees the record's own system text, which then is part of the question: "summarise it" asks
        something else about each document.
    """
    identity, system, turns, _, _, group = record
    own = (identity,) if group is None else (identity, group)
    context = (masked(system) or system) if system and own_system else None
    first = masked(turns[0].text)
    if len(turns) == 1:
        if system is None and first is None:
            return Kin((*own, identity))  # which is the same hash of its text
        return Kin((*own, _alone(turns[0].text, first, context)))
    parts = [_alone(turns[0].text, first, context)]
    said = [] if context is None else [context]
    said.append(turns[0].text.casefold() if first is None else first)
    for turn in turns[1:]:
        form = masked(turn.text)
        said.append(turn.text.casefold() if form is None else form)
        if turn.role == "user":
            parts.append(hash(tuple(said)))
    return Kin((*own, *parts[-1:]), tuple(parts[:-1]))


def _alone(text: str, form: str | None, context: str | None) -> int:
    """Name a first turn as a single question is named: by its very text, as a record is, where nothing else is left."""
    if context is not None:
        return hash((context, text.casefold() if form is None else form))
    return prompt_identity(normal_bytes(text)) if form is None else hash(form)


def keep_apart(
    train: Sequence[Record], holdout: Sequence[Record], *, own_system: bool = True
) -> tuple[list[Record], list[Record]]:
    """Take from the training what is related to a held-out record, and name the groups of the holdout.

    Parameters
    ----------
    train, holdout : sequence of Record
    own_system : bool
        Whether the student sees the records' own system texts.

    Returns
    -------
    tuple of two lists of Record
        What stays of the training; and the holdout, where each record that is not independent of another one has the
        name of their group. That is the smallest place of the group's records, and depends on nothing else.
    """
    names = [kin(record, own_system=own_system) for record in holdout]
    relatives = Relatives(names, own_system=own_system)
    return [record for record in train if not relatives.has(record)], _grouped(holdout, names)


class Relatives:
    """The keys of some records, to find others that are related to any of them.

    Parameters
    ----------
    names : iterable of Kin
    own_system : bool
        Whether the student sees the records' own system texts.
    """

    def __init__(self, names: Iterable[Kin], *, own_system: bool = True) -> None:
        self._own_system = own_system
        self._own: set[int] = set()
        self._any: set[int] = set()
        for found in names:
            self._own.update(found.own)
            self._any.update(found.own, found.parts)

    def has(self, record: Record) -> bool:
        """Tell whether a record is one of them, in a group with one, a near-duplicate, or of the same conversation."""
        if (
            len(record.turns) == 1 and record.group is None and record.system is None
        ):  # as most are, and in a third of the time
            form = masked(record.turns[0].text)
            return record.identity in self._any or (form is not None and hash(form) in self._any)
        own, parts = kin(record, own_system=self._own_system)
        return not self._any.isdisjoint(own) or (bool(parts) and not self._own.isdisjoint(parts))


class _Unions:
    """Sets of numbers that are joined two by two; each is named by its smallest number."""

    def __init__(self, count: int) -> None:
        self._leaders = list(range(count))

    def leader(self, one: int) -> int:
        while self._leaders[one] != one:
            self._leaders[one] = self._leaders[self._leaders[one]]
            one = self._leaders[one]
        return one

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.leader(one), self.leader(other)))
        self._leaders[high] = low


def _grouped(records: Sequence[Record], names: Sequence[Kin]) -> list[Record]:
    unions, owners = _Unions(len(records)), dict[int, int]()
    for index, found in enumerate(names):
        for key in found.own:
            unions.join(index, owners.setdefault(key, index))
    for index, found in enumerate(names):
        for key in found.parts:
            unions.join(index, owners.get(key, index))
    members: dict[int, list[int]] = {}
    for index in range(len(records)):
        members.setdefault(unions.leader(index), []).append(index)
    grouped = list(records)
    for together in members.values():
        name = min(records[index].place for index in together)
        for index in together if len(together) > 1 else ():
            grouped[index] = records[index]._replace(group=name)
    return grouped


def independent_groups(records: Iterable[Record], wanted: int, *, own_system: bool = True) -> int:
    """Count the first groups among which so many are independent of each other; all where there are fewer.

    Parameters
    ----------
    records : iterable of Record
        In the order of their groups.
    wanted : int
        Groups, and different texts once numbers, ids and days are masked. More records make neither number smaller, so
        that the groups that are wanted only ever move forward as a file grows.
    own_system : bool
        Whether the student sees the records' own system texts.
    """
    groups, texts = set[int](), set[int]()
    enough: int | None = None
    for record in records:
        if record.place not in groups and enough is not None:
            return enough
        groups.add(record.place)
        texts.add(kin(record, own_system=own_system).own[-1])
        if min(len(groups), len(texts)) >= wanted:
            enough = len(groups)
    return len(groups)


def count_groups(records: Iterable[Record]) -> int:
    """Count what is independent of each other: groups, and records that are in none."""
    return len({record.place for record in records})
