"""``doisoat explain``: why a decision was made, worked out again from the files of its run."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

if TYPE_CHECKING:
    from reconciliation.interchange import InputDigest
    from reconciliation.matching.certificates.model import Certificate, Finding
    from reconciliation.matching.certificates.wording import Places, Wording
    from reconciliation.matching.model import MatchResult

_INPUTS: Final = ("payments", "settlements", "bank", "contracts")
_FORMATS: Final = ("csv", "parquet")


class Lang(StrEnum):
    """In which languages the sentences are."""

    VI = "vi"
    EN = "en"
    BOTH = "both"


def explain(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A match, a mismatch or an item.")],
    *,
    result: Annotated[Path, typer.Option(help="Folder of the result that match wrote.")],
    payments: Annotated[Path | None, typer.Option(help="As match was given it.")] = None,
    settlements: Annotated[Path | None, typer.Option(help="As match was given it.")] = None,
    bank: Annotated[Path | None, typer.Option(help="As match was given it.")] = None,
    contracts: Annotated[Path | None, typer.Option(help="As match was given it.")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day of the run; else that of the result."),
    ] = None,
    lang: Annotated[Lang, typer.Option(help="Language of the sentences.")] = Lang.BOTH,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Explain a match, a mismatch, or what became of an item in each layer.

    The matcher runs again over the inputs, and the explanation is of what it decides.

    Exit status: 0 explained, 1 the result is not what the inputs give, 2 wrong usage, 3 an input
    is unusable.
    """
    given = dict(zip(_INPUTS, (payments, settlements, bank, contracts), strict=True))
    paths = _paths(result, given)
    day = as_of.date() if as_of else _day_of(result)
    replay = _Replay(result, paths, day)
    certificates = replay.certifier.certificates(wanted)
    if not certificates and not replay.certifier.knows_item(wanted):
        _unknown(wanted, result, replay.differing)
    languages = [Lang.VI, Lang.EN] if lang is Lang.BOTH else [lang]
    say = _print_json if as_json else _print_text
    say(wanted, certificates, replay, languages)
    if replay.differing:
        raise typer.Exit(1)


class _Replay:
    """The run performed again: what it decided, and which result files differ from that."""

    def __init__(self, result: Path, paths: Mapping[str, Path], day: date | None) -> None:
        # pandas and pyarrow take a second to load: not before the command really runs
        from core.errors import InputUnusableError  # noqa: PLC0415
        from reconciliation import interchange  # noqa: PLC0415
        from reconciliation.matching import engine  # noqa: PLC0415
        from reconciliation.matching.certificates.certify import Certifier  # noqa: PLC0415

        self.paths = paths
        try:
            inputs, digests = interchange.read_inputs(interchange.InputFiles(**paths), as_of=day)
            decided = engine.run(inputs)
        except InputUnusableError as error:
            _stop(3, error.detail)
        self.as_of = inputs.contracts.as_of
        self.differing = _differing(result, decided, digests)
        self.certifier = Certifier(inputs, decided)

    def places(self, certificates: Iterable["Certificate"]) -> "Places":
        """Where the items of certificates stand in the input files."""
        from reconciliation.matching.certificates.wording import Place  # noqa: PLC0415
        from reconciliation.positions import positions  # noqa: PLC0415
        from reconciliation.states import ItemKind  # noqa: PLC0415

        files = {
            ItemKind.PAYMENT: self.paths["payments"],
            ItemKind.SETTLEMENT: self.paths["settlements"],
            ItemKind.BANK: self.paths["bank"],
        }
        rows: dict[ItemKind, set[int]] = {kind: set() for kind in files}
        for certificate in certificates:
            for item in (*certificate.items, *certificate.candidates):
                rows[item.kind].add(item.row)
        return {
            (kind, row): Place(path.name, number)
            for kind, path in files.items()
            for row, number in positions(path, rows[kind]).items()
        }


# --- what was given ---------------------------------------------------------------------------


def _paths(result: Path, given: Mapping[str, Path | None]) -> dict[str, Path]:
    """The inputs as given; those not given, as the result's ``run.json`` names them."""
    if not result.is_dir():
        _stop(2, f"--result: {result} is not a folder")
    if _stored(result, "matches") is None or _stored(result, "mismatches") is None:
        _stop(2, f"--result: {result} holds no matches and mismatches")
    named = {} if all(given.values()) else _named_inputs(result)
    paths = {}
    for name in _INPUTS:
        path = given[name] or named.get(name)
        if path is None:
            _stop(2, f"--{name} is missing, and {result / 'run.json'} does not name it")
        if not path.is_file():
            _stop(2, f"--{name}: {path} is not a file")
        paths[name] = path
    return paths


def _named_inputs(result: Path) -> dict[str, Path]:
    """The inputs that ``run.json`` names; a file that is no longer the same stops the command."""
    from reconciliation.interchange import sha256_of  # noqa: PLC0415

    inputs = _json(result / "run.json").get("inputs")
    if not isinstance(inputs, dict):
        return {}
    found = {}
    for name in _INPUTS:
        entry = inputs.get(name)
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            continue
        path = result / entry["path"]
        if path.is_file() and entry.get("sha256") not in (None, sha256_of(path)):
            _stop(
                3, f"{path.name}, line 1, column 1: not the file of this run: its SHA-256 differs"
            )
        found[name] = path
    return found


def _day_of(result: Path) -> date | None:
    """The day the result was made for."""
    said = _json(result / "summary.json").get("as_of")
    try:
        return date.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        _stop(3, f"summary.json, line 1, column as_of: {said!r} is not a date YYYY-MM-DD")


def _json(path: Path) -> dict[str, Any]:
    """The object of a JSON file; empty where there is no such file."""
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        _stop(3, f"{path.name}, line {error.lineno}, column {error.colno}: {error.msg}")
    except UnicodeDecodeError:
        _stop(3, f"{path.name}, line 1, column 1: not UTF-8")
    if not isinstance(document, dict):
        _stop(3, f"{path.name}, line 1, column 1: an object is expected")
    return document


def _stored(result: Path, stem: str) -> Path | None:
    found = (result / f"{stem}.{ending}" for ending in _FORMATS)
    return next((path for path in found if path.is_file()), None)


def _differing(result: Path, decided: "MatchResult", digests: Iterable["InputDigest"]) -> list[str]:
    """The files of the result whose bytes are not those of the replay, and inputs that changed."""
    from reconciliation import interchange  # noqa: PLC0415

    stored = [path for stem in ("matches", "mismatches") if (path := _stored(result, stem))]
    differing = []
    with tempfile.TemporaryDirectory() as folder:
        for ending in {path.suffix[1:] for path in stored}:
            interchange.write_result(Path(folder) / ending, decided, {}, file_format=ending)
        for path in stored:
            again = Path(folder) / path.suffix[1:] / path.name
            if again.read_bytes() != path.read_bytes():
                differing.append(path.name)
    said = _json(result / "summary.json").get("inputs", {})
    for digest in digests if differing else ():
        entry = said.get(digest.file)
        if isinstance(entry, dict) and entry.get("sha256") != digest.sha256:
            differing.append(digest.file)
    return differing


# --- what is printed --------------------------------------------------------------------------


def _wording(lang: Lang) -> "Wording":
    """A language's sentences; those of reasons are the pages' own."""
    from app.i18n import Language, Words  # noqa: PLC0415
    from reconciliation.matching import reasons  # noqa: PLC0415
    from reconciliation.matching.certificates.english import ENGLISH  # noqa: PLC0415
    from reconciliation.matching.certificates.vietnamese import VIETNAMESE  # noqa: PLC0415
    from reconciliation.matching.certificates.wording import Wording  # noqa: PLC0415

    if lang is Lang.EN:
        return Wording(ENGLISH, reasons.ENGLISH, ",", "%Y-%m-%d")
    words = Words(Language.VIETNAMESE)
    said = {code: words.say(text) for code, text in reasons.ENGLISH.items()}
    return Wording(VIETNAMESE, said, ".", "%d/%m/%Y")


def _replayed(replay: _Replay) -> "Finding":
    from reconciliation.matching.certificates.model import Finding  # noqa: PLC0415

    if replay.differing:
        return Finding.of("replay.differs", files=", ".join(replay.differing))
    return Finding.of("replay.same")


def _print_text(
    wanted: str, certificates: Sequence["Certificate"], replay: _Replay, languages: Iterable[Lang]
) -> None:
    from reconciliation.matching.certificates.model import Finding  # noqa: PLC0415
    from reconciliation.matching.certificates.wording import lines_of  # noqa: PLC0415

    places = replay.places(certificates)
    for place, lang in enumerate(languages):
        wording = _wording(lang)
        print("\n" * bool(place) + wording.say(_replayed(replay)))
        for certificate in certificates:
            print()
            print("\n".join(lines_of(certificate, wording, places, replay.as_of)))
        if not certificates:
            print(wording.say(Finding.of("item.nothing_due", id=wanted)))


def _print_json(
    wanted: str, certificates: Sequence["Certificate"], replay: _Replay, languages: Iterable[Lang]
) -> None:
    places = replay.places(certificates)
    wordings = {lang.value: _wording(lang) for lang in languages}
    document = {
        "id": wanted,
        "as_of": replay.as_of.isoformat(),
        "differs_from_replay": replay.differing,
        "certificates": [_document(one, wordings, places) for one in certificates],
    }
    print(json.dumps(document, ensure_ascii=False, indent=1))


def _document(
    certificate: "Certificate", wordings: Mapping[str, "Wording"], places: "Places"
) -> dict[str, Any]:
    document = asdict(certificate) | {"decision": "match" if certificate.is_match else "mismatch"}
    for name in ("items", "candidates"):
        for said, item in zip(document[name], getattr(certificate, name), strict=True):
            said.update(asdict(places[item.kind, item.row]))
            del said["row"]
    for name in ("evidence", "rivals"):
        for said, finding in zip(document[name], getattr(certificate, name), strict=True):
            said["text"] = {lang: wording.say(finding) for lang, wording in wordings.items()}
    if certificate.reason is not None:
        document["reason"]["text"] = {
            lang: wording.say_reason(certificate.reason) for lang, wording in wordings.items()
        }
    return document


def _unknown(wanted: str, result: Path, differing: Sequence[str]) -> NoReturn:
    if differing:
        _stop(
            1,
            f"{wanted} is not in this replay, and {', '.join(differing)} differ from it: the result"
            " was changed, or comes from other inputs or another version of the rules",
        )
    _stop(2, f"{wanted} is no match, mismatch or item of {result}")


def _stop(status: int, message: str) -> NoReturn:
    typer.echo(f"doisoat explain: {message}", err=True)
    raise typer.Exit(status)
