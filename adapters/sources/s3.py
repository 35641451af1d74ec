"""S3 and what speaks like it: the objects of a bucket are taken, and remembered or moved.

An object appears whole. Its ETag says which version it is; another one is another file.
"""

import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as NoConnectionError

from adapters.sources.rules import MAX_FILES, TAKEN, After, Left, numbered, shown, why_left
from adapters.sources.terms import Terms
from reconciliation.errors import (
    SourceDeniedError,
    SourceFailedError,
    SourceIdentityError,
    SourceInvalidError,
    SourceUnreachableError,
)
from reconciliation.ports import FetchedFile, SourceMemory, WaitingFile

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CONNECT_SECONDS: Final = 20
_READ_SECONDS: Final = 60
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_DENIED: Final = frozenset(
    {"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"}
)
_CHANGED: Final = frozenset({"404", "412", "NoSuchKey", "PreconditionFailed"})

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class S3Config:
    """Which objects of which bucket, and what becomes of them; a prefix ends with ``/``."""

    endpoint: str
    region: str
    bucket: str
    prefix: str
    access_key_id: str
    secret_key: str = field(repr=False)
    after: After


def read_config(terms: Terms) -> S3Config:
    """Return the configuration of a source.

    Raises:
        SourceInvalidError: it is unusable; the message names the setting.
    """
    prefix = terms.text("prefix", "").strip("/")
    config = S3Config(
        endpoint=terms.text("endpoint"),
        region=terms.text("region", "us-east-1"),
        bucket=terms.text("bucket"),
        prefix=f"{prefix}/" if prefix else "",
        access_key_id=terms.text("access_key_id"),
        secret_key=terms.secret("secret_key"),
        after=terms.choice("after", After.REMEMBER, After.MOVE),
    )
    terms.end()
    address = urlsplit(config.endpoint)
    if address.scheme != "https" and address.hostname not in _LOOPBACK:
        raise SourceInvalidError("endpoint: an address that begins with https://")
    return config


@dataclass(frozen=True, slots=True)
class _Object:
    name: str
    size: int
    etag: str

    @property
    def mark(self) -> str:
        return f"{self.name}\0{self.etag}"


class S3Source:
    """Implements ``StatementSource`` over a bucket; names are keys without the prefix."""

    def __init__(self, config: S3Config, memory: SourceMemory) -> None:
        self._config = config
        self._memory = memory
        self._read: dict[str, _Object] = {}
        try:
            self._client = _client(config)
        except (BotoCoreError, ValueError) as problem:
            raise SourceInvalidError("endpoint: not an address") from problem

    def look(self) -> list[WaitingFile]:
        """List the objects, and why some are left."""
        with _ours(self._config):
            return [
                WaitingFile(shown(one.name), one.size, why_left(one.name, one.size) or "")
                for one in self._objects()
            ]

    def fetch(self) -> Generator[FetchedFile, None, None]:
        """Yield the objects in the order of their names."""
        with _ours(self._config):
            waiting = list(self._objects())
        for one in waiting:
            if (left := why_left(one.name, one.size)) is not None:
                if left is Left.TOO_LARGE:
                    _logger.warning("file left", extra={"file": shown(one.name), "bytes": one.size})
                continue
            with _ours(self._config):
                content = self._content(one)
            if content is None:
                _logger.warning("file left", extra={"reason_code": "changed"})
                continue
            self._read[one.name] = one
            yield FetchedFile(one.name, content)

    def taken(self, keys: Iterable[str]) -> None:
        """Remember objects, or move them to ``taken/`` under the prefix.

        Raises:
            SourceFailedError: the bucket does not let us move them.
        """
        for key in keys:
            if self._config.after is After.REMEMBER:
                self._memory.add(self._read[key].mark)
            else:
                with _ours(self._config):
                    self._move(self._read[key])

    def _objects(self) -> Iterator[_Object]:
        """Yield what lies under the prefix and was not taken."""
        prefix, count = self._config.prefix, 0
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._config.bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                name = found["Key"].removeprefix(prefix)
                one = _Object(name, found["Size"], found["ETag"])
                if not name or name.endswith("/") or name.startswith(f"{TAKEN}/"):
                    continue
                if one.mark not in self._memory:
                    count += 1
                    yield one
                if count > MAX_FILES:
                    raise SourceFailedError(f"more than {MAX_FILES:,} new files")

    def _content(self, one: _Object) -> bytes | None:
        """Read an object; None if it is not the version that was listed."""
        try:
            answer = self._client.get_object(
                Bucket=self._config.bucket, Key=self._config.prefix + one.name, IfMatch=one.etag
            )
        except ClientError as problem:
            if _code(problem) in _CHANGED:
                return None
            raise
        with closing(answer["Body"]) as body:
            content = body.read(one.size + 1)
        return content if len(content) == one.size else None

    def _move(self, one: _Object) -> None:
        """Copy, then delete what was copied; an object that has changed since is left."""
        bucket, prefix = self._config.bucket, self._config.prefix
        key = prefix + one.name
        if self._etag(key) != one.etag:  # another process has moved it, or it is another file
            return
        target = next(
            name for name in numbered(f"{TAKEN}/{one.name}") if self._etag(prefix + name) is None
        )
        try:
            self._client.copy_object(
                Bucket=bucket,
                Key=prefix + target,
                CopySource={"Bucket": bucket, "Key": key},
                CopySourceIfMatch=one.etag,
            )
        except ClientError as problem:
            if _code(problem) in _CHANGED:
                return
            raise
        if self._etag(key) == one.etag:
            self._client.delete_object(Bucket=bucket, Key=key)

    def _etag(self, key: str) -> str | None:
        try:
            return self._client.head_object(Bucket=self._config.bucket, Key=key)["ETag"]
        except ClientError as problem:
            if _code(problem) in _CHANGED:
                return None
            raise


def _client(config: S3Config) -> "S3Client":
    """Return a client that knows nothing but the configuration: no file, no profile."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=config.endpoint,
        region_name=config.region,
        aws_access_key_id=config.access_key_id,
        aws_secret_access_key=config.secret_key,
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": 3, "mode": "standard"},
            s3={"addressing_style": "path"},
            # Most that speak like S3 know no other.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def _ours(config: S3Config) -> Iterator[None]:
    """Turn a failure of the client into one of ours, without what a server wrote."""
    try:
        yield
    except SSLError as problem:
        raise SourceIdentityError("its certificate is not trusted") from problem
    except ClientError as problem:
        code = _code(problem)
        if code in _DENIED:
            raise SourceDeniedError(f"the key {config.access_key_id} is refused") from problem
        if code == "NoSuchBucket":
            raise SourceFailedError(f"there is no bucket {config.bucket!r}") from problem
        raise SourceFailedError(f"the server answers {code!a:.40}") from problem
    except (HTTPClientError, NoConnectionError) as problem:
        raise SourceUnreachableError(f"nobody answers: {type(problem).__name__}") from problem
    except BotoCoreError as problem:
        raise SourceFailedError(f"not possible: {type(problem).__name__}") from problem


def _code(problem: ClientError) -> str:
    return problem.response.get("Error", {}).get("Code", "")
