"""Quotas are found by their names, and an estimate is held against those of the day and of the minute."""

from __future__ import annotations

import pytest

from lambdas.domain.costs.estimate import EstimatedLine
from lambdas.domain.costs.model_quotas import ModelQuota, names_model, needs

PRO, SONNET = "us.amazon.nova-pro-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ACCOUNT = {
    "Model invocation max tokens per day for Amazon Nova Pro (doubled for cross-region calls)": 1_000_000.0,
    "On-demand model inference tokens per minute for Amazon Nova Pro": 100.0,
    "Cross-region model inference tokens per minute for Amazon Nova Pro": 200_000.0,
    "Cross-region model inference requests per minute for Amazon Nova Pro": 60.0,
    "Model invocation max tokens per day for Anthropic Claude Sonnet 4.5 V1 1M Context Length": 5.0,
    "Model invocation max tokens per day for Anthropic Claude Sonnet 4.5 V1": 144_000.0,
    "Global cross-region model inference tokens per day for Anthropic Claude Sonnet 4.5 V1": 7.0,
    "Model invocation max tokens per day for Anthropic Claude Sonnet 4 V1": 1.0,
    "Model invocation max tokens per day for Amazon Nova 2 Lite": 0.0,
}


def line(model: str, calls: float, read: float, written: float, stage: str = "EvaluateStudent") -> EstimatedLine:
    usage = {"calls": calls, "input_tokens": read, "output_tokens": written}
    return EstimatedLine(stage=stage, model=model, what="-", usage=usage, low_usd=0, usd=0, high_usd=0)


def test_a_profile_has_the_cross_region_quotas_and_twice_the_day() -> None:
    assert ModelQuota.of(PRO, ACCOUNT) == ModelQuota(
        model=PRO, tokens_a_day=2_000_000, tokens_a_minute=200_000, requests_a_minute=60
    )


def test_a_model_on_demand_has_its_own_quotas_and_the_day_as_it_is() -> None:
    model = "amazon.nova-pro-v1:0"
    assert ModelQuota.of(model, ACCOUNT) == ModelQuota(model=model, tokens_a_day=1_000_000, tokens_a_minute=100)


def test_neither_another_version_nor_a_longer_context_is_the_same_model() -> None:
    assert ModelQuota.of(SONNET, ACCOUNT).tokens_a_day == 144_000
    assert not names_model("Anthropic Claude Sonnet 4 V1", SONNET)
    assert not names_model("Amazon Nova 2 Lite", "amazon.nova-lite-v1:0")
    assert names_model("Anthropic Claude Sonnet 4.6", "us.anthropic.claude-sonnet-4-6")


def test_a_quota_of_zero_never_resets() -> None:
    never = ModelQuota.of("us.amazon.nova-2-lite-v1:0", ACCOUNT).never
    assert never is not None
    assert "quota of 0 tokens a day, which never resets" in never
    assert ModelQuota.of(PRO, ACCOUNT).never is None
    assert ModelQuota.of("unknown.model", ACCOUNT).never is None


@pytest.mark.parametrize(
    ("tokens", "wait", "fits"), [(2_000_000, 0, True), (5_900_000, 48, True), (6_100_000, 48, False)]
)
def test_an_estimate_may_take_as_many_days_as_are_waited_for(tokens: float, wait: float, fits: bool) -> None:
    quota = ModelQuota.of(PRO, ACCOUNT)
    [need] = needs([line(PRO, 100, tokens - 1000, 1000)], {PRO: quota})
    problem = need.problem(quota, wait)
    assert (problem is None) is fits
    if problem:
        assert PRO in problem
        assert "2,000,000 a day" in problem
        assert "quota_wait_hours" in problem


def test_a_quota_of_the_minute_bounds_each_stage_by_itself() -> None:
    quota = ModelQuota.of(PRO, ACCOUNT)
    day = 24 * 60 * 60.0  # calls that a day at one request a second allows
    two = [line(PRO, day * 0.9, 1, 1), line(PRO, day * 0.9, 1, 1, stage="GenerateTeacherData")]
    [need] = needs(two, {PRO: quota})
    assert need.problem(quota, 48) is None
    [need] = needs([line(PRO, day * 1.1, 1, 1)], {PRO: quota})
    assert "hours for one stage" in str(need.problem(quota, 48))


def test_a_batch_counts_towards_no_quota_and_claude_answers_five_times() -> None:
    lines = [line(PRO, 1000, 1e9, 1e9, stage="RunTeacherBatch"), line(SONNET, 10, 1000, 100)]
    [need] = needs(lines, {})
    assert (need.model, need.tokens, need.days, need.hours) == (SONNET, 1500, 0, 0)
