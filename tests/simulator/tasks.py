"""Tasks of other kinds than the examples': nested fields, lists, numbers, labels and texts, in several languages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Made = tuple[str, Any]
Draw = random.Random


def invoice(draw: Draw) -> Made:
    """Make a nested object with a quoted number, a list of choices and an optional field, in three languages."""
    forms = {
        "de": "Rechnung {number} über {amount:.2f} Euro von {vendor}, fällig in {days} Tagen. {items}",
        "en": "Invoice {number} for {amount:.2f} euros from {vendor}, due in {days} days. {items}",
        "fr": "Facture {number} de {amount:.2f} euros de {vendor}, à payer sous {days} jours. {items}",
    }
    words = {
        "de": {"paper": "Papier", "ink": "Tinte", "desk": "Schreibtisch", "chair": "Stuhl"},
        "en": {"paper": "paper", "ink": "ink", "desk": "desk", "chair": "chair"},
        "fr": {"paper": "papier", "ink": "encre", "desk": "bureau", "chair": "chaise"},
    }
    language = draw.choice(list(forms))
    number, amount = f"R-{draw.randrange(1000, 99999)}", round(draw.uniform(5, 900), 2)
    vendor, days = draw.choice(["Acme", "Müller AG", "Dupont", "Globex"]), draw.choice([7, 14, 30])
    items = sorted(draw.sample(list(words[language]), draw.choice([1, 2, 3])))
    listed = ", ".join(words[language][item] for item in items)
    question = forms[language].format(number=number, amount=amount, vendor=vendor, days=days, items=listed)
    answer: dict[str, Any] = {
        "language": language,
        "vendor": {"name": vendor, "known": vendor in ("Acme", "Globex")},
        "number": number,
    }
    answer |= {"amount": amount, "days": days, "items": items}
    return question, answer | ({"note": "long term"} if days == 30 else {})


def review(draw: Draw) -> Made:
    """Make an enum, a boolean and a whole number, of a text without spaces."""
    topics = {
        "refund": ("返金してください。", 2),
        "shipping": ("配送が遅れています。", 3),
        "login": ("ログインできません。", 1),
        "praise": ("とても良いサービスでした。", 5),
    }
    topic = draw.choice(list(topics))
    urgent = draw.random() < 0.3
    said = draw.choice(["こんにちは。", "お世話になります。", "すみません、"]) + draw.choice(
        ["昨日注文しました。", "三回目です。"]
    )
    name = draw.choice(["佐藤", "鈴木", "田中", "高橋", "伊藤", "渡辺", "山本", "中村"])
    question = said + topics[topic][0] + ("至急お願いします。" if urgent else "") + name + str(draw.randrange(1000))
    return question, {"topic": topic, "urgent": urgent, "stars": topics[topic][1]}


def report(draw: Draw) -> Made:
    """Make a free text."""
    what = draw.choice(["el autobús llegó tarde", "la comida estaba fría", "la habitación era ruidosa", "nadie abrió"])
    when = draw.choice(["ayer", "el lunes", "en marzo", "anoche", "el domingo"])
    hello, bye = draw.choice(["Hola,", "Buenas,", "Estimados,"]), draw.choice(["Gracias", "Saludos", "Atentamente"])
    code = f"{draw.choice('XYZ')}{draw.randrange(100, 999)}"
    question = f"{hello} {when} {what}. Mi reserva es {code}. {bye} {draw.choice(['Ana', 'Luis', 'Eva', 'Raúl'])}"
    return question, f"El cliente de la reserva {code} dice que {what} {when}."


def mood(draw: Draw) -> Made:
    """Make a bare label."""
    cues = {"good": "хорошо отлично прекрасно", "bad": "плохо ужасно сломано", "fair": "нормально обычно средне"}
    label = draw.choice(list(cues))
    filler = ["телефон", "пришёл", "вчера", "коробка", "синяя", "чехол", "заказ", "курьер", "магазин", "цена"]
    words = draw.sample(cues[label].split(), 2) + draw.choices(filler, k=5)
    draw.shuffle(words)
    return f"{' '.join(words)} {draw.randrange(1000)}", label


def order(draw: Draw) -> Made:
    """Make a list of objects."""
    lines = [
        {"item": draw.choice(["apple", "pear", "bread", "milk"]), "count": draw.choice([1, 2, 3, 5])}
        for _ in range(draw.choice([1, 2]))
    ]
    said = " and ".join(f"{line['count']} {line['item']}" for line in lines)
    return f"{draw.choice(['bring', 'i need', 'order'])} {said} for {draw.randrange(10_000)}", {"lines": lines}


INVOICE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["language", "vendor", "number", "amount", "days", "items"],
    "properties": {
        "language": {"enum": ["de", "en", "fr"]},
        "vendor": {"type": "object", "properties": {"name": {"type": "string"}, "known": {"type": "boolean"}}},
        "number": {"type": "string"},
        "amount": {"type": "number"},
        "days": {"type": "integer"},
        "items": {"type": "array", "items": {"$ref": "#/definitions/item"}},
        "note": {"type": "string"},
    },
    "definitions": {"item": {"enum": ["paper", "ink", "desk", "chair"]}},
}
REVIEW_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["topic", "urgent", "stars"],
    "properties": {
        "topic": {"enum": ["refund", "shipping", "login", "praise"]},
        "urgent": {"type": "boolean"},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}
TASKS: dict[str, tuple[Callable[[Draw], Made], dict[str, Any] | None]] = {
    "invoice": (invoice, INVOICE_SCHEMA),
    "review": (review, REVIEW_SCHEMA),
    "report": (report, None),
    "mood": (mood, None),
    "order": (order, None),
}


def pairs(name: str, count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Make questions of a task, each with its answer as a text; no two questions are equal."""
    make, draw = TASKS[name][0], random.Random(seed)  # noqa: S311 (no secret)
    found: dict[str, str] = {}
    while len(found) < count:
        question, answer = make(draw)
        found[question] = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return list(found.items())
