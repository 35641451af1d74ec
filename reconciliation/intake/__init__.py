"""Taking in evidence: a statement or settlement file is stored once, whole, or not at all.

The raw bytes are kept encrypted whatever becomes of the file. Of a refused or held one nothing
else is stored, so nothing of it can be matched.
"""

from reconciliation.intake.files import Delivery, ImportReport, raw_file
from reconciliation.intake.settlements import import_settlement
from reconciliation.intake.statements import import_statement
from reconciliation.intake.undo import undo_import

__all__ = [
    "Delivery",
    "ImportReport",
    "import_settlement",
    "import_statement",
    "raw_file",
    "undo_import",
]
