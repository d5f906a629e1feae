"""Which models may be asked: the only place that writes InvokeModel statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.model_ids import foundation_model_id, is_profile
from stacks.access.permissions import Permission, allow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aws_cdk import Stack

_ASKING = ("bedrock:InvokeModel",)
_ASKING_THROUGH_PROFILES = (*_ASKING, "bedrock:GetInferenceProfile")
"""Listed for whoever asks through a profile (Amazon Bedrock user guide, prerequisites for running model inference)."""


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

    def ask(self, models: Iterable[str], *, by_caller: bool = False) -> list[Permission]:
        """Allow asking models as the pipeline does: through their application inference profile where there is one.

        Then the model is allowed only through that profile, so that no call goes untagged. What it copies is allowed as
        AWS's own construct library allows it (aws-bedrock-alpha, ``ApplicationInferenceProfile.grantInvoke``).

        Parameters
        ----------
        models : iterable of str
            Model ids and system inference profile ids.
        by_caller : bool
            Whether the role asks by itself; a role of Bedrock's jobs needs less.
        """
        distinct = sorted(set(models))
        plain = [model for model in distinct if model not in self._profiles]
        attributed = [model for model in distinct if model in self._profiles]
        copied = [self.profile(model) for model in attributed if is_profile(model)]
        if not attributed:
            return self.invoke(plain, by_caller=by_caller)
        own = allow(
            *(_ASKING_THROUGH_PROFILES if by_caller else _ASKING),
            on=[*self.attributed(attributed), *copied],
            to="ask the models of the settings through their application inference profile",
        )
        behind = self._behind_profiles({model: self._profiles[model] for model in attributed})
        return [*(self.invoke(plain, by_caller=by_caller) if plain else []), own, behind]

    def invoke(self, models: Iterable[str], *, by_caller: bool = False) -> list[Permission]:
        """Allow asking exactly these models.

        A profile needs two statements: itself, and the foundation model behind it in whatever Region the profile
        chooses, but only when the call comes through the profile (Amazon Bedrock user guide, "Prerequisites for
        inference profiles"). A ``global.`` profile asks for the Region-less ARN too ("Global cross-Region inference").

        Parameters
        ----------
        models, by_caller
            As of :meth:`ask`.
        """
        distinct = sorted(set(models))
        here = [self.foundation_model(model) for model in distinct if not is_profile(model)]
        profiles = {model: self.profile(model) for model in distinct if is_profile(model)}
        asked = [allow(*_ASKING, on=here, to="ask the models of the settings")] if here else []
        if not profiles:
            return asked
        actions = _ASKING_THROUGH_PROFILES if by_caller else _ASKING
        through = allow(*actions, on=list(profiles.values()), to="ask the models of the settings through profiles")
        return [*asked, through, self._behind_profiles(profiles)]

    def _behind_profiles(self, profiles: Mapping[str, str]) -> Permission:
        """Allow the models behind profiles through those profiles only.

        One statement for all: a profile leads to no model but its own, so that none is allowed through another's, and
        a role's inline policies have room for 10,240 characters together.
        """
        resources: dict[str, None] = {}
        for model in profiles:
            bare = foundation_model_id(model)
            region = "*" if is_profile(model) else self._region
            resources[f"arn:{self._partition}:bedrock:{region}::foundation-model/{bare}"] = None
            if model.startswith("global."):
                resources[f"arn:{self._partition}:bedrock:::foundation-model/{bare}"] = None
        return allow(
            *_ASKING,
            on=list(resources),
            to="ask the models behind profiles, through the profiles only",
            when={"StringEquals": {"bedrock:InferenceProfileArn": list(profiles.values())}},
            because="The profile chooses the Region; the condition allows the models only through the profiles.",
        )
