"""Asks a witness of another office to sign a head of our log (C2SP tlog-witness)."""

from adapters.http import create_client, send


def post_checkpoint(url: str, body: bytes) -> tuple[int, str]:
    """Send ``add-checkpoint`` and return the answer's status and text.

    Raises:
        GatewayUnavailableError: the witness did not answer.
    """
    with create_client() as client:
        answer = send(client, "POST", f"{url}/add-checkpoint", idempotent=True, content=body)
    return answer.status, answer.body.decode(errors="replace")
