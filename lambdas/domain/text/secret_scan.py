"""API keys, tokens and private keys in a text, in three steps: nearly every line passes the first, which is cheap.

1. :func:`may_hold_secret`: a secret has twenty characters in a row that need no space. Ordinary words have not.
2. Marks that each kind of secret has, such as ``AKIA``.
3. The detectors of detect-secrets, and patterns for kinds that are younger than its last release. The library is
   imported when a line first comes so far: no other Lambda pays for the import. It is asked through its detectors'
   ``analyze_string``, which calls no network; its entropy and keyword detectors are left out because ordinary prompts
   (hashes, identifiers, code) are full of what they report.

No function here returns any part of what was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detect_secrets.plugins.base import RegexBasedDetector

_SHORTEST = 20
"""Characters of the shortest key that is looked for: an AWS access key id."""

_TOKEN_CHARACTERS = re.compile(rb"[A-Za-z0-9_./+=\\-]")
_CLASSES = bytes(ord("x") if _TOKEN_CHARACTERS.match(bytes([code])) else ord(" ") for code in range(256))
_LONG_RUN = b"x" * _SHORTEST

_DETECTORS = (
    ("aws", "AWSKeyDetector", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T", "aws")),
    ("azure_storage_key", "AzureStorageKeyDetector", ("AccountKey=",)),
    ("discord", "DiscordBotTokenDetector", (".",)),
    ("github_token", "GitHubTokenDetector", ("gh",)),
    ("gitlab_token", "GitLabTokenDetector", ("gl", "GR1348941")),
    ("jwt", "JwtTokenDetector", ("eyJ",)),
    ("mailchimp", "MailchimpDetector", ("-us",)),
    ("private_key", "PrivateKeyDetector", ("PRIVATE KEY", "PuTTY-User-Key-File-2")),
    ("pypi_token", "PypiTokenDetector", ("pypi-AgE",)),
    ("sendgrid", "SendGridDetector", ("SG.",)),
    ("slack", "SlackDetector", ("xox", "hooks.slack.com")),
    ("square_oauth", "SquareOAuthDetector", ("sq0csp-",)),
    ("stripe", "StripeDetector", ("k_live_",)),
    ("telegram_token", "TelegramBotTokenDetector", (":",)),
    ("twilio", "TwilioKeyDetector", ("AC", "SK")),
)
"""Module and class of detect-secrets, and marks: each of its findings holds one, in small letters if not as it is."""

_YOUNGER = (
    ("Amazon Bedrock API Key", ("ABSK", "bedrock-api-key-"), r"(?:\bABSK|bedrock-api-key-)[A-Za-z0-9+/=]{60,}"),
    ("Anthropic API Key", ("sk-ant-",), r"sk-ant-[\w-]{32,}"),
    ("AWS Secret Key", ("aws",), r"(?i:aws.?secret(?:.?access)?.?key)\W{1,5}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    ("GitHub Token", ("github_pat_",), r"github_pat_\w{40,}"),
    ("Google API Key", ("AIza",), r"AIza[\w-]{35}"),
    ("Hugging Face Token", ("hf_",), r"\bhf_[A-Za-z0-9]{34}"),
    ("NPM Token", ("npm_", "_authToken"), r"\bnpm_[A-Za-z0-9]{36}|:_authToken=\s*[\w-]{36}"),
    ("OpenAI Token", ("T3BlbkFJ",), r"[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    ("OpenAI API Key", ("sk-",), r"\bsk-(?:proj|svcacct|admin)-[\w-]{40,}"),
    ("Private Key", ("ENCRYPTED PRIVATE KEY",), r"BEGIN ENCRYPTED PRIVATE KEY"),
    ("Bearer Token", ("bearer",), r"(?i:\bbearer)\s+(?=[\w.~+/-]*\d)[\w.~+/-]{24,}"),
    (
        "Named Key or Token",
        ("key", "token", "secret"),
        (
            r"(?i:\b(?:\w{1,20}_)?(?:api|access|auth|secret|private|client)[_ -]?(?:key|token|secret))"
            r"[\"']?\s?[:=]\s?[\"']?(?=[\w+/-]*\d)(?=[\w+/-]*[A-Za-z])[\w+/-]{24,}"
        ),
    ),
)
"""Kind, marks and pattern of what detect-secrets 1.5.0 does not know, or takes seconds to miss in a hostile line."""

_TWO_PARTS = re.compile(r"(?<![\w=-])([\w=-]++)(?=\.([\w=-]++))", re.ASCII)

_KEY_BODY = re.compile("[A-Za-z0-9+/]{40}")
_PLACEHOLDER = re.compile("example|your[_-]|placeholder|xxxxx|000000000", re.IGNORECASE)


def may_hold_secret(raw: bytes, known_runs: int = 0) -> bool:
    """Say whether some text has a run of characters as long as the shortest key.

    Parameters
    ----------
    raw : bytes
        UTF-8 text, in which a secret is not broken by escapes.
    known_runs : int
        Runs that are known and harmless.
    """
    return raw.translate(_CLASSES).count(_LONG_RUN) > known_runs


def secret_kinds(text: str) -> list[str]:
    """Name the kinds of secrets that a text holds, sorted; the AWS documentation's ``…EXAMPLE`` keys are none."""
    if not may_hold_secret(text.encode("utf-8", "surrogatepass")):
        return []
    return sorted(set(_found(text)))


def _found(text: str) -> Iterator[str]:
    both = f"{text}\n{text.lower()}"
    for module, name, signs in _DETECTORS:
        if any(sign in both for sign in signs):
            detector = _detector(module, name)
            searched = _beginnings_of_jwts(text) if module == "jwt" else text
            if any(not _PLACEHOLDER.search(secret) for secret in detector.analyze_string(searched)):
                yield from _with_body(detector.secret_type, text)
    for kind, marks, pattern in _YOUNGER:
        matches = re.finditer(pattern, text) if any(mark in both for mark in marks) else ()
        if any(not _PLACEHOLDER.search(found[0]) for found in matches):
            yield from _with_body(kind, text)


def _beginnings_of_jwts(text: str) -> str:
    """Give header and payload of whatever could be a JSON Web Token, one a line.

    The detector's own pattern goes through a long run of characters once for each ``eyJ`` in it: two seconds for a line
    of 64 KB. Here a run counts once, and only if a second one follows it behind a dot.
    """
    parts = (found.groups() for found in _TWO_PARTS.finditer(text))
    return "\n".join(f"{header[header.index('eyJ') :]}.{payload}" for header, payload in parts if "eyJ" in header)


def _with_body(kind: str, text: str) -> Iterator[str]:
    """Leave out the first line of a private key without its body: a question about keys is none."""
    if kind != "Private Key" or _KEY_BODY.search(text):
        yield kind


@cache
def _detector(module: str, name: str) -> RegexBasedDetector:
    found: RegexBasedDetector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)()
    return found
