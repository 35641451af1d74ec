"""The sentences of certificates in Vietnamese."""

from collections.abc import Mapping
from typing import Final

VIETNAMESE: Final[Mapping[str, str]] = {
    # khung
    "title.match": "{id}: đã khớp ở lớp {layer} theo quy tắc {because}, độ tin cậy {confidence}",
    "title.mismatch": "{id}: không khớp ở lớp {layer}, loại {because}",
    "title.version": "phiên bản quy tắc {version}, tính đến ngày {as_of}",
    "heading.items": "Các khoản",
    "heading.candidates": "Các khoản liên quan",
    "heading.reason": "Kết luận",
    "heading.evidence": "Căn cứ",
    "heading.rivals": "Những gì khác đã xét, và vì sao không chọn",
    "rivals.none": "Không có gì khác mang cùng mã, cùng mã khoản thu hay cùng khoảng ngày.",
    "pair.expected": "Dự kiến: {value}",
    "pair.actual": "Thực tế: {value}",
    "layer.provider": "kênh",
    "layer.payout": "chi trả",
    "layer.direct": "trực tiếp",
    "kind.payment": "khoản thanh toán",
    "kind.refund": "khoản hoàn tiền",
    "kind.chargeback": "khoản bồi hoàn",
    "kind.settlement": "dòng quyết toán",
    "kind.bank": "dòng sao kê",
    "place.csv": "{file}, dòng {number}",
    "place.parquet": "{file}, hàng {number}",
    # từ trong câu
    "by.account": "số tài khoản",
    "by.name": "tên",
    "by.narrative": "phần đầu nội dung",
    "status.pending": "đang chờ",
    "status.succeeded": "thành công",
    "status.failed": "thất bại",
    "status.expired": "hết hạn",
    "status.cancelled": "đã hủy",
    "money.foreign": "{units} đơn vị nhỏ nhất của {currency}",
    "fate.open": "không có tiền về cho khoản này và cũng chưa phải thu",
    "fate.matched": "đã khớp trong {decision}",
    "fate.flagged": "bị đánh dấu {type} trong {decision}",
    # kênh
    "txn_id.equal": (
        "Khoản thanh toán {payment} và dòng {line} mang cùng một mã {id} của {provider}."
    ),
    "txn_id.unknown": (
        "Mã {id} của dòng {line} không thuộc khoản thanh toán nào đã ghi, nên không nói "
        "lên điều gì."
    ),
    "txn_id.empty": "Dòng {line} không có mã giao dịch.",
    "reference.field": (
        "Báo cáo ghi khoản thu ở dòng {line} là “{text}”, đọc thành {reference}, khoản "
        "thu của khoản "
        "thanh toán {payment}."
    ),
    "fee.contract": (
        "Phí của dòng {line}: đã trừ {fee}; hợp đồng quy định {contracted} "
        "({rate} điểm cơ bản của {gross}, cộng {fixed}). Thực nhận {net}."
    ),
    "fee.none": (
        "Phí của dòng {line}: {fee}; hợp đồng không thu phí trên tiền hoàn lại. Thực nhận {net}."
    ),
    "fee.together": (
        "Mọi phần cộng lại chịu phí {fee}; hợp đồng quy định {contracted} trên toàn bộ "
        "({rate} điểm cơ bản của {gross}, cộng {fixed})."
    ),
    "fee.no_terms": "Phí của dòng {line}: {fee}; hợp đồng không có điều khoản cho {provider}.",
    "fee.net": "Dòng {line} ghi thực nhận {net}, nhưng {gross} trừ {fee} là {expected}.",
    "sum.provider": (
        "Các khoản thanh toán {left} ({left_count}) = tổng gộp các dòng quyết toán {right} "
        "({right_count})."
    ),
    "sum.payout": (
        "Thực nhận của các dòng quyết toán {left} ({left_count}) = các khoản ghi có {right} "
        "({right_count})."
    ),
    "sum.direct": (
        "Các khoản thanh toán {left} ({left_count}) = các dòng sao kê {right} ({right_count})."
    ),
    "sum.differs": "Đã ghi {left}, thực tế {right}: chênh lệch {difference}.",
    # chi trả
    "payout.net": (
        "{provider} báo lần chi trả {payout} ngày {day}: thực nhận {net} (số dòng: {lines})."
    ),
    "payout.id": (
        "Nội dung của {line} nêu lần chi trả {payout} là “{text}” (ký tự {start} đến {end})."
    ),
    "payout.no_id": "Nội dung của {line} không nêu lần chi trả nào đã được báo.",
    "payout.sender": "{line} đến từ {provider}: {by} “{text}” có trong hợp đồng.",
    "payout.window": (
        "Ngày giá trị {value_date} của {line} nằm trong khoảng của {payout}, từ {first} đến {last}."
    ),
    "payout.window.outside": (
        "Ngày giá trị {value_date} của {line} nằm ngoài khoảng của {payout}, từ {first} đến {last}."
    ),
    "payout.combination.payouts": (
        "Trong {among} lần chi trả còn mở trong khoảng ngày, số tổ hợp cộng đúng {sum}: {count}."
    ),
    "payout.combination.credits": (
        "Trong {among} khoản ghi có còn mở trong khoảng ngày, số tổ hợp cộng đúng {sum}: {count}."
    ),
    # trực tiếp
    "bank_ref.equal": (
        "Báo có của khoản thanh toán {payment} và dòng sao kê {line} mang cùng số tham chiếu {id} "
        "của ngân hàng, mỗi bên một lần."
    ),
    "reference.narrative": (
        "Nội dung của {line} ghi “{text}” (ký tự {start} đến {end}), đọc thành "
        "{reference}, khoản thu "
        "của khoản thanh toán {payment}."
    ),
    "reference.whole": "Trong {line}, {reference} còn nguyên vẹn: các ký hiệu kiểm tra đều đúng.",
    "folding.separators": "Bỏ dấu ngăn cách trong {line}: “{was}” đọc thành {read}.",
    "folding.look_alike": "Ký tự giống nhau trong {line}: {was} đọc là {read}.",
    "folding.letters": "Bỏ dấu và chữ thường trong {line}: “{was}” đọc thành {read}.",
    "repair.runs_on": (
        "Hỏng trong {line}: {reference} bị dấu ngăn cách cắt rời và dính sang từ khác."
    ),
    "repair.wrong": (
        "Sửa trong {line}: ký hiệu thứ {place} của {reference} ghi là {was}, đúng là {meant}."
    ),
    "repair.swapped": (
        "Sửa trong {line}: ký hiệu thứ {place} và {other} của {reference} bị đảo chỗ, "
        "{was} thay cho "
        "{meant}."
    ),
    "repair.added": (
        "Sửa trong {line}: thừa ký hiệu {was} ở vị trí {place}, bỏ đi thì được {reference}."
    ),
    "repair.dropped": "Sửa trong {line}: thiếu ký hiệu thứ {place} của {reference}, là {meant}.",
    "repair.cut_end": (
        "Khôi phục trong {line}: phần cuối của {reference} bị cắt, {meant} ({count})."
    ),
    "repair.cut_start": (
        "Khôi phục trong {line}: phần đầu của {reference} bị cắt, {meant} ({count})."
    ),
    "repair.prefix_lost": "Sửa trong {line}: tiền tố {prefix} bị mất {lost}.",
    "repair.prefix_damaged": "Sửa trong {line}: tiền tố {prefix} bị ghi thành {was}.",
    "repair.prefix_swapped": (
        "Sửa trong {line}: cuối tiền tố bị đảo chỗ với ký hiệu đầu tiên, {was} thay cho {meant}."
    ),
    "dossier.read": (
        "Nội dung của {line} ghi “{text}” (ký tự {start} đến {end}): hồ sơ {dossier} của khoản "
        "thanh toán {payment}."
    ),
    "dossier.cut": (
        "Nội dung của {line} kết thúc bằng “{text}” (ký tự {start} đến {end}): hồ sơ "
        "{dossier} thiếu "
        "{count} ký tự cuối, của khoản thanh toán {payment}."
    ),
    "turn.together": (
        "{payments} khoản thanh toán và {lines} dòng của một khoản thu: số dòng bằng số "
        "khoản, khớp "
        "chung mà không phân biệt."
    ),
    # không khớp
    "days.late": "Đến hạn {due}, gia hạn {grace} ngày đến {last}: đã quá hạn tính đến {as_of}.",
    "days.grace": "Đến hạn {due}, gia hạn {grace} ngày đến {last}: chưa quá hạn tính đến {as_of}.",
    "searched.txn_id": ("Số dòng quyết toán mang mã {id} của khoản thanh toán {payment}: {count}."),
    "searched.reference": (
        "Số dòng sao kê mang mã khoản thu {reference} của khoản thanh toán {payment}: {count}."
    ),
    "searched.payout": "Số khoản ghi có mà nội dung nêu lần chi trả {payout}: {count}.",
    "status.held": "Khoản thanh toán {payment} đang ở trạng thái {status}.",
    "item.amount": "{kind} {item}: {amount}.",
    "narrative.says": "Nội dung của {line} là “{text}”.",
    "narrative.names_none": (
        "Trong {line} không có mã khoản thu nào đã biết, dù nguyên vẹn hay hỏng."
    ),
    "narrative.rule": "Quy tắc nội dung “{pattern}” gọi {line} là {name}.",
    "resembles.name": (
        "Khoản thanh toán {payment} cùng số tiền {amount} và cùng tên người nộp {name}: không phải "
        "bằng chứng."
    ),
    "resembles.amount": "Khoản thanh toán {payment} cùng số tiền {amount}: không phải bằng chứng.",
    "line.says": "Dòng {line} của {provider} mang mã {id} và mã khoản thu {reference}.",
    "line.searched": (
        "Đã ghi ở đây là {kind} của kênh này với mã này: {count}; số khoản thu đã "
        "biết mà mã "
        "khoản thu có thể chỉ: {bills}."
    ),
    "again.settled": "{kind} {item}, {amount}: {fate}.",
    "again.days": "Ngày của các dòng: {days}.",
    "repeated.equal": "{line} và {original} giống nhau ở: {columns}.",
    "repeated.differs": "Khác nhau ở: {columns}.",
    "reversal.pair": (
        "Khoản ghi có {credit} ngày {credited} và khoản ghi nợ {debit} ngày {debited} "
        "cùng là {amount}."
    ),
    "reversal.unknown": (
        "{line} mang mã khoản thu nguyên vẹn {reference}, không thuộc khoản thu nào đã biết."
    ),
    "ambiguous.bills": (
        "{line} có thể dành cho {count} khoản thu: {bills}. Không có gì cho biết tiền là của khoản "
        "thu nào."
    ),
    "ambiguous.count": (
        "Khoản thanh toán: {payments}. Dòng: {lines}. Chúng khớp với nhau theo nhiều cách: dữ liệu "
        "không chỉ ra cách nào."
    ),
    "ambiguous.payouts": (
        "Lần chi trả: {payouts}. Khoản ghi có: {credits}. Chúng khớp theo nhiều tổ hợp, hoặc quá "
        "nhiều để đếm: dữ liệu không chỉ ra tổ hợp nào."
    ),
    # khoản khác
    "rival.payment.amount": "Khoản thanh toán {item}: {amount} là số tiền khác; {fate}.",
    "rival.payment.opposite": (
        "Khoản thanh toán {item}, {amount}: tiền theo chiều ngược lại; {fate}."
    ),
    "rival.payment.currency": "Khoản thanh toán {item}: {amount} là loại tiền khác; {fate}.",
    "rival.payment.status": "Khoản thanh toán {item}, {amount}: trạng thái {status}; {fate}.",
    "rival.payment.equal": "Khoản thanh toán {item}: cùng số tiền {amount}, {status}; {fate}.",
    "rival.payment.channel": (
        "Khoản thanh toán {item}, {amount}: qua {channel}, không phải chuyển khoản."
    ),
    "rival.line": "{kind} {item} ngày {day}, {amount}: {fate}.",
    "rival.more": "Và {count} khoản nữa.",
    "rival.bill.whole": "{line} còn mang {reference}, có khoản thanh toán {amount}.",
    "rival.bill.whole.amount": (
        "{line} còn mang {reference}; các khoản thanh toán là {amounts}, không phải {amount}."
    ),
    "rival.bill.damaged": "{line} cũng có thể chỉ {reference}, có khoản thanh toán {amount}.",
    "rival.bill.damaged.amount": (
        "{line} cũng có thể chỉ {reference}; các khoản thanh toán là {amounts}, không "
        "phải {amount}."
    ),
    "rival.unknown": (
        "{line} mang mã khoản thu nguyên vẹn {reference}, không thuộc khoản thu nào đã biết."
    ),
    "rival.payout": "Lần chi trả {payout} ngày {day}, thực nhận {net}: {fate}.",
    # lệnh
    "replay.same": "Đã chạy lại: kết quả giống hệt, từng byte.",
    "replay.differs": (
        "CẢNH BÁO: {files} khác với lần chạy lại này: kết quả đã bị sửa, hoặc từ dữ liệu khác hay "
        "phiên bản quy tắc khác. Phần sau giải thích lần chạy lại."
    ),
    "item.nothing_due": (
        "{id} có trong dữ liệu và không cần quyết định: chưa phải thu và không có tiền về."
    ),
}
