"""People are reminded once, while there is still time, and of nothing that does not wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lambdas.gateways.registry.runs import Run
from lambdas.operations.reconcile_runs.reminders import remind
from lambdas.workflow.stage import iso
from tests.unit.support.workshop import Workshop


class Mail:
    """SNS as far as a reminder goes."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:  # noqa: N803 - the API's names
        del TopicArn, Subject
        self.sent.append(Message)


def waits(workshop: Workshop, hours: float) -> Run:
    run = workshop.run()
    expires = iso(workshop.time + timedelta(hours=hours))
    workshop.pipeline.registry.record_progress(run.run_id, "RequestApproval", workshop.now(), expires=expires)
    return workshop.pipeline.registry.run(run.run_id)


@pytest.mark.parametrize("hours", [-1.0, 0.0, 24.1, 72.0])
def test_too_early_and_too_late_nobody_is_reminded(workshop: Workshop, hours: float) -> None:
    mail: Any = Mail()
    assert not remind(workshop.pipeline, lambda: mail, waits(workshop, hours))
    assert mail.sent == []


def test_a_run_that_does_not_wait_reminds_nobody(workshop: Workshop) -> None:
    mail: Any = Mail()
    assert not remind(workshop.pipeline, lambda: mail, workshop.run())


def test_the_reminder_is_sent_once_however_often_the_schedule_comes(workshop: Workshop) -> None:
    # Given
    run, mail = waits(workshop, 23.0), Mail()
    sns: Any = mail
    # When
    sent = [remind(workshop.pipeline, lambda: sns, run) for _ in range(3)]
    # Then
    assert sent == [True, False, False]
    assert len(mail.sent) == 1
    assert run.run_id in mail.sent[0]
