"""Application inference profiles: one a model and environment, so that what the pipeline asks on demand is tagged."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_bedrock as bedrock
from constructs import Construct

from stacks.access.model_access import ModelAccess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.domain.task.settings import Settings

MAX_NAME = 64
"""Longest inferenceProfileName (service model of Amazon Bedrock), ``([0-9a-zA-Z][ _-]?)+``."""

_DIGEST = 6

_LIKE_A_GEOGRAPHY = re.compile(r"-([a-z]{2,4}|us-gov|global)$")
"""Ends of an environment's name that a system profile's id may begin with: ``us``, ``apac``, ``amer`` and others."""


class InferenceProfiles(Construct):
    """The profiles of an environment, tagged as its stack is.

    A profile is made for each model that the settings name as teacher, judge, baseline or student, unless
    ``inference_profiles`` is off or ``models_without_profile`` has it: that model is then asked as it is.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    environment : str
        Environment name, which begins every profile's name.
    settings : Settings
        Names the models.

    Attributes
    ----------
    arns : dict of str to str
        ARN of the profile by the model that it stands for.
    """

    def __init__(self, scope: Construct, construct_id: str, *, environment: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self._environment = environment
        stack = Stack.of(self)
        self._prefix = f"arn:{stack.partition}:bedrock:{stack.region}:{stack.account}:application-inference-profile/"
        access = ModelAccess(stack)
        made = {model: self._profile(model, access) for model in settings.profiled_models()}
        self.arns: Mapping[str, str] = {model: profile.attr_inference_profile_arn for model, profile in made.items()}
        self._ids = [profile.attr_inference_profile_id for profile in made.values()]

    def variable(self) -> str:
        """Write the Lambdas' variable: ids in order of the settings' models, and what precedes each.

        The names of the models, which the settings have already, would be too long for it.
        """
        return json.dumps({"prefix": self._prefix, "ids": self._ids}, separators=(",", ":"))

    def _profile(self, model: str, access: ModelAccess) -> bedrock.CfnApplicationInferenceProfile:
        return bedrock.CfnApplicationInferenceProfile(
            self,
            model,
            inference_profile_name=profile_name(self._environment, model),
            description=f"Distillation {self._environment}: calls to {model}",
            model_source=bedrock.CfnApplicationInferenceProfile.InferenceProfileModelSourceProperty(
                copy_from=access.callable(model)
            ),
        )


def profile_name(environment: str, model: str) -> str:
    """Name a profile after its model, within the service's length and alphabet.

    An environment that ends like a geography has a hash in its names: ``dev-us`` and a model would be ``dev`` and that
    model's profile of the geography. Others keep the names that they have.

    Examples
    --------
    >>> profile_name("dev", "us.amazon.nova-pro-v1:0")
    'dev-us-amazon-nova-pro-v1-0'
    """
    name = re.sub(r"[^0-9a-zA-Z]+", "-", f"{environment}-{model}").strip("-")
    meets = _LIKE_A_GEOGRAPHY.search(environment) is not None
    if len(name) <= MAX_NAME and not meets:
        return name
    hashed = f"{environment} {model}" if meets else model
    digest = hashlib.sha256(hashed.encode()).hexdigest()[:_DIGEST]
    return f"{name[: MAX_NAME - _DIGEST - 1].rstrip('-')}-{digest}"
