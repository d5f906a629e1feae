"""Choose teacher, judge and baseline: the first of each preference list that can still be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.model_ids import foundation_model_id, model_family
from lambdas.domain.stored import read_as


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """What the service says about a model at this moment.

    Attributes
    ----------
    model : str
        As it would be called: a model id or a system inference profile id.
    exists : bool
        Whether the service knows it.
    lifecycle : str
        ``ACTIVE`` or ``LEGACY``.
    legacy_since : datetime or None
        When it became so.
    extended_access_from : datetime or None
        From when on a Legacy model costs the prices of extended access (Bedrock user guide, model lifecycle).
    end_of_life : datetime or None
        When requests begin to fail.
    customizations : tuple of str
        For example ``DISTILLATION``, ``FINE_TUNING``.
    on_demand : bool
        Whether it answers on demand under this id.
    access_problem : str or None
        Why the account may not use it, and what to do.
    """

    model: str
    exists: bool = True
    lifecycle: str = "ACTIVE"
    legacy_since: datetime | None = None
    extended_access_from: datetime | None = None
    end_of_life: datetime | None = None
    customizations: tuple[str, ...] = ()
    on_demand: bool = True
    access_problem: str | None = None

    def aging(self, now: datetime) -> str | None:
        """Say since when a model is Legacy, what that costs and when it ends; ``None`` of an active one."""
        if self.lifecycle == "ACTIVE" and self.end_of_life is None:
            return None
        said = [] if self.lifecycle == "ACTIVE" else [self.lifecycle + _on(" since", self.legacy_since)]
        if self.extended_access_from is not None:
            costs = "costs" if self.extended_access_from <= now else "will cost"
            said.append(f"{costs} the prices of extended access{_on(' from', self.extended_access_from)} on")
        if self.end_of_life is not None:
            said.append(f"ends{_on(' on', self.end_of_life)}")
        return ", ".join(said)

    def at_extended_access(self, now: datetime) -> bool:
        """Tell whether its tokens cost the prices of extended access now."""
        return self.extended_access_from is not None and self.extended_access_from <= now


def _on(word: str, moment: datetime | None) -> str:
    return f"{word} {moment:%Y-%m-%d}" if moment else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Considered:
    """One model of a preference list and why it was or was not taken."""

    role: str
    model: str
    usable: bool
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChoice:
    """The models of a run, each as it is called.

    Attributes
    ----------
    considered : list of dict
        Every model of the lists and why it was or was not taken.
    extended_access : list of str
        Those whose tokens cost the prices of extended access.
    warnings : list of str
        What a person should know of the models that were taken.
    """

    teacher: str
    student: str
    student_customization: str
    baseline: str
    judge: str
    training: str
    training_reason: str = ""
    considered: list[dict[str, Any]] = field(default_factory=list)
    extended_access: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def usable(self) -> dict[str, list[str]]:
        """Give the models that could be taken, by role, in order of preference; empty where none was considered."""
        roles: dict[str, list[str]] = {}
        for item in self.considered:
            if item["usable"] and item["role"] != "student":
                roles.setdefault(str(item["role"]), []).append(str(item["model"]))
        return roles

    def to_document(self) -> dict[str, Any]:
        """Give the choice as written to ``plan.json``."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read what :meth:`to_document` wrote; what another version wrote besides is left out."""
        return read_as(cls, document)


ANTHROPIC_TERMS = (
    "the teacher is a Claude model: Anthropic's terms bar training models that compete with its own and allow, for "
    "example, classifiers and extraction (support.claude.com, article 12326764); Bedrock's own terms were not read: "
    "ask whoever answers for licences before a student of it serves"
)


def problem_with(facts: ModelFacts, now: datetime) -> str | None:
    """Say why a model cannot be called, or ``None``."""
    if not facts.exists:
        return "is not known in this Region"
    if facts.end_of_life and facts.end_of_life <= now:
        return f"has reached its end of life on {facts.end_of_life:%Y-%m-%d}"
    if facts.access_problem:
        return facts.access_problem
    if not facts.on_demand:
        return "does not answer on demand under this id; name one of its inference profiles"
    return None


def choose_models(
    facts: Iterable[ModelFacts],
    preferences: dict[str, list[str]],
    *,
    student: str,
    student_customization: str,
    training: str,
    now: datetime,
    refused: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> ModelChoice:
    """Take the first usable model of each list and decide how to train.

    Parameters
    ----------
    facts : iterable of ModelFacts
        About every model named.
    preferences : dict of str to list of str
        ``teacher``, ``judge`` and ``baseline`` to models in order of preference.
    student, student_customization : str
        Ids under which the student's base answers and is customized.
    training : {"auto", "distillation", "fine_tuning"}
        As the task says.
    now : datetime
        Aware time at which the run is checked.
    refused : mapping
        Role and model to why the model cannot be used for that role, where it was asked a question or has no quota.

    Raises
    ------
    ModelUnavailable
        Names every model of the list and what is wrong with it.
    """
    known = {fact.model: fact for fact in facts}
    considered: list[Considered] = []
    taken: dict[str, str] = {}
    for role, models in {**preferences, "student": [student]}.items():
        for model in models:
            problem = problem_with(known[model], now)
            if problem is None and role == "judge" and model_family(model) == model_family(student):
                problem = "is of the student's own family and would favour it"
            problem = problem or refused.get((role, model))
            reason = problem or ("already chosen" if role in taken else "first of the list that can be used")
            aging = known[model].aging(now)
            if aging and problem is None:
                reason = f"{reason}; {aging}"
            usable = problem is None
            considered.append(Considered(role=role, model=model, usable=usable, reason=reason))
            if usable:
                taken.setdefault(role, model)
        if role not in taken:
            tried = "; ".join(f"{item.model} {item.reason}" for item in considered if item.role == role)
            setting = "student_model" if role == "student" else f"{role}_models"
            raise ModelUnavailable(f"no model can be used as {role}: {tried}. Change '{setting}' in the settings")
    teachers = [known[item.model] for item in considered if item.role == "teacher" and item.usable]
    way, why = _training(training, teachers, known[student_customization], now)
    return ModelChoice(
        teacher=taken["teacher"],
        student=student,
        student_customization=student_customization,
        baseline=taken["baseline"],
        judge=taken["judge"],
        training=way,
        training_reason=why,
        considered=[asdict(item) for item in considered],
        extended_access=sorted(fact.model for fact in known.values() if fact.at_extended_access(now)),
        warnings=_warnings(taken, known, now),
    )


def _warnings(taken: dict[str, str], known: dict[str, ModelFacts], now: datetime) -> list[str]:
    """Say what a person should know of the models taken: a life that ends, and terms on what an answer may train."""
    found: dict[str, list[str]] = {}
    for role, model in taken.items():
        aging = known[model].aging(now)
        if aging:
            found.setdefault(f"{model}: {aging}", []).append(role)
    warnings = [f"{' and '.join(roles)} {said}" for said, roles in found.items()]
    if model_family(taken["teacher"]) == "anthropic":
        warnings.append(ANTHROPIC_TERMS)
    return warnings


def _training(wanted: str, teachers: Sequence[ModelFacts], student: ModelFacts, now: datetime) -> tuple[str, str]:
    """Decide between distillation and fine-tuning with the first of the usable teachers, and say why.

    The order of the teachers is the user's word on their quality: it goes before the way of training.

    Pairs: Bedrock user guide, prerequisites for model distillation.
    """
    if not student.exists or (student.end_of_life and student.end_of_life <= now):
        raise ModelUnavailable(
            f"the student {student.model} can no longer be customized; change 'student_customization_model' in "
            "the settings, deploy and retry"
        )
    if student.lifecycle != "ACTIVE":
        # Bedrock user guide, model lifecycle: a create would be refused after the teacher's answers are paid.
        raise ModelUnavailable(
            f"the student {student.model} is {student.lifecycle.lower()}, and Bedrock starts no new customization job "
            "of such a model; name an active one in 'student_model' and 'student_customization_model' of the "
            "environment's settings, deploy and retry"
        )
    if wanted == "fine_tuning":
        if "FINE_TUNING" not in student.customizations:
            raise ModelUnavailable(
                f"the task wants fine-tuning, but {student.model} cannot be fine-tuned in this account; set 'training' "
                'to "auto" or "distillation" in task.json and upload again, or change \'student_customization_model\' '
                "in the settings, deploy and retry"
            )
        return "fine_tuning", "the task wants fine-tuning"
    closed = _pair_problem(teachers[0], student)
    if closed is None:
        return "distillation", "the task wants it" if wanted == "distillation" else "the pair is open in this account"
    other = next((teacher.model for teacher in teachers[1:] if _pair_problem(teacher, student) is None), None)
    if other:
        closed += f"; with {other} of 'teacher_models' a pair is open: name it first to distil"
    if wanted == "distillation":
        raise ModelUnavailable(f'{closed}; set \'training\' to "auto" or "fine_tuning" in task.json and upload again')
    if "FINE_TUNING" not in student.customizations:
        raise ModelUnavailable(
            f"the student {student.model} can be neither distilled nor fine-tuned in this account: {closed}"
        )
    return "fine_tuning", closed


def is_listed_pair(teacher: str, student: str) -> bool:
    """Tell whether the user guide lists a distillation pair; whether it is open in an account the service says."""
    return foundation_model_id(teacher) in _TEACHERS.get(foundation_model_id(student), ())


def _pair_problem(teacher: ModelFacts, student: ModelFacts) -> str | None:
    """Say why a student cannot be distilled from a teacher, or ``None``."""
    pair = f"no distillation pair is open for teacher {teacher.model} and student {student.model}"
    if "DISTILLATION" not in student.customizations:
        return f"{pair}: the student cannot be distilled in this account"
    if not is_listed_pair(teacher.model, student.model):
        return f"{pair}: the user guide does not list it"
    if teacher.lifecycle != "ACTIVE":
        return f"{pair}: the teacher is {teacher.lifecycle.lower()}, and takes part in no new customization job"
    return None


_AMAZON_TEACHERS = ("amazon.nova-premier-v1:0", "amazon.nova-pro-v1:0")
_TEACHERS = {
    "amazon.nova-micro-v1:0": _AMAZON_TEACHERS,
    "amazon.nova-lite-v1:0": _AMAZON_TEACHERS,
    "amazon.nova-pro-v1:0": ("amazon.nova-premier-v1:0",),
}
"""Distillation pairs of Amazon models (Bedrock user guide, prerequisites for distillation, autumn 2026)."""

DISTILLED_STUDENTS = frozenset(_TEACHERS)
"""Base models that can be students of a distillation."""
