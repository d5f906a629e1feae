"""Run checks by name: ``python -m checks secrets licences links``; all of them where none is named."""

from __future__ import annotations

import sys

from checks import licences, links, prices, schemas, secrets, vulnerabilities, workflows

CHECKS = {
    "secrets": secrets.check,
    "licences": licences.check,
    "links": links.check,
    "schemas": schemas.check,
    "workflows": workflows.check,
    "vulnerabilities": vulnerabilities.check,
}
ON_DEMAND = {"prices": prices.check}
"""Checks that run only where they are named: what they need is fetched by a target of their own."""


def main(names: list[str]) -> int:
    """Run the checks that are named, all of them where none is, and say what is wrong.

    Returns
    -------
    int
        0 all passed, 1 something is wrong, 2 no such check.
    """
    if unknown := [name for name in names if name not in CHECKS | ON_DEMAND]:
        sys.stderr.write(f"no check '{unknown[0]}': there are {', '.join(CHECKS | ON_DEMAND)}\n")
        return 2
    failed = False
    for name in names or CHECKS:
        problems = (CHECKS | ON_DEMAND)[name]()
        failed = failed or bool(problems)
        sys.stdout.write(f"{name}: {f'{len(problems)} problems' if problems else 'passed'}\n")
        sys.stdout.writelines(f"  {problem}\n" for problem in problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
