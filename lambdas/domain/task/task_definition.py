"""``task.json``: what the user says about the task, typed, with every default filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from lambdas.domain.documents import InvalidDocument, check_document, parse_document
from lambdas.domain.errors import InvalidTaskDefinition
from lambdas.domain.text.answer_form import InvalidSchema
from lambdas.domain.text.output_schema import OutputChecker, check_patterns
from lambdas.domain.text.secret_scan import secret_kinds
from lambdas.domain.text.text_rules import reserved_word, stray_character

ANSWER_TOKENS = 1000
"""Default of ``max_answer_tokens``."""

DEFAULT_RUBRIC = """\
5: says the same as the reference, complete and correct, in the form that was asked for.
4: correct; small differences from the reference that would not change what a reader does.
3: the main point is right; details are missing or wrong.
2: the main point is wrong or most of the reference is missing.
1: unusable: wrong form, empty, off the subject, or contradicting the reference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateRules:
    """The thresholds that decide. Scores are judge points (1 to 5), the others shares (0 to 1)."""

    min_judge_score: float
    max_quality_drop: float
    reference: str
    min_schema_validity: float
    min_cost_reduction: float
    min_latency_reduction: float
    slices: dict[str, float]
    min_judge_agreement: float
    min_judge_correlation: float
    max_judge_error: float
    min_class_recall: float = 0.5
    evidence: str = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """How a promoted student is served."""

    mode: str
    model_units: int
    commitment: str
    expected_requests_per_month: int | None
    peak_to_mean: float = 1.0
    distillations_per_year: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherDataRules:
    """How the teacher's answers are obtained and how many may be dropped."""

    mode: str
    golden_examples: int
    deadline_hours: float
    max_drop_rate: float
    max_disagreement: float | None = None
    use_logged_answers: bool = False

    @property
    def takes_logged_answers(self) -> bool:
        """Whether answers that the teacher gave in production are trained on."""
        return self.use_logged_answers or self.mode == "logged"


@dataclass(frozen=True, kw_only=True, slots=True)
class CascadeRules:
    """Where the student says how sure it is, and below which figure a cascade would ask the teacher."""

    confidence_field: str
    below: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskDefinition:
    """One task. Every field is optional in the file; see ``schemas/task.schema.json`` for limits and defaults.

    ``max_answer_tokens`` are the most tokens of an answer, whoever is asked. ``measure_prompting`` says whether the
    student's base model is measured with the long prompt too.
    """

    teacher_system_prompt: str | None
    student_system_prompt: str | None
    output_schema: dict[str, Any] | None
    judge_rubric: str
    training: str
    gate: GateRules
    serving: Serving
    approval: str
    budget_usd: float
    teacher_data: TeacherDataRules
    secrets: str
    cascade: CascadeRules | None = None
    team: str | None = None
    max_answer_tokens: int = ANSWER_TOKENS
    measure_prompting: bool = True

    @classmethod
    def default(cls) -> Self:
        """Give the definition of a task without a ``task.json``: approval required, a small budget."""
        return cls.from_document({})

    @classmethod
    def from_text(cls, text: bytes) -> Self:
        """Parse the file as uploaded.

        Raises
        ------
        InvalidTaskDefinition
            With line and column, or the key and what is allowed.
        """
        try:
            return cls.from_document(parse_document(text, "task.json is "))
        except InvalidDocument as problem:
            raise InvalidTaskDefinition(str(problem)) from None
        except RecursionError:
            raise InvalidTaskDefinition("task.json is nested too deeply to be checked; flatten it") from None

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Check a parsed definition and fill in its defaults.

        Raises
        ------
        InvalidTaskDefinition
            Names the key and what is allowed.
        """
        try:
            checked = check_document(document, "task.schema.json")
        except InvalidDocument as problem:
            raise InvalidTaskDefinition(f"task.json: {problem}") from None
        for name in ("teacher_system_prompt", "student_system_prompt"):
            _check_prompt(name, checked.get(name) or "")
        for name in ("teacher_system_prompt", "student_system_prompt", "judge_rubric"):
            if checked["secrets"] != "allow":
                _check_secrets(name, checked.get(name) or "")
        schema = checked.get("output_schema")
        _check_output_schema(schema)
        serving = checked["serving"]
        if checked["approval"] == "automatic" and serving["commitment"] != "none":
            message = (
                "task.json: 'approval' is automatic with a commitment in 'serving.commitment'; a commitment cannot "
                "be released before its term, so a person must approve it: set 'approval' to 'required'"
            )
            raise InvalidTaskDefinition(message)
        return cls(
            teacher_system_prompt=checked.get("teacher_system_prompt"),
            student_system_prompt=checked.get("student_system_prompt"),
            output_schema=schema,
            judge_rubric=checked.get("judge_rubric", DEFAULT_RUBRIC),
            training=checked["training"],
            gate=GateRules(**checked["gate"]),
            serving=Serving(**{"expected_requests_per_month": None, **serving}),
            approval=checked["approval"],
            budget_usd=checked["budget_usd"],
            teacher_data=TeacherDataRules(**checked["teacher_data"]),
            secrets=checked["secrets"],
            team=checked.get("team"),
            cascade=_cascade_rules(checked.get("cascade"), schema),
            max_answer_tokens=checked["max_answer_tokens"],
            measure_prompting=checked["measure_prompting"],
        )


def _check_prompt(name: str, text: str) -> None:
    word = reserved_word(text)
    if word is not None:
        message = f"task.json: '{name}' contains '{word}', a reserved word that fails a Nova training job"
        raise InvalidTaskDefinition(f"{message}; write it otherwise, for example with a space before the colon")
    stray = stray_character(text)
    if stray is not None:
        raise InvalidTaskDefinition(f"task.json: '{name}' has {stray}")


def _check_secrets(name: str, text: str) -> None:
    kinds = secret_kinds(text)
    if kinds:
        message = (
            f"task.json: '{name}' holds what looks like a secret ({', '.join(kinds)}); every request would send it"
        )
        raise InvalidTaskDefinition(f"{message}. Take it out, or set 'secrets' to \"allow\" if it is none")


def _check_output_schema(schema: dict[str, Any] | None) -> None:
    if schema is None:
        return
    try:
        OutputChecker(schema)
        check_patterns(schema)
    except InvalidSchema as problem:
        message = f"task.json: 'output_schema' is not a JSON Schema that can be used: {problem}"
        raise InvalidTaskDefinition(message) from None


def _cascade_rules(rules: dict[str, Any] | None, schema: dict[str, Any] | None) -> CascadeRules | None:
    """Check that the confidence field is a number of the output schema that can be below the threshold."""
    if rules is None:
        return None
    name, below = rules["confidence_field"], rules["below"]
    found = (schema or {}).get("properties")
    members: dict[str, Any] = found if isinstance(found, dict) else {}
    numbers = [key for key, member in members.items() if _is_number(member)]
    if name not in numbers:
        known = f"its numbers are {', '.join(map(repr, numbers))}" if numbers else "it has no number at its top"
        message = f"task.json: 'cascade.confidence_field' is '{name}', which is no number of 'output_schema': {known}"
        raise InvalidTaskDefinition(f"{message}. Add the field to the schema and ask for it in the prompts")
    low, high = members[name].get("minimum"), members[name].get("maximum")
    if (low is not None and below <= low) or (high is not None and below > high):
        message = f"task.json: 'cascade.below' is {below:g}, but 'output_schema' has '{name}' from {low} to {high}"
        raise InvalidTaskDefinition(f"{message}: the teacher would be asked always or never; take a figure between")
    return CascadeRules(confidence_field=name, below=below)


def _is_number(member: object) -> bool:
    kind = member.get("type") if isinstance(member, dict) else None
    return bool({"number", "integer"} & set(kind if isinstance(kind, list) else [str(kind)]))
