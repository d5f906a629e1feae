"""Waiting approvals with their task tokens, in a table of their own that only two roles may touch."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reasons
from lambdas.domain.stored import known_fields
from lambdas.gateways.registry.items import Item, from_values, to_values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingApproval:
    """One waiting request.

    Attributes
    ----------
    expected_champion : str or None
        Run of the champion that the report was written against.
    explicit_reasons : list of ExplicitReason
        Why an approval needs a person's explicit word.
    price_wanted : bool
        Whether the price of a model-unit hour is in no price book, so that a person must state it.
    pays_up_to : float or None
        US dollars of a model-unit hour up to which the throughput pays at the expected volume; ``None`` where that is
        not known or no price is wanted.
    expires : int
        Seconds since 1970, when DynamoDB may delete the item.
    """

    run_id: str
    attempt: int
    task_token: str
    report_sha256: str
    expected_champion: str | None = None
    explicit_reasons: list[ExplicitReason] = field(default_factory=list)
    price_wanted: bool = False
    pays_up_to: float | None = None
    expires: int

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an item of the table."""
        return cls(**(known_fields(cls, item) | {"explicit_reasons": explicit_reasons(item)}))


class Approvals:
    """The approvals table.

    Parameters
    ----------
    client : DynamoDB client
    table : str
        Table name.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client, self._table = client, table

    def put(self, pending: PendingApproval) -> None:
        """Keep a request; one of the same run is replaced, its token has become useless."""
        self._client.put_item(TableName=self._table, Item=to_values(asdict(pending)))

    def find(self, run_id: str) -> PendingApproval | None:
        """Read the request of a run."""
        response = self._client.get_item(TableName=self._table, Key=to_values({"run_id": run_id}), ConsistentRead=True)
        return PendingApproval.from_item(from_values(response["Item"])) if "Item" in response else None

    def delete(self, run_id: str) -> None:
        """Forget the request of a run."""
        self._client.delete_item(TableName=self._table, Key=to_values({"run_id": run_id}))

    def delete_replaced(self, pending: PendingApproval) -> None:
        """Forget a request that another one follows, unless that one has taken its place already."""
        with contextlib.suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.delete_item(
                TableName=self._table,
                Key=to_values({"run_id": pending.run_id}),
                ConditionExpression="task_token = :token",
                ExpressionAttributeValues=to_values({":token": pending.task_token}),
            )
