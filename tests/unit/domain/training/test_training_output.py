"""The job's output: counts and loss curve, whatever the files look like."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.training.training_output import (
    LossCurve,
    LossPoint,
    RecordCounts,
    read_counts,
    read_losses,
    thinned,
    training_document,
)

HEADER = "fileName,totalProcessedRecordCount,acceptedRecordCount,partiallyAcceptedRecordCount,rejectedRecordCount"


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_exception(body: bytes) -> None:
    # Given / When
    counts, losses = read_counts([body]), read_losses(body)
    # Then
    assert counts is None or counts.used() >= 0
    assert all(point.loss >= 0 for point in losses.points)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"fileName\nx\n",
        HEADER.encode(),
        f"{HEADER}\nx,a,b,c,d".encode(),
        f"{HEADER}\nx,10,-3,0,1".encode(),
        b"totalProcessedRecordCount\n10\n",
    ],
)
def test_where_the_output_has_no_counts_they_are_unknown(body: bytes) -> None:
    # Given / When / Then
    assert read_counts([body]) is None
    assert training_document(10, None, LossCurve(), "s3://b/k")["lost_share"] is None


@given(st.lists(st.tuples(*[st.integers(0, 10_000)] * 3), min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_the_manifests_of_several_files_add_up(rows: list[tuple[int, int, int]], end: str) -> None:
    # Given
    files = [
        f"{HEADER}{end}{number}.jsonl,{sum(row)},{row[0]},{row[1]},{row[2]}{end}".encode("utf-8-sig")
        for number, row in enumerate(rows)
    ]
    # When
    counts = read_counts(files)
    # Then
    accepted, partial, rejected = (sum(column) for column in zip(*rows, strict=True))
    assert counts == RecordCounts(accepted + partial + rejected, accepted, partial, rejected)


def test_what_is_not_written_follows_from_the_rest_where_it_does() -> None:
    # Given / When / Then
    assert read_counts([b"total_processed,rejected\n10,3\n"]) == RecordCounts(10, 7, 0, 3)
    assert read_counts([b"Accepted Record Count\n7\n"]) == RecordCounts(7, 7, 0, 0)


@given(st.lists(st.floats(0, 1e6), max_size=30), st.sampled_from(["training_loss", "Training Loss", "loss"]))
def test_the_loss_curve_comes_back_in_order(losses: list[float], name: str) -> None:
    # Given a file whose rows stand in the reverse order
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["step_number", "epoch_number", name, "perplexity"])
    writer.writerows(reversed([(step, 0, loss, 1) for step, loss in enumerate(losses)]))
    # When
    points = read_losses(text.getvalue().encode()).points
    # Then
    assert points == [LossPoint(step, 0, loss) for step, loss in enumerate(losses)]


def test_a_loss_that_is_not_known_is_left_out() -> None:
    # Given / When
    curve = read_losses(b"step,training_loss\n1,-1\n2,nan\n\n3,\n4,0.5\n")
    # Then
    assert [(point.step, point.loss) for point in curve.points] == [(4, 0.5)]
    assert curve.without_loss == 3
    assert training_document(1, None, LossCurve(), "s3://b/k", -1)["last_loss"] is None
    assert training_document(1, None, LossCurve(), "s3://b/k", 0.25)["last_loss"] == 0.25


@given(st.integers(0, 3000), st.integers(2, 300))
def test_a_thinned_curve_keeps_its_ends(length: int, most: int) -> None:
    # Given
    points = [LossPoint(step, None, 1.0) for step in range(length)]
    # When
    kept = thinned(points, most)
    # Then
    assert len(kept) == min(length, most)
    assert not points or (kept[0], kept[-1]) == (points[0], points[-1])


@given(st.integers(1, 15_000), st.floats(0, 1))
def test_the_lost_share_is_that_of_what_was_sent(sent: int, share: float) -> None:
    # Given
    used = round(sent * (1 - share))
    # When / Then
    assert RecordCounts(sent, used, 0, sent - used).lost_share(sent) == pytest.approx(1 - used / sent)


def test_of_two_reports_on_one_file_the_worse_one_counts() -> None:
    # Given
    early, late = (f"{HEADER}\nf.jsonl,10,{accepted},0,{10 - accepted}\n".encode() for accepted in (10, 7))
    # When / Then
    assert read_counts([early, late]) == read_counts([late, early]) == RecordCounts(10, 7, 0, 3)


@given(st.integers(1, 15_000), st.integers(0, 30_000), st.integers(0, 30_000))
def test_counts_of_more_than_was_sent_lose_what_they_reject(sent: int, accepted: int, rejected: int) -> None:
    # Given
    counts = RecordCounts(accepted + rejected, accepted, 0, rejected)
    # When
    share = counts.lost_share(sent)
    # Then
    assert 0 <= share <= 1
    if counts.processed > sent:
        assert share >= rejected / counts.processed
    assert (share == 0) == (accepted >= sent and (rejected == 0 or counts.processed <= sent))
