"""The house: who may import whom, sizes, names, codes, settings, protected facts, no floats."""

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from core.errors import DoisoatError
from core.settings import Settings
from payments.models import SQLModel

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "payments", "reconciliation", "adapters", "scheduler", "app")
MAX_LINES = 400
HARD_MAX_LINES = 800
# Files above the cap that somebody looked at hard; none is added without that.
LOOKED_AT = {
    "adapters/gateways/vnpay.py",
    "adapters/simulators/stripe.py",
    "adapters/simulators/vnpay.py",
    "app/pages/mismatches.py",
    "payments/models.py",
    "reconciliation/interchange.py",
    "reconciliation/matching/payout.py",
    "reconciliation/matching/provider.py",
    "reconciliation/mismatches.py",
    "scheduler/jobs.py",
}
LETTERS = {"core": "C", "payments": "P", "reconciliation": "RS", "app": "ACDPRS"}
BANNED = re.compile(r"(^|_)(handle|handler|manage|manager|do|utils?|helpers?|info)(_|$)")
MONEY = re.compile(r"minor|amount|gross|\bnet\b|money|\bsum\b|total|balance|rate_bps")
# Names that frameworks prescribe.
PRESCRIBED = {"add_exception_handler", "exception_handler", "on_conflict_do_nothing"}
# Tables whose rows are no facts: they may be corrected, forgotten or counted on.
MUTABLE = {
    "api_client", "book_export", "collecting_account", "gateway_exchange", "gateway_secret",
    "idempotency_record", "job_run", "log_queue", "log_salt", "log_witness", "login_attempt",
    "merchant", "narrative_rule", "office", "outbox_message", "procedure", "provider_contract",
    "scheduler_lease", "source_mark", "staff_session", "staff_user", "statement_source",
}  # fmt: skip


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_arrows_point_only_to_the_right() -> None:
    # In a process of its own: it silences every logger that exists, and so later tests.
    lint = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", lint], cwd=ROOT, check=False, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_files_stay_small() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in _sources()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert set(long) <= LOOKED_AT, long
    assert max(long.values(), default=0) <= HARD_MAX_LINES, long


def test_every_module_says_its_purpose() -> None:
    assert [path for path in _sources() if not ast.get_docstring(_tree(path))] == []


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower()


def test_names_are_words_of_the_field() -> None:
    vague = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in _sources()
        for name in [*_names(_tree(path)), path.stem]
        if BANNED.search(name) and name not in PRESCRIBED
    ]
    assert vague == []


# In a process of its own: what is imported here would be seen by every later test.
LIST_ERRORS = """
import importlib, json, pkgutil, sys
from core.errors import DoisoatError
for package in sys.argv[1:]:
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(module.__path__, package + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
kinds, waiting = [], [DoisoatError]
while waiting:
    kind = waiting.pop()
    waiting += kind.__subclasses__()
    kinds.append([kind.__module__, kind.__name__, kind.code, "code" in kind.__dict__])
print(json.dumps(kinds))
"""


def _errors() -> list[tuple[str, str, str, bool]]:
    """Module, name and code of every error of the program, and whether the code is its own."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_ERRORS, *PACKAGES],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return [tuple(error) for error in json.loads(done.stdout)]


def test_every_error_code_is_unique_and_bears_the_letter_of_its_package() -> None:
    codes: dict[str, str] = {}
    for module, name, code, own in _errors():
        assert name.endswith("Error"), name
        assert re.fullmatch(r"[A-Z]\d{3}", code), name
        if not own:
            assert code != DoisoatError.code, f"{name} has no code"
            continue  # a kind of its parent, told apart within the program only
        assert code not in codes, f"{name} and {codes[code]}: {code}"
        codes[code] = name
        letters = LETTERS.get(module.partition(".")[0])
        if letters and name != "PermissionDeniedError":
            assert code[0] in letters, (name, code)
    assert len(codes) > 30


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in Settings.model_fields if f"`{name}`" not in text] == []


def test_every_documented_setting_exists() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named - set(Settings.model_fields) == set()


def test_every_table_of_facts_is_protected() -> None:
    for module in re.findall(r"^import (\S+)", (ROOT / "alembic/env.py").read_text(), re.MULTILINE):
        importlib.import_module(module)
    protected = {
        table
        for path in sorted((ROOT / "alembic" / "versions").glob("*.py"))
        for node in _tree(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        if ast.unparse(node.targets[0]) in {"APPEND_ONLY", "EVIDENCE"}
        for table in ast.literal_eval(node.value)
    }
    assert protected.isdisjoint(MUTABLE)
    assert set(SQLModel.metadata.tables) == protected | MUTABLE


def test_no_float_comes_near_money() -> None:
    """No float literal, no ``float``, no true division in the packages that move money."""
    found = []
    for package in ("core", "payments", "reconciliation"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(_tree(path)):
                literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
                named = isinstance(node, ast.Name) and node.id == "float"
                if literal or named or _divides_money(node):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")  # type: ignore[attr-defined]
    assert found == []


def _divides_money(node: ast.AST) -> bool:
    """Whether this is a true division (paths are joined by the same sign) of something of money."""
    divided = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    return divided and MONEY.search(ast.unparse(node)) is not None


def test_only_core_reads_clock_randomness_and_environment() -> None:
    reading = re.compile(
        r"datetime\.now\(|utcnow\(|date\.today\(|time\.time\(|os\.environ|os\.getenv|secrets\.token"
        r"|random\.(random|randint|choice)\("
    )
    allowed = {"adapters/simulators"}
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _sources()
        if path.relative_to(ROOT).parts[0] in {"payments", "reconciliation", "scheduler"}
        and not any(str(path.relative_to(ROOT)).startswith(place) for place in allowed)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if reading.search(line)
    ]
    assert found == []


def test_nobody_below_app_and_scheduler_commits() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _sources()
        if path.relative_to(ROOT).parts[0] in {"payments", "reconciliation", "adapters"}
        and "simulators" not in path.parts
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"commit", "rollback"}
    ]
    assert found == []
