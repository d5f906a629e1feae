"""One DynamoDB table with string keys ``pk`` and ``sk``, spoken to in plain values."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from botocore.exceptions import ClientError

from lambdas.gateways.aws.service_errors import refusal
from lambdas.gateways.registry.items import Item, from_values, to_values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_STATE = "by_state"
"""The index over ``state_group`` and ``since``."""

_Answer = TypeVar("_Answer")

CONFLICT_TRIES = 6
"""Tries of a write beside a transaction on the same item: the runs that start at once all want the item of slots."""

LONGEST_CONFLICT_PAUSE_S = 0.3

ITEMS_A_PAGE = 25
"""Items of a state that are read at once: whoever wants the first of a queue does not pay for hundreds behind it."""


class ConditionFailed(Exception):
    """A conditional write found the item in another state than expected."""


class Table:
    """Reads and conditional writes.

    Parameters
    ----------
    client : DynamoDB client
    name : str
        Table name.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client, self._name = client, name

    def get(self, pk: str, sk: str) -> Item | None:
        """Read an item, strongly consistent."""
        response = self._client.get_item(TableName=self._name, Key=to_values({"pk": pk, "sk": sk}), ConsistentRead=True)
        return from_values(response["Item"]) if "Item" in response else None

    def put(self, item: Item, condition: str | None = None, values: Item | None = None) -> Item | None:
        """Write a whole item and give the one that it replaced.

        Raises
        ------
        ConditionFailed
            When ``condition`` does not hold.
        """
        request: dict[str, Any] = {"TableName": self._name, "Item": to_values(item), "ReturnValues": "ALL_OLD"}
        _add_condition(request, condition, values)
        try:
            response = self._client.put_item(**request)
        except ClientError as problem:
            _translate(problem)
            raise
        return from_values(response["Attributes"]) if response.get("Attributes") else None

    def delete(self, pk: str, sk: str) -> None:
        """Delete an item; one that does not exist is not an error."""
        self._client.delete_item(TableName=self._name, Key=to_values({"pk": pk, "sk": sk}))

    def update(self, pk: str, sk: str, expression: str, values: Item, condition: str | None = None) -> Item:
        """Change an item and give it as it is afterwards.

        ``#name`` in an expression stands for the attribute ``name`` and is declared by itself.

        Raises
        ------
        ConditionFailed
            When ``condition`` does not hold.
        """
        return self._update(self.update_request(pk, sk, expression, values, condition), "ALL_NEW")

    def replace(self, pk: str, sk: str, expression: str, values: Item, condition: str | None = None) -> Item:
        """Change an item as :meth:`update` does and give it as it was before; empty where there was none.

        Raises
        ------
        ConditionFailed
            When ``condition`` does not hold.
        """
        return self._update(self.update_request(pk, sk, expression, values, condition), "ALL_OLD")

    def _update(self, request: dict[str, Any], given: Literal["ALL_OLD", "ALL_NEW"]) -> Item:
        try:
            response = _past_conflicts(lambda: self._client.update_item(**request, ReturnValues=given))
        except ClientError as problem:
            _translate(problem)
            raise
        return from_values(response.get("Attributes", {}))

    def update_request(
        self, pk: str, sk: str, expression: str, values: Item, condition: str | None = None
    ) -> dict[str, Any]:
        """Give the request of an update, alone or inside a transaction."""
        request: dict[str, Any] = {
            "TableName": self._name,
            "Key": to_values({"pk": pk, "sk": sk}),
            "UpdateExpression": expression,
        }
        _add_condition(request, condition, values)
        names = {word for word in _words(f"{expression} {condition or ''}") if word.startswith("#")}
        if names:
            request["ExpressionAttributeNames"] = {name: name[1:] for name in sorted(names)}
        return request

    def update_together(self, *requests: dict[str, Any]) -> None:
        """Do several updates or none.

        Raises
        ------
        ConditionFailed
            When the condition of one of them does not hold.
        """
        items: Any = [{"Update": request} for request in requests]
        try:
            _past_conflicts(lambda: self._client.transact_write_items(TransactItems=items))
        except ClientError as problem:
            _translate(problem)
            raise

    def query(self, pk: str, sk_prefix: str = "", *, at_once: int | None = None) -> Iterator[Item]:
        """Read the items of a partition whose sort key begins with a prefix, in the order of the keys.

        ``at_once`` is how many one query reads; otherwise it reads up to 1 MB (the service's page).
        """
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)" if sk_prefix else "pk = :pk",
            "ExpressionAttributeValues": to_values({":pk": pk, **({":sk": sk_prefix} if sk_prefix else {})}),
            "ConsistentRead": True,
        }
        yield from self._pages(request | ({"PaginationConfig": {"PageSize": at_once}} if at_once else {}))

    def in_state(
        self,
        state_group: str,
        *,
        newest_first: bool = False,
        at_once: int = ITEMS_A_PAGE,
        after: str | None = None,
    ) -> Iterator[Item]:
        """Read the items of a state group, oldest first unless said otherwise. Eventually consistent.

        ``after`` leaves out what entered the state before that time (ISO 8601).
        """
        since = {":after": after} if after else {}
        request: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": BY_STATE,
            "KeyConditionExpression": f"state_group = :group{' AND since >= :after' if since else ''}",
            "ExpressionAttributeValues": to_values({":group": state_group, **since}),
            "ScanIndexForward": not newest_first,
        }
        yield from self._pages(request | {"PaginationConfig": {"PageSize": at_once}})

    def _pages(self, request: dict[str, Any]) -> Iterator[Item]:
        for page in self._client.get_paginator("query").paginate(**request):
            for values in page["Items"]:
                yield from_values(values)


def _add_condition(request: dict[str, Any], condition: str | None, values: Item | None) -> None:
    if condition:
        request["ConditionExpression"] = condition
    if values:
        request["ExpressionAttributeValues"] = to_values(values)


def _words(expression: str) -> list[str]:
    for mark in "(),=<>+":
        expression = expression.replace(mark, " ")
    return expression.split()


def _past_conflicts(call: Callable[[], _Answer]) -> _Answer:
    """Call again while a transaction in progress holds the same item: botocore does not retry that."""
    for _ in range(CONFLICT_TRIES - 1):
        try:
            return call()
        except ClientError as problem:
            if not _is_conflict(problem):
                raise
        time.sleep(random.uniform(0, LONGEST_CONFLICT_PAUSE_S))  # noqa: S311 - jitter, not a secret
    return call()


def _is_conflict(problem: ClientError) -> bool:
    reasons = {reason.get("Code") for reason in problem.response.get("CancellationReasons", [])}
    conflict = refusal(problem) == "TransactionConflictException" or "TransactionConflict" in reasons
    return conflict and "ConditionalCheckFailed" not in reasons


def _translate(problem: ClientError) -> None:
    code = refusal(problem)
    if code == "ConditionalCheckFailedException":
        raise ConditionFailed from problem
    if code == "TransactionCanceledException":
        reasons = problem.response.get("CancellationReasons", [])
        if not reasons or any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
            raise ConditionFailed from problem
