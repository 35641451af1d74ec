"""Whether a webhook bears Stripe's signature, and of the time at which it was received."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import stripe

from adapters.gateways.stripe_objects import instant


def is_signed(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether ``header`` signs ``body`` with one of the secrets; every one of them is tried."""
    if not header.isascii():
        return False  # the package fails on it in its own way
    return any([_is_signed_with(body, header, secret) for secret in secrets if secret])  # noqa: C419


def signed_within(header: str, received_at: datetime, tolerance: timedelta) -> bool:
    """Whether a header that signs a body was made at most ``tolerance`` before or after.

    The package looks at the system's clock and accepts any date in the future.
    """
    try:
        return abs(received_at - instant(_signed_at(header))) <= tolerance
    except ValueError:  # a time beyond any calendar
        return False


def _is_signed_with(body: bytes, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _signed_at(header: str) -> int:
    """Return the first ``t`` of a header that the package has found to be well formed."""
    items = [item.split("=", 2) for item in header.split(",")]
    return int(next(item[1] for item in items if item[0] == "t"))
