"""Families of other styles than :mod:`tests.discovery.account_logs` has: what prompts look like elsewhere.

Tags of XML, JSON, Markdown, other languages, long policies, many variables, and agents with one tool list.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.discovery.account_logs import TrueTask

if TYPE_CHECKING:
    from tests.discovery.account_logs import Family, Options, Writer

GERMAN = (
    "Antworte nur auf Deutsch und bleibe sachlich",
    "Nenne keine Namen von Kunden und keine Preise",
    "Frage nach, wenn die Angaben nicht reichen",
    "Fasse den Inhalt in wenigen klaren Sätzen zusammen",
    "Prüfe jede Zahl, bevor du sie weitergibst",
    "Verweise bei Rechtsfragen an die Rechtsabteilung",
    "Schreibe höflich, aber ohne lange Einleitung",
    "Gib am Ende die nächsten Schritte als Liste an",
)
RUSSIAN = (
    "Отвечай только на русском языке и кратко",
    "Никогда не придумывай факты, которых нет в тексте",
    "Сначала назови проблему клиента одним предложением",
    "Если данных мало, задай один уточняющий вопрос",
    "Никогда не упоминай внутренние названия систем",
    "Суммы пиши цифрами и указывай валюту",
    "Затем в конце предложи следующий шаг",
)
CHINESE = (
    "请只根据提供的资料回答问题",
    "不要编造资料中没有的内容",
    "先用一句话概括用户的需求",
    "金额必须写明币种和单位",
    "遇到法律问题请建议咨询专业人士",
    "回答要简短并且有礼貌",
    "最后列出下一步的处理建议",
    "不得透露其他客户的信息",
)
JAPANESE = (
    "提供された資料だけに基づいて回答してください",
    "資料にない内容を作らないでください",
    "最初に要望を一文でまとめてください",
    "金額には必ず通貨を書いてください",
    "他のお客様の情報を出さないでください",
    "最後に次の手順を箇条書きにしてください",
)


def xml_tagged(w: Writer, o: Options) -> list[TrueTask]:
    rules = "\n".join(f"  <rule>{w.rules(1, o, 'run')}</rule>" for _ in range(w.draw.randint(4, 9)))
    examples = "".join(
        f"<example><input>{w.some(5, 9)}</input><output>{w.word()}</output></example>\n"
        for _ in range(w.draw.randint(1, 4))
    )
    role = f"<role>{w.topic()} specialist</role>"
    system = f"{role}\n<instructions>\n{rules}\n</instructions>\n<examples>\n{examples}</examples>"
    user = "<customer_id>{int}</customer_id><message>{para}</message>"
    return [TrueTask(name="", family="xml", system=system, user=user)]


def json_prompt(w: Writer, o: Options) -> list[TrueTask]:
    document = {
        "task": f"extract the {w.topic()} of the text",
        "rules": [w.rules(1, o, "run").replace('"', "'") for _ in range(w.draw.randint(3, 7))],
        "output": {"type": "object", "required": [w.word(), w.word(), w.word()]},
        "id": "{uuid}",
        "text": "{long}",
    }
    text = json.dumps(document, indent=w.draw.choice([None, 2])) if w.draw.random() < 0.5 else json.dumps(document)
    return [TrueTask(name="", family="json", user=text, answer="json")]


def markdown(w: Writer, o: Options) -> list[TrueTask]:
    sections = "\n\n".join(
        f"## {w.topic().title()}\n\n{w.rules(w.draw.randint(2, 4), o, 'dash')}" for _ in range(w.draw.randint(2, 5))
    )
    system = (
        f"# {w.topic().title()} assistant\n\n{sections}\n\n| field | meaning |\n|---|---|\n| {w.word()} | {w.topic()} |"
    )
    return [TrueTask(name="", family="markdown", system=system, user="### Request {int}\n\n{para}")]


def languages(w: Writer, _options: Options) -> list[TrueTask]:
    """Prompts in other languages that share most of their sentences with one another."""
    pool = w.draw.choice([GERMAN, RUSSIAN, CHINESE, JAPANESE])
    chosen = w.draw.sample(pool, w.draw.randint(4, len(pool) - 1))
    mark = "。" if pool in (CHINESE, JAPANESE) else ". "
    own = {
        GERMAN: f"Du bist für {w.topic()} bei der Abteilung {w.word()} zuständig",
        RUSSIAN: f"Ты отвечаешь за тему {w.topic()} в отделе {w.word()}",
        CHINESE: f"你是{w.topic()}部门的{w.word()}助手",
        JAPANESE: f"あなたは{w.topic()}部門の{w.word()}担当です",
    }[pool]
    return [TrueTask(name="", family="languages", system=mark.join([own, *chosen]) + mark, user="{para}")]


def policy(w: Writer, o: Options) -> list[TrueTask]:
    """One very long policy as the system text of several tasks; a short instruction begins the user's turn."""
    shared = f"Policy of {w.topic()}.\n{w.rules(40, o, 'number')}"
    made = []
    for _ in range(w.draw.randint(2, 4)):
        verb = w.draw.choice(["Classify", "Translate", "Summarise", "Score", "Rewrite"])
        user = f"{verb} the {w.topic()} below under the {w.topic()} rules of the policy.\n\n{{long}}"
        made.append(TrueTask(name="", family="policy", system=shared, user=user))
    return made


def nearly_all_variable(w: Writer, _options: Options) -> list[TrueTask]:
    text = w.draw.choice(
        [
            f"{{name}} ({{company}}, {{lang}}): {w.word()} {{few}} {w.topic()} {{few}} {{date}}, {w.topic()}?",
            f"{w.topic().title()} for {{company}} in {{lang}} about {{few}}, {w.topic()} {{few}}, {{word}}, {w.word()}",
            f"Give {{int}} {w.topic()} names for {{few}} like {{word}} {w.topic()} and {{word}}",
        ]
    )
    return [TrueTask(name="", family="nearly all variable", user=text)]


def agents_of_one_list(w: Writer, o: Options) -> list[TrueTask]:
    """Agents of one framework: the same tools and the same frame around the prompt of each."""
    tools = tuple(f"{w.word()}_{n}" for n in range(w.draw.randint(3, 6)))
    frame = f"You have tools. {w.rules(5, o, 'run')} Think step by step and call one tool at a time."
    made = []
    for _ in range(w.draw.randint(2, 4)):
        system = f"{frame}\n\nYour goal: {w.topic()}.\n{w.rules(w.draw.randint(3, 7), o)}\n\nScratchpad {{uuid}}"
        made.append(
            TrueTask(name="", family="agents", system=system, user="{para}", tools=tools, turns=(1, 3), answer="tool")
        )
    return made


def examples_in_turns(w: Writer, o: Options) -> list[TrueTask]:
    """Few-shot examples in the system text, some of which are drawn anew for each call."""
    labels = [w.word() for _ in range(3)]
    fixed = w.shots(w.draw.randint(2, 5), labels)
    system = f"Label the {w.topic()}.\n{w.rules(3, o)}\n\n{fixed}\n\nInput: {{few}} {{few}} {{few}}\nOutput: {{word}}"
    return [TrueTask(name="", family="examples", system=system, user="Input: {para}\nOutput:", answer="label")]


OTHER_FAMILIES: tuple[Family, ...] = (
    xml_tagged,
    json_prompt,
    markdown,
    languages,
    policy,
    nearly_all_variable,
    agents_of_one_list,
    examples_in_turns,
)
