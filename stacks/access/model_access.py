"""Which models may be asked: the only place that writes InvokeModel statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.model_ids import foundation_model_id, is_profile
from stacks.access.permissions import Permission, allow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aws_cdk import Stack


class ModelAccess:
    """ARNs and statements for models of one Region and account.

    Parameters
    ----------
    stack : Stack
        Gives partition, Region and account.
    profiles : mapping, optional
        ARN of the application inference profile by model, for those that are asked through one.
    """

    def __init__(self, stack: Stack, profiles: Mapping[str, str] | None = None) -> None:
        self._profiles = profiles or {}
        self._partition = stack.partition
        self._region = stack.region
        self._account = stack.account

    def foundation_model(self, model: str) -> str:
        """Name a foundation model in this Region, customization ids such as ``…:128k`` included."""
        return f"arn:{self._partition}:bedrock:{self._region}::foundation-model/{model}"

    def profile(self, model: str) -> str:
        """Name a system-defined inference profile of this account."""
        return f"arn:{self._partition}:bedrock:{self._region}:{self._account}:inference-profile/{model}"

    def account_resource(self, kind: str) -> str:
        """Name every resource of a kind: their ids are made by Bedrock, at run time."""
        return f"arn:{self._partition}:bedrock:{self._region}:{self._account}:{kind}/*"

    def describable(self, models: Iterable[str]) -> list[str]:
        """Name what CheckRun reads about models: their foundation models in this Region."""
        return sorted({self.foundation_model(foundation_model_id(model)) for model in models})

    def profiles(self, models: Iterable[str]) -> list[str]:
        """Name the inference profiles among models."""
        return sorted({self.profile(model) for model in models if is_profile(model)})

    def callable(self, model: str) -> str:
        """Name a model as it is called without a profile of ours: a foundation model here, or a system profile."""
        return self.profile(model) if is_profile(model) else self.foundation_model(model)

    def attributed(self, models: Iterable[str]) -> list[str]:
        """Name the application inference profiles of models, where they have one."""
        return [self._profiles[model] for model in sorted(set(models)) if model in self._profiles]

    def ask(self, models: Iterable[str]) -> list[Permission]:
        """Allow asking models as the pipeline does: through their application inference profile where there is one.

        Then the model is allowed only through that profile, so that no call goes untagged. What it copies is allowed as
        AWS's own construct library allows it (aws-bedrock-alpha, ``ApplicationInferenceProfile.grantInvoke``).
        """
        distinct = sorted(set(models))
        plain = [model for model in distinct if model not in self._profiles]
        attributed = [model for model in distinct if model in self._profiles]
        copied = [self.profile(model) for model in attributed if is_profile(model)]
        own = (
            [
                allow(
                    "bedrock:InvokeModel",
                    on=[*self.attributed(attributed), *copied],
                    to="ask the models of the settings through their application inference profile",
                )
            ]
            if attributed
            else []
        )
        behind = [self._behind_profile(model, self._profiles[model]) for model in attributed]
        return [*(self.invoke(plain) if plain else []), *own, *behind]

    def invoke(self, models: Iterable[str]) -> list[Permission]:
        """Allow asking exactly these models.

        A profile needs two statements: itself, and the foundation model behind it in whatever Region the profile
        chooses, but only when the call comes through the profile (Amazon Bedrock user guide, "Prerequisites for
        inference profiles"). A ``global.`` profile asks for the Region-less ARN too ("Global cross-Region inference").

        Parameters
        ----------
        models : iterable of str
            Model ids and system inference profile ids.
        """
        distinct = sorted(set(models))
        direct = [self.callable(model) for model in distinct]
        behind = [self._behind_profile(model, self.profile(model)) for model in distinct if is_profile(model)]
        return [allow("bedrock:InvokeModel", on=direct, to="ask the models of the settings"), *behind]

    def _behind_profile(self, model: str, profile: str) -> Permission:
        bare = foundation_model_id(model)
        region = "*" if is_profile(model) else self._region
        resources = [f"arn:{self._partition}:bedrock:{region}::foundation-model/{bare}"]
        if model.startswith("global."):
            resources.append(f"arn:{self._partition}:bedrock:::foundation-model/{bare}")
        return allow(
            "bedrock:InvokeModel",
            on=resources,
            to="ask the model behind a profile, through the profile only",
            when={"StringEquals": {"bedrock:InferenceProfileArn": profile}},
            because="The profile chooses the Region; the condition allows the model only through the profile.",
        )
