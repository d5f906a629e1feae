"""An application asks the student: what it gets, from whom, for how much, and what it never gets."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore import session as botocore_session
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    SSLError,
)
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import HTTPError, ProtocolError

from bedrock_student import Answer, Metrics, StudentError
from bedrock_student.breaker import Breaker
from bedrock_student.policy import Call
from tests.unit.client.service import (
    BETTER,
    FALLBACK_MODEL,
    GOOD,
    PROMPT,
    STUDENT_ARN,
    Service,
    failure,
    pointer,
    policy,
    said,
    timeout,
)

OUTAGES = [
    failure("ThrottlingException", 429),
    failure("ModelTimeoutException", 408),
    failure("ModelErrorException", 424),
    failure("InternalServerException", 500),
    failure("502", 502),
    failure("ServiceUnavailableException", 503),
    timeout(),
    EndpointConnectionError(endpoint_url="https://bedrock-runtime", error="refused"),
    ConnectTimeoutError(endpoint_url="https://bedrock-runtime", error="silent"),
    SSLError(endpoint_url="https://bedrock-runtime", error=OSError("broken")),
    ProxyConnectionError(proxy_url="http://proxy", error="refused"),
]


class Told(Metrics):
    """What figures are told of questions and calls."""

    def __init__(self) -> None:
        self.answers: list[tuple[str | None, bool, bool]] = []
        self.calls: list[tuple[str, str | None]] = []
        self.usd: list[float | None] = []

    def called(self, task: str, call: Call) -> None:
        assert task == "video"
        self.calls.append((call.leg, call.error))

    def answered(self, task: str, answer: Answer | None, seconds: float, *, capped: str) -> None:
        assert (task, seconds >= 0) == ("video", True)
        self.answers.append((answer.leg, answer.valid, bool(capped)) if answer else (None, False, bool(capped)))
        self.usd.append(answer.usd if answer else None)


@pytest.fixture
def service() -> Service:
    return Service()


class TestWhoAnswers:
    """The student, unless the policy says otherwise."""

    def test_the_student_is_asked_as_the_evaluation_asked_it(self, service: Service) -> None:
        answer = service.student().ask("red cats")
        assert (answer.text, answer.leg, answer.reason, answer.valid, answer.repaired) == (
            GOOD,
            "student",
            None,
            True,
            False,
        )
        assert (answer.json, answer.run_id, answer.policy_version, answer.variant) == (
            {"a": 1},
            "run-1",
            "p1",
            "student",
        )
        [request] = service.requests
        assert request["system"] == [{"text": "Short."}]
        assert request["inferenceConfig"] == {"maxTokens": 1000, "temperature": 0.0}
        assert answer.usd == pytest.approx((100 * 1 + 10 * 2) / 1e6)

    @pytest.mark.parametrize("problem", OUTAGES, ids=str)
    def test_an_outage_is_answered_by_the_fallback_with_its_own_prompt(
        self, service: Service, problem: Exception
    ) -> None:
        service.says(problem)
        answer = service.student().ask("red cats")
        assert (answer.text, answer.leg, answer.reason, answer.valid) == (BETTER, "fallback", "unanswered", True)
        assert service.requests[-1]["system"] == [{"text": PROMPT}]
        assert [call.leg for call in answer.calls] == ["student", "fallback"]
        assert answer.usd == pytest.approx((100 * 10 + 10 * 20) / 1e6)

    @pytest.mark.parametrize("problem", OUTAGES, ids=str)
    def test_an_outage_opens_the_breaker_and_is_tried_again_where_there_is_no_fallback(
        self, service: Service, problem: Exception
    ) -> None:
        # Given
        service.publish(pointer())
        tries = iter([problem, said(GOOD), problem, problem, problem, problem])
        service.models[STUDENT_ARN] = lambda _: next(tries)
        student = service.student()
        # Then one failure is got over
        assert student.ask("red cats").leg == "student"
        # And more of them open the breaker
        for _ in range(2):
            with pytest.raises(StudentError):
                student.ask("red cats")
        assert student._breakers[STUDENT_ARN].is_open

    @pytest.mark.parametrize(
        "problem",
        [failure("ValidationException", 400), failure("AccessDeniedException", 403), NoCredentialsError()],
        ids=str,
    )
    def test_the_callers_own_mistake_is_never_escalated(self, service: Service, problem: Exception) -> None:
        service.says(problem)
        with pytest.raises(type(problem)):
            service.student().ask("red cats")
        assert service.asked(FALLBACK_MODEL) == 0

    @pytest.mark.parametrize(
        ("text", "stop", "reason"),
        [
            ("no JSON", "end_turn", "breaks_schema"),
            (GOOD, "max_tokens", "truncated"),
            ('{"a": "x"}', "end_turn", "breaks_schema"),
        ],
    )
    def test_a_bad_answer_stays_the_students_until_a_person_has_adopted_routing(
        self, service: Service, text: str, stop: str, reason: str
    ) -> None:
        # Given
        service.says(text, stop_reason=stop)
        # When nobody has adopted anything
        alone = service.student().ask("red cats")
        # Then
        assert (alone.text, alone.leg, alone.reason, alone.valid) == (text, "student", reason, False)
        # When somebody has
        service.publish(pointer(), policy("cascade", on=["truncated", "breaks_schema"]))
        routed = service.student().ask("red cats")
        # Then
        assert (routed.text, routed.leg, routed.reason, routed.valid) == (BETTER, "fallback", reason, True)

    def test_routing_that_was_adopted_for_another_run_does_not_hold(self, service: Service) -> None:
        # Given a new student, and the policy of the one before
        service.publish(pointer(run_id="run-2"), policy("cascade", on=["breaks_schema"]))
        student = service.student()
        service.says("no JSON")
        # Then nothing escalates for quality
        answer = student.ask("red cats")
        assert (answer.leg, answer.variant) == ("student", "policy_of_another_run")
        # But an outage is answered
        service.says(timeout())
        assert student.ask("red cats").leg == "fallback"

    def test_only_the_fallback_serves_where_a_person_says_so(self, service: Service) -> None:
        service.publish(pointer(), policy("fallback"))
        answers = [service.student().ask("red cats") for _ in range(3)]
        assert {(answer.leg, answer.reason, answer.variant) for answer in answers} == {
            ("fallback", "by_policy", "fallback")
        }
        assert service.asked() == 0

    @pytest.mark.parametrize(
        ("text", "leg"),
        [
            ('{"a": 1, "sure": 0.9}', "student"),
            ('{"a": 1, "sure": 0.7}', "student"),
            ('{"a": 1, "sure": 0.5}', "fallback"),
            (GOOD, "fallback"),
        ],
    )
    def test_a_student_that_is_not_sure_is_not_asked_to_guess(self, service: Service, text: str, leg: str) -> None:
        service.publish(
            pointer(), policy("cascade", on=["low_confidence"], confidence_field="sure", below=0.7, max_share=1)
        )
        service.says(text)
        answer = service.student().ask("red cats")
        assert (answer.leg, answer.valid) == (leg, True)
        assert answer.reason == (None if leg == "student" else "low_confidence")

    def test_a_fallback_that_does_no_better_leaves_the_students_answer(self, service: Service) -> None:
        service.publish(pointer(), policy("cascade", on=["breaks_schema"]))
        service.says("no JSON")
        service.says("no JSON either", FALLBACK_MODEL)
        answer = service.student().ask("red cats")
        assert (answer.text, answer.leg, answer.valid, len(answer.calls)) == ("no JSON", "student", False, 2)

    @pytest.mark.parametrize(
        "problem",
        [failure("ValidationException", 400, "temperature and top_p"), failure("AccessDeniedException", 403)],
        ids=str,
    )
    @pytest.mark.parametrize(("text", "valid"), [('{"a": 1, "sure": 0.1}', True), ("no JSON", False)])
    def test_a_fallback_that_refuses_leaves_the_students_answer_in_hand(
        self, service: Service, caplog: pytest.LogCaptureFixture, problem: Exception, text: str, valid: bool
    ) -> None:
        # Given
        rules = policy("cascade", on=["low_confidence", "breaks_schema"], confidence_field="sure", below=0.7)
        service.publish(pointer(), rules)
        service.says(text)
        service.says(problem, FALLBACK_MODEL)
        # When
        answer = service.student().ask("red cats")
        # Then
        assert (answer.text, answer.leg, answer.valid) == (text, "student", valid)
        assert answer.reason == ("low_confidence" if valid else "breaks_schema")
        code = problem.response["Error"]["Code"] if isinstance(problem, ClientError) else ""
        assert [call.error for call in answer.calls] == [None, code]
        assert f"keeps its student's answer: {code} of the fallback" in caplog.text
        # But where there is none it is raised
        service.says(timeout())
        with pytest.raises(ClientError):
            service.student().ask("red cats")

    def test_where_nobody_answers_the_error_has_the_calls(self, service: Service) -> None:
        service.says(timeout())
        service.says(failure("ServiceUnavailableException", 503), FALLBACK_MODEL)
        with pytest.raises(StudentError, match="student ReadTimeoutError, fallback ServiceUnavailable") as raised:
            service.student().ask("red cats")
        assert [call.leg for call in raised.value.calls] == ["student", "fallback", "fallback"]

    def test_without_a_fallback_the_student_is_asked_again(self, service: Service) -> None:
        service.publish(pointer())
        tries = iter([timeout(), said(GOOD)])
        service.models[STUDENT_ARN] = lambda _: next(tries)
        answer = service.student().ask("red cats")
        assert (answer.leg, answer.variant, len(answer.calls)) == ("student", "no_policy", 2)


class TestTheForm:
    """One repair, and no guesses."""

    @pytest.mark.parametrize(
        ("text", "valid", "repaired"),
        [(GOOD, True, False), (f"```json\n{GOOD}\n```", True, True), (f"Here: {GOOD} Bye.", True, True),
         ('{"a": 1,}', False, False), ('{"a": NaN}', False, False), ('{"a": 1', False, False), ("", False, False)],
    )  # fmt: skip
    def test_fences_and_prose_go_and_nothing_is_guessed(
        self, service: Service, text: str, valid: bool, repaired: bool
    ) -> None:
        service.says(text)
        answer = service.student().ask("red cats")
        assert (answer.valid, answer.repaired) == (valid, repaired)
        assert answer.text == (GOOD if valid else text)

    def test_a_task_without_schema_takes_any_text(self, service: Service) -> None:
        service.publish(pointer(output_schema=None), policy())
        service.says("a sentence")
        assert service.student().ask("red cats").valid


class TestCaps:
    """Escalations have a share, and an outage has another one."""

    def test_no_more_than_the_share_is_escalated_for_quality(self, service: Service) -> None:
        service.publish(pointer(), policy("cascade", on=["breaks_schema"], max_share=0.1))
        service.says("no JSON")
        student = service.student()
        answers = [student.ask("red cats") for _ in range(1000)]
        assert sum(answer.leg == "fallback" for answer in answers) in range(95, 101)

    def test_an_outage_does_not_meet_the_share_of_quality(self, service: Service) -> None:
        service.publish(pointer(), policy("cascade", on=["breaks_schema"], max_share=0.1))
        service.says(timeout())
        student = service.student()
        assert {student.ask("red cats").leg for _ in range(200)} == {"fallback"}

    def test_an_outage_share_bounds_what_an_outage_may_cost(self, service: Service) -> None:
        service.publish(pointer(), policy(outage_share=0.5))
        service.says(timeout())
        student = service.student()
        for _ in range(25):
            assert student.ask("red cats").leg == "fallback"
        with pytest.raises(StudentError):
            student.ask("red cats")


class TestTheBreaker:
    """An outage costs ten calls, and then one probe at a time."""

    def test_ten_minutes_of_outage(self, service: Service) -> None:
        # Given eight threads and twenty requests a second, in a time of their own
        now, student, together = [0.0], service.student(), threading.Barrier(8)
        breaker = student._breakers[STUDENT_ARN] = Breaker(lambda: now[0])

        def all_at_once(_request: Any) -> Any:
            if not breaker.is_open and not together.broken:
                together.wait(5)
            return timeout()

        def traffic(pool: ThreadPoolExecutor, seconds: float) -> list[Any]:
            answers: list[Any] = []
            for _ in range(int(seconds / 0.4)):
                answers += pool.map(student.ask, ["red cats"] * 8)
                now[0] += 0.4
            return answers

        with ThreadPoolExecutor(8) as pool:
            traffic(pool, 20)
            service.models[STUDENT_ARN] = all_at_once
            before = service.asked()
            # When
            [*first] = pool.map(student.ask, ["red cats"] * 8)
            lost = service.asked() - before
            service.most_in_flight.clear()
            answers = [*first, *traffic(pool, 600)]
            probes = service.asked() - before - lost
            service.says(GOOD)
            back, since = [], now[0]
            while breaker.is_open:
                back += traffic(pool, 0.4)
            recovered = now[0] - since
        # Then
        assert len(answers) >= 12_000
        assert {answer.leg for answer in answers} == {"fallback"}
        assert all(answer.leg in ("student", "fallback") for answer in back)
        assert breaker.is_open is False
        assert lost <= 10
        assert 50 <= probes <= 80
        assert service.most_in_flight[STUDENT_ARN] == 1
        assert recovered <= 15

    def test_a_mistake_of_the_caller_says_nothing_of_the_service(self, service: Service) -> None:
        student = service.student()
        service.says(failure("ValidationException", 400))
        for _ in range(20):
            with pytest.raises(ClientError):
                student.ask("red cats")
        service.says(GOOD)
        assert student.ask("red cats").leg == "student"

    def test_a_fallback_in_an_outage_is_asked_where_nobody_else_could_answer(self, service: Service) -> None:
        # Given a fallback whose breaker has opened
        service.publish(pointer(), policy("cascade", on=["breaks_schema"], max_share=1.0))
        student = service.student()
        service.says("no JSON")
        service.says(timeout(), FALLBACK_MODEL)
        for _ in range(10):
            assert student.ask("red cats").text == "no JSON"
        assert service.asked(FALLBACK_MODEL) == 3
        # When the student fails too, and the fallback is back
        service.says(timeout())
        service.says(BETTER, FALLBACK_MODEL)
        # Then
        assert student.ask("red cats").text == BETTER


class TestThePointer:
    """Where the student is, read rarely, and on after its source has gone."""

    def test_a_thousand_questions_read_it_once(self, service: Service) -> None:
        student = service.student()
        for _ in range(1000):
            student.ask("red cats")
        assert service.reads == 1

    def test_an_outage_of_systems_manager_fails_no_call(self, service: Service) -> None:
        # Given a pointer that was read
        now, student = [0.0], service.student()
        student._pointer._clocks = lambda: (now[0],)
        student.ask("red cats")
        # When it cannot be read for half an hour
        service.ssm_problem = failure("InternalServerError", 500)
        for _ in range(1800):
            now[0] += 1.0
            assert student.ask("red cats").leg == "student"
        # Then it is read again soon after, and after too long nobody is told an endpoint that may be gone
        now[0] += 3001 - 1800
        with pytest.raises(ClientError):
            student.ask("red cats")
        service.ssm_problem = None
        now[0] += 6.0
        assert student.ask("red cats").leg == "student"

    def test_an_endpoint_that_was_replaced_is_found_at_once(self, service: Service) -> None:
        student = service.student()
        student.ask("red cats")
        other = f"{STUDENT_ARN[:-12]}mnopqrstuvwx"
        service.models = {other: lambda _: said(GOOD), FALLBACK_MODEL: service.models[FALLBACK_MODEL]}
        service.publish(pointer(endpoint_arn=other), policy())
        answer = student.ask("red cats")
        assert (answer.leg, [call.error for call in answer.calls]) == ("student", ["ResourceNotFoundException", None])
        assert service.reads == 2

    @pytest.mark.parametrize("reads", [True, False], ids=["pointer can be read", "pointer cannot be read"])
    @pytest.mark.parametrize(
        "problem",
        [
            failure("ResourceNotFoundException", 404),
            failure("ValidationException", 400, "The provided model identifier is invalid."),
        ],
        ids=["404", "400"],
    )
    def test_an_endpoint_that_is_gone_is_an_outage(self, service: Service, problem: Exception, reads: bool) -> None:
        student = service.student()
        student.ask("red cats")
        service.says(problem)
        service.ssm_problem = None if reads else failure("InternalServerError", 500)
        assert student.ask("red cats").leg == "fallback"

    def test_a_task_without_champion_says_what_is_missing(self, service: Service) -> None:
        service.publish(None)
        with pytest.raises(
            StudentError, match="no student serves task 'video': there is no parameter /distillation/dev/"
        ):
            service.student().ask("red cats")

    @pytest.mark.parametrize("where", ["pointer", "policy"])
    def test_what_a_later_version_wrote_names_what_to_install(self, service: Service, where: str) -> None:
        newer = {"schema_version": 2, "client": "bedrock-student>=0.9"}
        parts = {"pointer": pointer(), "policy": policy()}
        parts[where] |= newer
        service.publish(parts["pointer"], parts["policy"])
        with pytest.raises(
            StudentError, match=rf"the {where} has version 2 .* pip install --upgrade 'bedrock-student>=0.9'"
        ):
            service.student().ask("red cats")

    @pytest.mark.parametrize("rules", ["not JSON", "[]", '{"mode": 1, "fallback": 3}', '{"fallback": {"model": "x"}}'])
    def test_a_policy_that_cannot_be_read_says_nothing(self, service: Service, rules: str) -> None:
        service.publish(pointer(), rules)
        assert service.student().ask("red cats").leg == "student"

    @pytest.mark.parametrize("content", [None, b"another prompt"], ids=["missing", "changed"])
    def test_a_prompt_that_is_not_the_one_of_the_policy_is_not_used(
        self, service: Service, content: bytes | None
    ) -> None:
        # Given
        service.objects = {} if content is None else {("runs", "policies/p"): content}
        service.says(timeout())
        # Then the student has no fallback
        with pytest.raises(StudentError):
            service.student().ask("red cats")
        assert service.asked(FALLBACK_MODEL) == 0
        # And one that is to serve alone is an error, not the student in its place
        service.publish(pointer(), policy("fallback"))
        with pytest.raises(StudentError, match="its prompt cannot be read"):
            service.student().ask("red cats")


class TestStreams:
    """Text as it comes."""

    def test_pieces_come_one_by_one(self, service: Service) -> None:
        service.says("red |cats")
        assert list(service.student().stream("x")) == ["red ", "cats"]

    def test_a_failure_before_the_first_piece_is_escalated(self, service: Service) -> None:
        service.says(timeout())
        assert "".join(service.student().stream("x")) == BETTER

    def test_after_the_first_piece_nothing_is(self, service: Service) -> None:
        service.says("red |BREAKS")
        pieces = service.student().stream("x")
        assert next(pieces) == "red "
        with pytest.raises(StudentError, match="broke off"):
            next(pieces)
        assert service.asked(FALLBACK_MODEL) == 0

    @pytest.mark.parametrize(
        "problem",
        [
            ProtocolError("Response ended prematurely"),
            HTTPError("Read timed out."),
            failure("throttlingException", 200),
        ],
        ids=str,
    )
    def test_a_stream_that_breaks_before_its_first_piece_is_an_outage(
        self, service: Service, problem: Exception
    ) -> None:
        # Given a stream that has begun and has shown nothing
        service.says("BREAKS")
        service.stream_problem = problem
        told = Told()
        student = service.student(metrics=told)
        # When
        texts = {"".join(student.stream("x")) for _ in range(3)}
        # Then
        assert texts == {BETTER}
        name = problem.response["Error"]["Code"] if isinstance(problem, ClientError) else type(problem).__name__
        assert told.calls == [("student", name), ("fallback", None)] * 3
        assert student._breakers[STUDENT_ARN].is_open
        # And one that breaks in its text is an error
        service.says("red |BREAKS")
        student.after_fork()
        with pytest.raises(StudentError, match=f"broke off .{name}."):
            list(student.stream("x"))

    @pytest.mark.parametrize("rules", [policy(), None], ids=["a fallback", "none"])
    def test_a_stream_finds_an_endpoint_that_was_replaced(self, service: Service, rules: object) -> None:
        # Given
        service.publish(pointer(), rules)
        student = service.student()
        student.ask("red cats")
        other = f"{STUDENT_ARN[:-12]}mnopqrstuvwx"
        service.models = {other: lambda _: said("new"), FALLBACK_MODEL: service.models[FALLBACK_MODEL]}
        service.publish(pointer(endpoint_arn=other), rules)
        # Then
        assert "".join(student.stream("x")) == "new"
        assert service.reads == 2

    def test_a_student_that_says_nothing_has_answered(self, service: Service) -> None:
        # Given
        service.says("")
        told = Told()
        student = service.student(metrics=told)
        # Then it is its own answer, and no outage
        assert [list(student.stream("x")) for _ in range(4)] == [[]] * 4
        assert told.answers == [("student", False, False)] * 4
        assert (service.asked(), service.asked(FALLBACK_MODEL)) == (4, 0)
        # But where such answers are passed on, this one is
        service.publish(pointer(), policy("cascade", on=["breaks_schema"]))
        assert "".join(service.student().stream("x")) == BETTER

    def test_a_stream_is_told_once_however_it_ends(self, service: Service) -> None:
        told = Told()
        student = service.student(metrics=told)
        # When it is read to its end
        list(student.stream("x"))
        # When the caller stops listening
        service.says("red |cats")
        pieces = student.stream("x")
        assert isinstance(pieces, Generator)
        next(pieces)
        pieces.close()
        # When it breaks off
        service.says("red |BREAKS")
        with pytest.raises(StudentError):
            list(student.stream("x"))
        # When the request is wrong, before its text or in it
        service.stream_problem = failure("validationException", 200)
        for text in ("BREAKS", "red |BREAKS"):
            service.says(text)
            with pytest.raises(ClientError):
                list(student.stream("x"))
        # Then
        assert told.answers == [("student", True, False)] * 2 + [(None, False, False)] * 3
        assert told.usd[0] == pytest.approx((100 * 1 + 10 * 2) / 1e6)
        assert told.usd[1] is None, "what a stream costs that was not read is not known"

    def test_streams_of_the_student_make_room_for_outages(self, service: Service) -> None:
        # Given a share of outages that a fresh client has no room for
        service.publish(pointer(), policy(outage_share=0.01))
        student = service.student()
        for _ in range(200):
            list(student.stream("x"))
        # Then two of two hundred and more answers may be passed on, and no third one
        service.says(timeout())
        assert ["".join(student.stream("x")) for _ in range(2)] == [BETTER] * 2
        with pytest.raises(StudentError):
            list(student.stream("x"))

    def test_the_callers_own_mistake_is_raised(self, service: Service) -> None:
        service.says(failure("ValidationException", 400))
        with pytest.raises(ClientError):
            list(service.student().stream("x"))

    def test_a_caller_that_stops_listening_harms_nothing(self, service: Service) -> None:
        service.says("red |cats |and dogs")
        student = service.student()
        for _ in range(20):
            pieces = student.stream("x")
            next(pieces)
            del pieces
        service.says(GOOD)
        assert student.ask("x").leg == "student"


class TestAttribution:
    """Whose call it is, in the log of the account."""

    def test_each_call_says_task_run_leg_and_reason(self, service: Service) -> None:
        service.says(timeout())
        service.student(tags={"app": "shop"}).ask("red cats", tags={"page": "search"})
        first, second = (request["requestMetadata"] for request in service.requests)
        common = {
            "task": "video",
            "run": "run-1",
            "policy": "p1",
            "variant": "student",
            "app": "shop",
            "page": "search",
        }
        assert first == {**common, "leg": "student"}
        assert second == {**common, "leg": "fallback", "reason": "unanswered"}

    @settings(max_examples=25)
    @given(st.dictionaries(st.text(max_size=300), st.text(max_size=300), max_size=30))
    def test_whatever_an_application_says_the_service_takes(self, tags: dict[str, str]) -> None:
        # Given
        service = Service()
        model = botocore_session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")
        assert model.input_shape is not None
        shape = model.input_shape.members["requestMetadata"]
        # When
        service.student(tags=tags).ask("red cats")
        # Then
        [request] = service.requests
        sent = request["requestMetadata"]
        assert not ParamValidator().validate(request, model.input_shape).has_errors()
        assert 1 <= len(sent) <= shape.metadata["max"]
        assert all(1 <= len(name) <= 256 and len(value) <= 256 for name, value in sent.items())
        assert all(set(text) <= ALLOWED for pair in sent.items() for text in pair)
        assert sent["task"] == "video", "an application's tag never replaces one of ours"


ALLOWED = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_@$#=/+,-. \t\n\r\f\v")


def test_a_loop_asks_many_at_once(service: Service) -> None:
    async def ask() -> list[Any]:
        student = service.student(threads=4)
        return await asyncio.gather(*(student.aask("red cats") for _ in range(8)))

    assert [answer.text for answer in asyncio.run(ask())] == [GOOD] * 8


def test_a_loops_question_keeps_the_context_of_who_asks(service: Service) -> None:
    # Given a span, as tracing keeps it
    span: contextvars.ContextVar[str] = contextvars.ContextVar("span", default="none")
    seen = []

    def model(_request: Any) -> Any:
        seen.append(span.get())
        return said(GOOD)

    service.models[STUDENT_ARN] = model

    async def ask() -> None:
        span.set("the caller's")
        await service.student().aask("red cats")

    # When
    asyncio.run(ask())
    # Then
    assert seen == ["the caller's"]


def test_messages_and_the_callers_own_system_text_go_as_they_are(service: Service) -> None:
    service.publish(pointer(system_prompt=None), policy())
    turns = [{"role": "user", "content": [{"text": "one"}]}, {"role": "assistant", "content": [{"text": "two"}]},
             {"role": "user", "content": [{"text": "three"}]}]  # fmt: skip
    service.student().ask(turns, system="My own.")
    [request] = service.requests
    assert (request["messages"], request["system"]) == (turns, [{"text": "My own."}])
    assert json.dumps(request)
