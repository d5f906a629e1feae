"""Texts that look like secrets, put together at run time so that no scanner takes this file for a leak."""

from __future__ import annotations

import base64
import json
import random
import string

_choose = random.Random(7)  # noqa: S311 - the same texts each time, nothing secret


def _some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(_choose.choices(alphabet, k=length))


def _coded(document: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


_CAPITALS, _SMALL, _HEX = string.ascii_uppercase + "234567", string.ascii_lowercase + string.digits, "0123456789abcdef"
_JWT = f"{_coded({'alg': 'HS256', 'typ': 'JWT'})}.{_coded({'sub': '1234567890', 'name': 'A. Person'})}.{_some(43)}"
_LINES = "\n".join(_some(64) for _ in range(12))

SECRETS = {
    "AWS Access Key": "AKIA" + _some(16, _CAPITALS),
    "AWS Secret Key": f"aws_secret_access_key = {_some(40)}",
    "Amazon Bedrock API Key": "ABSK" + _some(128),
    "Anthropic API Key": "sk-" + "ant-api03-" + _some(95),
    "Azure Storage Account access key": f"AccountKey={_some(86)}==",
    "Bearer Token": "Authorization: Bearer " + "a1" + _some(40),
    "GitHub Token": "gh" + "p_" + _some(36),
    "GitLab Token": "gl" + "pat-" + _some(20),
    "Google API Key": "AI" + "za" + _some(35),
    "Hugging Face Token": "h" + "f_" + _some(34),
    "JSON Web Token": _JWT,
    "Mailchimp Access Key": _some(32, _HEX) + "-us" + "12",
    "NPM Token": "np" + "m_" + _some(36),
    "Named Key or Token": 'STAGING_API_KEY="' + "b2" + _some(38) + '"',
    "OpenAI API Key": "sk-" + "proj-" + _some(90),
    "OpenAI Token": "sk-" + _some(20) + "T3Blbk" + "FJ" + _some(20),
    "Private Key": f"-----BEGIN RSA PRIVATE KEY-----\n{_LINES}\n-----END RSA PRIVATE KEY-----",
    "PyPI Token": "pypi-" + "AgEIcHlwaS5vcmc" + _some(80),
    "SendGrid API Key": f"SG.{_some(22)}.{_some(43)}",
    "Slack Token": "xo" + f"xb-{_some(12, string.digits)}-{_some(12, string.digits)}-{_some(24)}",
    "Square OAuth Secret": "sq0" + "csp-" + _some(43),
    "Stripe Access Key": "sk_" + "live_" + _some(24),
    "Telegram Bot Token": f"{_some(9, '123456789')}:{_some(35)}",
    "Twilio API Key": "SK" + _some(32, _HEX),
}
"""Kind to a text of that kind."""

ENCRYPTED_KEY = f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{_LINES}\n-----END ENCRYPTED PRIVATE KEY-----"

HARMLESS = (
    "Which commit is 9fceb02d0ae598e95dc970b74767f19372d61af8, and who made it?",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 is the digest of nothing",
    "the order 550e8400-e29b-41d4-a716-446655440000 never arrived",
    "open https://docs.example.org/en/latest/user-guide/getting-started/index.html?utm_source=newsletter#section-4",
    "see arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0 for the aws model key",
    "Donaudampfschifffahrtsgesellschaftskapitän, and Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch",
    "/home/someone/projects/video-search/src/main/java/org/example/search/VideoSearchIntentController.java:42",
    "how do I use a file that begins with -----BEGIN RSA PRIVATE KEY-----?",
    "AKIA" + "IOSFODNN7EXAMPLE is the access key of the documentation",
    "export API_KEY=your_api_key_goes_here_1234567890 and call it with Authorization: Bearer YOUR_ACCESS_TOKEN_1234567",
    "the token count of max_position_embeddings=131072 and the primary key user_account_identifier_2024",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "call com.fasterxml.jackson.databind.ObjectMapper.configureDeserializationFeatureForUnknownProperties(false)",
    "SELECT a.customer_identifier, b.transaction_amount_in_minor_units FROM accounts_receivable_2024 a JOIN b",
    "ISBN 9783161484100, IBAN DE89370400440532013000, phone +4915112345678, mail first.last.name@department.example",
    "1234567890:00 is no time, 2026-11-24T12:18:13.000000+00:00 is one",
)
"""Ordinary prompts with long words."""
