"""The names of the members of a card's values (`direct_basis`, `run_id`, …), for those who read it.

Decision: what is not listed stays as it is: a training run's parameters and the names of files are the words of the
code and of the disk, and who reads them looks for exactly these.
"""

from __future__ import annotations

from typing import Final

from models.errors import Note

_ROWS: Final = """
name | Tên | Name
value | Giá trị | Value
n | Cỡ mẫu | Sample size
ci95 | KTC 95 % | CI 95 %
ci95_not_evaluated | Vì sao không có KTC | Why no CI
dataset | Dữ liệu | Data
dataset_digest | Mã băm dữ liệu | Digest of the data
slice | Lát cắt | Slice
baseline | Mốc | Baseline
baseline_value | Giá trị của mốc | Baseline's value
id | Mã | Id
title | Tên gọi | Title
digest | Mã băm | Digest
licence | Giấy phép | Licence
commit | Phiên bản nguồn | Commit
repository | Nơi lưu | Repository
role | Vai trò | Role
may_bundle | Được phát kèm | May be bundled
run_id | Mã lượt chạy | Run id
datatype | Kiểu dữ liệu | Data type
range | Khoảng giá trị | Range
shape | Hình dạng | Shape
direct_basis | Căn cứ trực tiếp của quyết định | Direct basis of a decision
uses | Trường hợp sử dụng | Uses
approved_by_head | Người đứng đầu phê duyệt | Approved by the head
date | Ngày | Date
public_url | Nơi công bố | Published at
failed | Không đạt | Failed
family | Họ mô hình | Family
group | Nhóm | Group
reason | Lý do | Reason
groups_not_testable | Nhóm không kiểm định được | Groups that cannot be tested
groups_tested | Số nhóm đã kiểm định | Groups tested
groups_without_enough_cases | Số nhóm chưa đủ mẫu | Groups without enough cases
margins | Bộ ngưỡng | Margins
verdict | Kết luận | Verdict
verdict_by_axis | Kết luận theo trục | Verdict by axis
benefit | Lợi ích | Benefit
harm | Tác hại | Harm
mitigation | Biện pháp giảm | Mitigation
residual | Phần còn lại | Residual risk
level | Mức | Level
payload | Nội dung được lưu | Payload kept
retention_months | Số tháng lưu | Months kept
evaluation | Số mẫu đánh giá | Evaluation items
exact | Trùng hoàn toàn | Exact copies
near | Gần trùng | Near copies
kept | Số mẫu giữ lại | Items kept
shingle_words | Số tiếng mỗi mảnh | Words a shingle
threshold | Ngưỡng | Threshold
training | Số mẫu huấn luyện | Training items
split | Cách chia | Split
method | Phương pháp | Method
abstain | Từ chối trả lời | Abstention
silver | Nhãn bạc | Silver labels
teacher | Mô hình thầy | Teacher model
name_en | Tên tiếng Anh | English name
declared_control_tier | Mức kiểm soát đã khai | Declared control tier
personal_data_note | Ghi chú về dữ liệu cá nhân | Note on personal data
review | Tình trạng rà soát | State of review
ethnicity | Dân tộc | Ethnicity
ethnicity-natural | Dân tộc, văn bản thật | Ethnicity, real texts
gender | Giới | Gender
gender-young | Giới, người trẻ | Gender, the young
age | Tuổi | Age
area | Vùng | Area
province | Tỉnh, thành phố | Province
region | Vùng kinh tế – xã hội | Region
disability | Khuyết tật | Disability
poverty | Nghèo | Poverty
religion | Tôn giáo | Religion
kinship | Từ xưng hô | Kinship terms
mentions | Nhóm được nhắc đến | Groups mentioned
regional | Từ địa phương | Regional words
typing | Cách gõ | Typing
length | Độ dài | Length
languages | Ngôn ngữ | Languages
origin | Quê quán | Origin
source | Nguồn | Source
border | Biên giới | Border
completeness | Độ đầy đủ | Completeness
minority-area | Vùng dân tộc thiểu số | Minority areas
size | Quy mô | Size
zeros | Tỷ lệ số không | Share of zeros
history | Độ dài lịch sử | Length of history
lead | Tầm dự báo | Lead time
communes | Cấp xã | Communes
"""


def _read(text: str) -> dict[str, Note]:
    rows = (line.split(" | ") for line in text.strip().splitlines())
    return {word: Note(vi, en) for word, vi, en in rows}


MEMBERS: Final = _read(_ROWS)


def member_name(word: str) -> Note:
    """The name of a member of a value; a word that is not known is its own name in both languages."""
    return MEMBERS.get(word, Note(word, word))
