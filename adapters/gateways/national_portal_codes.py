"""EXPERIMENTAL. What the Payment Platform's codes say, and which we answer with."""

from collections.abc import Mapping
from typing import Final

from payments.ports import NoticeResult, Outcome

DONE: Final = "00"
"""``MaLoi`` of success, the only one that is known."""

OUTCOMES: Final[Mapping[str, Outcome]] = {
    "1": Outcome.SUCCEEDED,
    "3": Outcome.PENDING,
    "4": Outcome.FAILED,
}
"""``TrangThaiGD``; 3 means that the platform does not know the end itself. Others are open."""

ANSWERS: Final[Mapping[NoticeResult, tuple[str, str]]] = {
    NoticeResult.APPLIED: (DONE, "Thanh cong"),
    NoticeResult.ALREADY_APPLIED: (DONE, "Da ghi nhan truoc do"),
    # The money is recorded as collected; the difference is ours to settle, not the portal's.
    NoticeResult.AMOUNT_DIFFERS: (DONE, "Da ghi nhan, so tien khac"),
    NoticeResult.UNKNOWN_REFERENCE: ("01", "Khong tim thay ma tham chieu"),
    NoticeResult.INVALID_SIGNATURE: ("97", "Sai ma xac thuc"),
    NoticeResult.MALFORMED: ("99", "Ban tin khong hop le"),
    NoticeResult.FAILED: ("99", "Loi he thong"),
}
"""Only ``00`` is known; the other codes are ours and merely differ from it."""
