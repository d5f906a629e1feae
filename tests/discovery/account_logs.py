"""Synthetic invocation logs of an account whose tasks are known: template families and seed are drawn at run time.

Nothing here knows how calls are grouped. :mod:`tests.discovery.other_styles` adds families of other styles.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate
from pydoc_data import topics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = "111122223333"
REGION = "us-east-1"
FIRST_DAY = date(2026, 9, 1)
ADHOC = "adhoc"
MODELS = (
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "amazon.nova-pro-v1:0",
    "us.amazon.nova-lite-v1:0",
    "amazon.nova-micro-v1:0",
)
NAMES = (
    "Anna",
    "Ben",
    "Carla",
    "Dmitri",
    "Elena",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kemal",
    "Lena",
    "Marco",
    "Nadia",
    "Omar",
    "Petra",
    "Quinn",
    "Rosa",
    "Sven",
    "Tara",
)
SURNAMES = (
    "Adler",
    "Brandt",
    "Castro",
    "Dietz",
    "Eriksen",
    "Fischer",
    "Gupta",
    "Hansen",
    "Ivanov",
    "Jansen",
    "Keller",
    "Lopez",
    "Moreau",
    "Novak",
    "Okafor",
    "Perez",
)
DISCLAIMER = (
    "This message is confidential and meant for the addressee only. If you have received it by mistake delete it."
)
STOCK = ("Thanks a lot for your help!", "Best regards,", "Please answer as soon as possible.", "Hello,")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What makes a set hard, and where its objects lie: ``prefix`` is empty or ends with a slash.

    Shares are of the calls, or of the tasks where it says so.
    """

    calls: int = 20_000
    tasks: int = 40
    days: int = 7
    one_role: bool = False
    shared_lines: float = 0.6
    variable_words: bool = False
    user_instructions: bool = False
    versions: bool = False
    adhoc: float = 0.03
    metadata_tasks: float = 0.0
    offloaded: float = 0.004
    failed: float = 0.005
    damaged: float = 0.001
    unknown: float = 0.002
    canary: str = ""
    bucket: str = "logs"
    prefix: str = ""


@dataclass(kw_only=True)
class TrueTask:
    """A task as it was made, and what its calls cost in tokens: ``traffic`` counts the answered ones by model."""

    name: str
    family: str
    user: str
    system: str | None = None
    role: str = ""
    models: tuple[str, ...] = MODELS[:1]
    answer: str = "text"
    batch: bool = False
    weight: float = 1.0
    form: str = "converse"
    tools: tuple[str, ...] = ()
    turns: tuple[int, int] = (1, 1)
    cached: float = 0.0
    duplicates: float = 0.0
    images: float = 0.0
    streamed: float = 0.3
    named: bool = False
    later_system: tuple[str, ...] = ()
    traffic: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the log: its hour, the line, and the task that made it (``None``: the line is no call)."""

    hour: str
    line: str
    request_id: str
    task: str | None
    tagged: bool
    status: str
    body: tuple[str, str] | None = None


Family = Callable[["Writer", Options], list[TrueTask]]


@cache
def vocabulary() -> tuple[list[str], list[str]]:
    """Give words and sentences of English prose about nothing in particular."""
    raw = "\n".join(topics.topics.values())
    words = sorted({word.lower() for word in re.findall(r"[A-Za-z]{3,12}", raw)})
    found = re.findall(r"[A-Z][a-z][^.\n`*_<>\[\]()=]{30,140}\.", raw.replace("\n", " "))
    return words, sorted({sentence.strip() for sentence in found if "{" not in sentence})


class Writer:
    """Draws texts: fixed ones for templates, and values for what a template leaves open (``{name}``, ``{para}``)."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self._words, self._sentences = vocabulary()
        # Every account speaks about other things, in some words much more often than in others.
        self.words = self.draw.sample(self._words, 3000)
        self._weights = list(accumulate(1 / (n + 20) for n in range(len(self.words))))
        self.pool = self.draw.sample(self._sentences, 60)
        self.companies = [
            f"{self.word().title()}{self.word()} {end}" for end in ("GmbH", "Inc", "AG", "BV") for _ in range(60)
        ]
        self.passages = [" ".join(self.varied(s) for s in self.draw.sample(self._sentences, 5)) for _ in range(300)]
        self.slots: dict[str, Callable[[], str]] = {
            "name": lambda: f"{self.draw.choice(NAMES)} {self.draw.choice(SURNAMES)}",
            "company": lambda: self.draw.choice(self.companies),
            "date": lambda: (FIRST_DAY + timedelta(days=self.draw.randint(0, 400))).strftime(
                self.draw.choice(["%Y-%m-%d", "%d %B %Y", "%A, %d %b %Y"])
            ),
            "uuid": lambda: str(uuid.UUID(int=self.draw.getrandbits(128))),
            "int": lambda: str(self.draw.randint(1, 10 ** self.draw.randint(1, 7))),
            "quoted": lambda: f'"{self.some(1, 6)}"',
            "email": lambda: (
                f"{self.draw.choice(NAMES).lower()}.{self.draw.choice(SURNAMES).lower()}@{self.word()}.com"
            ),
            "url": lambda: f"https://{self.word()}.example.com/{self.word()}/{self.draw.randint(1, 9999)}",
            "lang": lambda: self.draw.choice(["German", "French", "Spanish", "Italian", "Polish", "Dutch"]),
            "word": self.word,
            "few": lambda: self.some(1, 4),
            "para": lambda: self.paragraph(1, 3),
            "long": lambda: self.paragraph(6, 18),
            "list": lambda: "\n".join(f"- {self.some(2, 6)}" for _ in range(self.draw.randint(2, 12))),
            "docs": lambda: "\n\n".join(
                f'<document id="{n}">\n{text}\n</document>'
                for n, text in enumerate(self.draw.sample(self.passages, self.draw.randint(2, 5)))
            ),
        }

    def word(self) -> str:
        return self.draw.choices(self.words, cum_weights=self._weights)[0]

    def some(self, low: int, high: int) -> str:
        return " ".join(self.draw.choices(self.words, cum_weights=self._weights, k=self.draw.randint(low, high)))

    def varied(self, sentence: str) -> str:
        return " ".join(self.word() if self.draw.random() < 0.3 else word for word in sentence.split())

    def paragraph(self, low: int, high: int) -> str:
        found = [self.varied(self.draw.choice(self._sentences)) for _ in range(self.draw.randint(low, high))]
        if self.draw.random() < 0.3:
            found.insert(self.draw.choice([0, len(found)]), self.draw.choice(STOCK))
        return " ".join(found)

    def rules(self, count: int, options: Options, style: str | None = None) -> str:
        """Give fixed rules of a template; a share of them also stands in other templates."""
        lines = [
            self.draw.choice(self.pool)
            if self.draw.random() < options.shared_lines
            else self.draw.choice(self._sentences)
            for _ in range(count)
        ]
        style = style or self.draw.choice(["dash", "number", "run"])
        if style == "run":
            return " ".join(lines)
        marks = (f"{n}. " if style == "number" else "- " for n in range(1, count + 1))
        return "\n".join(mark + line for mark, line in zip(marks, lines, strict=True))

    def shots(self, count: int, labels: list[str]) -> str:
        made = (f"Input: {self.some(6, 14)}\nOutput: {self.draw.choice(labels)}" for _ in range(count))
        return "\n\n".join(made)

    def topic(self) -> str:
        return f"{self.draw.choice(self._words)} {self.draw.choice(self._words)}"

    def fill(self, template: str) -> str:
        return re.sub(r"\{([a-z]+)\}", lambda slot: self.slots[slot[1]](), template)


def fixed(w: Writer, o: Options) -> list[TrueTask]:
    kind = w.topic()
    system = f"You classify the {kind} of customer messages.\n{w.rules(w.draw.randint(6, 20), o)}\nAnswer with JSON."
    return [TrueTask(name="", family="fixed", system=system, user="{para}", answer="json")]


def slotted(w: Writer, o: Options) -> list[TrueTask]:
    begin = w.draw.choice(
        [
            "Today is {date}. You are the support agent of {company}. The customer is {name} ({email}).",
            f"You help {{name}}, a {{word}} at {{company}}, with the {w.topic()}. Request {{uuid}}.",
            f"Account {{int}}. Plan {{word}}. You answer questions about the {w.topic()}. Notes:\n{{list}}",
            f"You write about {w.topic()} for the shop {{quoted}}. Tone: {{word}}. Audience: {{word}}.",
            f"You review {w.topic()} in {{url}}, branch {{word}}-{{int}}.",
        ]
    )
    system = f"{begin}\n{w.rules(w.draw.randint(6, 16), o)}\nSign as {{name}}."
    return [
        TrueTask(name="", family="slotted", system=system, user=w.draw.choice(["{para}", "{long}", "Draft: {para}"]))
    ]


def variable_lines(w: Writer, o: Options) -> list[TrueTask]:
    """A variable word in every line: no line ever repeats."""
    lines = []
    for rule in w.rules(w.draw.randint(6, 14), o, "dash").split("\n"):
        words = rule.split(" ")
        at = w.draw.randint(1, len(words) - 1)
        lines.append(" ".join([*words[:at], "{word}", *words[at:]]))
    return [TrueTask(name="", family="variable lines", system="\n".join(lines), user="{para}")]


def few_shot(w: Writer, _options: Options) -> list[TrueTask]:
    labels = [w.word() for _ in range(w.draw.randint(2, 5))]
    head = f"Decide the {w.topic()} of each input as the examples show.\n\n{w.shots(w.draw.randint(4, 10), labels)}"
    return [TrueTask(name="", family="few-shot", user=f"{head}\n\nInput: {{para}}\nOutput:", answer="label")]


def tail_instruction(w: Writer, o: Options) -> list[TrueTask]:
    instruction = f"Summarise the {w.topic()} of the text above for {w.topic()} readers. {w.rules(2, o, 'run')}"
    begin = w.draw.choice(["{long}\n\n---\n", "<article>{long}</article>\n", "{long}\n"])
    return [TrueTask(name="", family="tail instruction", user=begin + instruction)]


def short_template(w: Writer, _options: Options) -> list[TrueTask]:
    reminder = (
        f"Write a polite reminder about {w.topic()} to {{name}} of {{company}} for invoice {{int}} of {{date}}. "
        f"Mention {w.topic()} and close with the name of the {w.topic()} team."
    )
    keywords = (
        f"Propose five {w.topic()} keywords that a buyer of {{quoted}} in the category {{word}} would type for the "
        f"{w.topic()} shop of {{company}}"
    )
    title = f"Give a {w.topic()} title for a {{word}} about {{few}} that mentions {w.topic()} and ends with {{word}}"
    text = w.draw.choice([reminder, keywords, title])
    return [TrueTask(name="", family="short", user=text)]


def agent(w: Writer, o: Options) -> list[TrueTask]:
    tools = tuple(f"{w.draw.choice(['get', 'find', 'run', 'book'])}_{w.word()}" for _ in range(w.draw.randint(2, 5)))
    system = (
        f"You are the {w.topic()} agent. Current time: {{date}}. Session {{uuid}}. User: {{name}}.\n"
        f"{w.rules(w.draw.randint(8, 18), o)}"
    )
    return [TrueTask(name="", family="agent", system=system, user="{para}", tools=tools, turns=(1, 4), answer="tool")]


def retrieval(w: Writer, o: Options) -> list[TrueTask]:
    rules = w.rules(w.draw.randint(5, 12), o)
    topic = w.topic()
    system, user = w.draw.choice(
        [
            (f"Answer about {topic} from the documents only.\n{rules}\n<documents>\n{{docs}}\n</documents>", "{para}"),
            (f"<context>\n{{docs}}\n</context>\nYou answer questions about {topic}. {rules}", "{para}"),
            (None, f"Use the passages to answer about {topic}.\n{{docs}}\n\nQuestion: {{para}}\n{rules}"),
        ]
    )
    return [TrueTask(name="", family="retrieval", system=system, user=user)]


def preamble(w: Writer, o: Options) -> list[TrueTask]:
    """Several tasks with one long text; only a last line, of the system or of the user's turn, tells them apart."""
    shared = f"You are an assistant of {w.topic()} Group. {w.rules(8, o, 'run')}"
    made = []
    for _ in range(w.draw.randint(3, 5)):
        verb = w.draw.choice(["Write", "List", "Name", "Check"])
        end = f"{verb} the {w.topic()} of the text that follows. {w.rules(1, o, 'run')}"
        in_user = o.user_instructions
        system = shared if in_user else f"{shared}\n\n{end}"
        made.append(
            TrueTask(name="", family="preamble", system=system, user=f"{{para}}\n\n{end}" if in_user else "{para}")
        )
    return made


FAMILIES: tuple[Family, ...] = (
    fixed,
    slotted,
    few_shot,
    tail_instruction,
    short_template,
    agent,
    retrieval,
    preamble,
)


class AccountLogs:
    """The log of one account.

    Parameters
    ----------
    options : Options
        How many calls, and what makes them hard.
    seed : int
        Everything follows from it.
    families : tuple of callables
        What kinds of tasks there are.
    """

    def __init__(self, options: Options, seed: int, families: tuple[Family, ...] = FAMILIES) -> None:
        self.options, self.seed, self.families = options, seed, families
        self.writer = Writer(seed)
        self.draw = random.Random(seed + 1)
        if options.variable_words:
            families = (*families, variable_lines, variable_lines)
        self.tasks = self._made(families)
        self._asked: dict[str, list[str]] = {}

    def _made(self, families: tuple[Family, ...]) -> dict[str, TrueTask]:
        draw, options = self.draw, self.options
        made: list[TrueTask] = []
        while len(made) < options.tasks:
            made += families[len(made) % len(families) if len(made) < len(families) else draw.randrange(len(families))](
                self.writer, options
            )
        for number, task in enumerate(made):
            task.name = f"task-{number:02d}"
            shared = options.one_role or draw.random() < 0.4
            task.role = "llm-gateway" if shared else f"app-{number:02d}"
            task.models = tuple(draw.sample(MODELS, draw.choice([1, 1, 2])))
            task.form = draw.choice(["converse", "converse", "nova", "claude"])
            task.weight = draw.uniform(0.5, 6)
            task.batch = draw.random() < 0.25
            task.duplicates = draw.choice([0.0, 0.02, 0.05, 0.3])
            task.cached = draw.choice([0.0, 0.0, 0.6]) if task.system else 0.0
            task.images = 0.2 if draw.random() < 0.05 else 0.0
            task.streamed = draw.choice([0.0, 0.3, 1.0])
            task.named = draw.random() < options.metadata_tasks
            if options.versions and task.system and draw.random() < 0.4:
                task.later_system = (self._new_version(task.system),)
        adhoc = TrueTask(
            name=ADHOC,
            family=ADHOC,
            user="{adhoc}",
            role="llm-gateway" if options.one_role else "developers",
            models=MODELS[:3],
        )
        total = sum(task.weight for task in made)
        adhoc.weight = total * options.adhoc / (1 - options.adhoc)
        self.writer.slots["adhoc"] = lambda: self.writer.some(3, 80)
        return {task.name: task for task in [*made, adhoc]}

    def _new_version(self, system: str) -> str:
        """Change a third of the sentences and add one; the last line, which may be the task itself, stays."""
        *lines, last = re.split(r"(?<=\.) |\n", system)
        kept = [
            self.writer.rules(1, self.options, "run") if "{" not in line and self.draw.random() < 0.33 else line
            for line in lines
        ]
        return "\n".join([*kept, self.writer.rules(1, self.options, "run"), last])

    def lines(self) -> Iterator[Logged]:
        """Make the log by time, every line once."""
        draw, tasks = self.draw, list(self.tasks.values())
        chosen = draw.choices(tasks, [task.weight for task in tasks], k=self.options.calls)
        plan = sorted(((self._moment(task), number) for number, task in enumerate(chosen)), key=lambda item: item[0])
        for moment, number in plan:
            yield self._logged(chosen[number], moment)

    @property
    def root(self) -> str:
        """Prefix of the log's objects in their bucket, without a slash at its end."""
        return f"{self.options.prefix}AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}"

    def write(self, folder: Path) -> Truth:
        """Write the objects below a folder as Bedrock would write them into a bucket."""
        truth, open_hour, lines = Truth(), "", [""]
        base = self.root

        def flush() -> None:
            if open_hour:
                address = (
                    folder / base / open_hour / f"{open_hour.replace('/', '')[:8]}T{open_hour[-2:]}5959999Z_0.json.gz"
                )
                address.parent.mkdir(parents=True, exist_ok=True)
                address.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 4))

        for found in self.lines():
            if found.hour != open_hour:
                flush()
                open_hour, lines = found.hour, []
            lines.append(found.line)
            truth.add(found)
            if found.body:
                path = folder / found.body[0].removeprefix(f"s3://{self.options.bucket}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(gzip.compress(found.body[1].encode(), 4))
        flush()
        return truth

    def _moment(self, task: TrueTask) -> datetime:
        draw = self.draw
        second = 2 * 3600 + draw.randint(0, 1500) if task.batch else int(min(max(draw.gauss(46800, 11500), 0), 86399))
        start = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
        return start + timedelta(days=draw.randrange(self.options.days), seconds=second)

    def _logged(self, task: TrueTask, moment: datetime) -> Logged:
        draw, options = self.draw, self.options
        request_id = str(uuid.UUID(int=draw.getrandbits(128)))
        hour = moment.strftime("%Y/%m/%d/%H")
        lot = draw.random()
        if lot < options.damaged:
            return Logged(hour, '{"schemaType":"ModelInvocationLog","requestId":"', "", None, False, "damaged")
        entry = self._entry(task, moment, request_id)
        tagged = "requestMetadata" in entry
        status, body = "answered", None
        if lot < options.damaged + options.failed:
            entry["errorCode"], entry["output"] = "ThrottlingException", {"outputContentType": "application/json"}
            status = "failed"
        elif lot < options.damaged + options.failed + options.unknown:
            entry["input"]["inputBodyJson"] = {"inputText": self.writer.some(3, 9)}
            status = "unknown"
        elif draw.random() < options.offloaded:
            path = f"s3://{options.bucket}/{self.root}/{hour}/data/{request_id}_input.json.gz"
            body = (path, json.dumps(entry["input"].pop("inputBodyJson"), ensure_ascii=False))
            entry["input"]["inputBodyS3Path"] = path
            status = "offloaded"
        if status != "failed":
            self._count(task, entry)
        return Logged(hour, json.dumps(entry, ensure_ascii=False), request_id, task.name, tagged, status, body)

    def _count(self, task: TrueTask, entry: dict[str, Any]) -> None:
        counts = task.traffic.setdefault(entry["modelId"], Counter())
        counts["calls"] += 1
        counts["input_tokens"] += entry["input"]["inputTokenCount"]
        counts["cache_read_tokens"] += entry["input"].get("cacheReadInputTokenCount", 0)
        counts["cache_write_tokens"] += entry["input"].get("cacheWriteInputTokenCount", 0)
        counts["output_tokens"] += entry["output"]["outputTokenCount"]

    def _texts(self, task: TrueTask, moment: datetime) -> tuple[str | None, str]:
        template = task.system
        share = (moment.date() - FIRST_DAY).days / max(1, self.options.days)
        if task.later_system and share >= 0.55 - 0.1 * self.draw.random():
            template = task.later_system[0]
        system = self.writer.fill(template) if template else None
        asked = self._asked.setdefault(task.name, [])
        if asked and self.draw.random() < task.duplicates:
            return system, self.draw.choice(asked)
        user = self.writer.fill(task.user)
        if self.draw.random() < 0.1 and not user.endswith(":"):
            user = f"{user}\n\n{DISCLAIMER}"
        if self.options.canary:
            user = f"{user} {self.options.canary}"
        if len(asked) < 100:
            asked.append(user)
        return system, user

    def _entry(self, task: TrueTask, moment: datetime, request_id: str) -> dict[str, Any]:
        draw = self.draw
        system, user = self._texts(task, moment)
        claude, model = task.form == "claude", draw.choice(task.models)
        stream = draw.random() < task.streamed
        messages = self._messages(task, user, claude=claude)
        body: dict[str, Any] = {"messages": messages}
        if system:
            body["system"] = (
                system if claude and draw.random() < 0.7 else [{"text": system, **({"type": "text"} if claude else {})}]
            )
        if task.tools and claude:
            body["tools"] = [{"name": tool, "input_schema": {"type": "object"}} for tool in task.tools]
        elif task.tools:
            body["toolConfig"] = {"tools": [{"toolSpec": {"name": tool}} for tool in task.tools]}
        answer, calls_tool = self._answer(task), bool(task.tools) and draw.random() < 0.6
        tokens = max(
            1, sum(len(str(message)) for message in messages) // 4 + len(system or "") // 4 + 120 * len(task.tools)
        )
        counts = {"inputTokenCount": tokens}
        if task.cached:
            kept = len(system or "") // 4
            name = "cacheReadInputTokenCount" if draw.random() < task.cached else "cacheWriteInputTokenCount"
            counts |= {"inputTokenCount": max(1, tokens - kept), name: kept}
        operation, output = _output(task.form, answer, stream=stream, tool=task.tools[0] if calls_tool else None)
        session = draw.choice([f"botocore-session-{draw.randint(1, 10**9)}", f"i-0{draw.getrandbits(60):015x}"])
        entry = {
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "accountId": ACCOUNT,
            "identity": {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{task.role}/{session}"},
            "region": REGION,
            "requestId": request_id,
            "operation": operation,
            "modelId": model,
            "input": {"inputContentType": "application/json", "inputBodyJson": body, **counts},
            "output": {
                "outputContentType": "application/json",
                "outputBodyJson": output,
                "outputTokenCount": max(1, len(answer) // 4),
            },
            "schemaType": "ModelInvocationLog",
            "schemaVersion": "1.0",
        }
        if task.named and draw.random() < 0.8:
            entry["requestMetadata"] = {"task": task.name, "run": f"{draw.getrandbits(32):08x}"}
        return entry

    def _messages(self, task: TrueTask, user: str, *, claude: bool) -> list[dict[str, Any]]:
        draw, writer = self.draw, self.writer

        def said(role: str, text: str) -> dict[str, Any]:
            if claude:
                return {"role": role, "content": text if draw.random() < 0.5 else [{"type": "text", "text": text}]}
            return {"role": role, "content": [{"text": text}]}

        messages = [said("user", user)]
        if task.images and draw.random() < task.images:
            image: dict[str, Any] = {"type": "image", "source": {}} if claude else {"image": {"format": "png"}}
            messages[0]["content"] = (
                [image, *said("user", user)["content"]] if not claude else [image, {"type": "text", "text": user}]
            )
        for _ in range(draw.randint(*task.turns) - 1):
            messages += [said("assistant", writer.paragraph(1, 2)), said("user", writer.paragraph(1, 2))]
        return messages

    def _answer(self, task: TrueTask) -> str:
        if task.answer == "json":
            return json.dumps({"label": self.writer.word(), "confidence": round(self.draw.random(), 2)})
        return self.writer.word() if task.answer == "label" else self.writer.paragraph(1, 4)


@dataclass
class Truth:
    """Which task each request was made for, and how many lines of each status there are."""

    tasks: dict[str, str] = field(default_factory=dict)
    tagged: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)

    def add(self, found: Logged) -> None:
        self.statuses[found.status] += 1
        if found.task is not None:
            self.tasks[found.request_id] = found.task
            if found.tagged:
                self.tagged.add(found.request_id)


def _output(form: str, answer: str, *, stream: bool, tool: str | None) -> tuple[str, Any]:
    stop = "tool_use" if tool else "end_turn"
    if form == "claude":
        content = [{"type": "tool_use", "name": tool}] if tool else [{"type": "text", "text": answer}]
        if not stream:
            return "InvokeModel", {"type": "message", "content": content, "stop_reason": stop, "usage": {}}
        return "InvokeModelWithResponseStream", [
            {"type": "message_start", "message": {"usage": {}}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": answer[:40]}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": answer[40:]}},
            {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {}},
        ]
    if form == "nova" and stream:
        return "InvokeModelWithResponseStream", [
            {"contentBlockDelta": {"delta": {"text": answer}}},
            {"messageStop": {"stopReason": stop}},
        ]
    blocks = [{"toolUse": {"name": tool, "input": {}}}] if tool else [{"text": answer}]
    operation = "InvokeModel" if form == "nova" else "ConverseStream" if stream else "Converse"
    return operation, {"output": {"message": {"content": blocks}}, "stopReason": stop, "usage": {}}
