"""The page for whoever decides about a deployment: one HTML file, made of the cloud assembly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from lambdas.domain import report
from lambdas.domain.report.render import templates_in
from review import access, exposure, idle_cost
from review.purposes import purpose, stage_purpose

if TYPE_CHECKING:
    from jinja2 import Environment

    from lambdas.domain.prices.price_book import PriceBook
    from review.assembly import Assembly, TemplateResource

_TEMPLATES = Path(__file__).parent / "templates"
_REPORT_STYLE = Path(report.__file__).parent / "templates" / "style.css"


def review_page(assembly: Assembly, book: PriceBook, *, environment: str) -> str:
    """Write the page.

    Parameters
    ----------
    assembly : Assembly
        What would be deployed.
    book : PriceBook
        Prices of the environment's Region.
    environment : str
        Environment name, for the title.

    Returns
    -------
    str
        HTML without a script, without another file; equal for equal assemblies.
    """
    roles = access.roles(assembly)
    lines = idle_cost.idle_cost(assembly, book)
    known = [line.usd for line in lines if line.usd is not None]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            environment=environment,
            region=book.region,
            stacks=_by_stack(assembly),
            resources=list(assembly.resources.values()),
            roles=[(role, _taken_for(assembly, role)) for role in roles],
            statements=sum(len(role.statements) for role in roles),
            retained=[(resource, _kept_for(resource)) for resource in assembly.resources.values() if resource.retained],
            public=exposure.public(assembly),
            looked_at=exposure.LOOKED_AT,
            grants=exposure.grants(assembly),
            idle=lines,
            idle_usd=sum(known),
            idle_unknown=sum(line.usd is None for line in lines),
            by_use=idle_cost.by_use(assembly),
            acknowledgements=access.acknowledgements(assembly),
        )
    )


def _by_stack(assembly: Assembly) -> list[tuple[str, str, list[tuple[TemplateResource, str | None]]]]:
    return [
        (
            stack,
            str(template.get("Description", "")),
            sorted(
                (
                    (resource, purpose(assembly, resource))
                    for resource in assembly.resources.values()
                    if resource.stack == stack
                ),
                key=lambda pair: (pair[0].type, pair[0].path),
            ),
        )
        for stack, template in assembly.templates.items()
    ]


def _taken_for(assembly: Assembly, role: access.Role) -> str | None:
    """Say what a role is for: what its Lambda does, or its own description."""
    for function in assembly.of_type("AWS::Lambda::Function"):
        if role.resource.name in assembly.referred(function.properties["Role"]):
            return stage_purpose(function)
    return purpose(assembly, role.resource)


def _kept_for(resource: TemplateResource) -> str:
    """Say when what a retained resource holds goes by itself."""
    rules = resource.properties.get("LifecycleConfiguration", {}).get("Rules", [])
    said = []
    for rule in rules:
        where = rule.get("Prefix") or "every key"
        if days := rule.get("ExpirationInDays"):
            said.append(f"{where}: {days} days")
        if old := rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"):
            said.append(f"{where}, replaced or deleted versions: {old} days")
    if ttl := resource.properties.get("TimeToLiveSpecification", {}).get("AttributeName"):
        said.append(f"items: when their '{ttl}' has passed")
    return "; ".join(said) or "until a person deletes it"


def _environment() -> Environment:
    environment = templates_in(_TEMPLATES)
    style = _REPORT_STYLE.read_text(encoding="utf-8") + (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    environment.globals.update(style=Markup(style))  # noqa: S704 - our own files, nothing of the assembly in them
    return environment
