"""JSON logs of named facts only, so that no personal data or secret can slip in."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

from typing_extensions import override

ALLOWED: Final = frozenset(
    {
        "account",
        "attempt",
        "bill_id",
        "bytes",
        "channel",
        "code",
        "count",
        "days",
        "due_at",
        "duration_ms",
        "environment",
        "event",
        "event_id",
        "file",
        "job",
        "kind",
        "layer",
        "matches",
        "method",
        "mismatches",
        "office",
        "outcome",
        "path",
        "payment_id",
        "reason_code",
        "request_id",
        "result",
        "run_id",
        "sha256",
        "status",
        "url_host",
        "version",
    }
)
"""Fields a log line may carry besides time, level, logger and message."""

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; fields outside ``ALLOWED`` are dropped by name."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        line |= {key: value for key, value in extra.items() if key in ALLOWED}
        if dropped := sorted(extra.keys() - ALLOWED - {"color_message"}):
            line["dropped_fields"] = dropped
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_logging(level: str = "INFO") -> None:
    """Send all logs of this process to standard error as JSON lines."""
    destination = logging.StreamHandler(sys.stderr)
    destination.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[destination], force=True)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
