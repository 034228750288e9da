"""The fields of `model-dossier/1` as data: section, who fills it, required at which tier, its words.

Source: GOVERNANCE 2.3 (fields × tiers, anchored in Decree 142/2026 Art. 3(5) and the laws named there). `levels` has
one letter per tier T0…T3: `R` required to submit for review, `o` optional, `-` not needed. Section L of that table
(state, approvals, validity) is written by the registry beside the card and never inside it: the approval signs
the card's digest, so it cannot be part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Filler = Literal["auto", "human", "computed"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the dossier; `number` is its row in GOVERNANCE 2.3."""

    section: str
    name: str
    number: str
    filler: Filler
    levels: str
    vi: str
    en: str

    @property
    def path(self) -> str:
        """`section.name`, as findings point to it."""
        return f"{self.section}.{self.name}"

    def required(self, tier: str) -> bool:
        """Whether a card of that tier may not go to review without it."""
        return self.levels["0123".index(tier[1])] == "R"


SECTIONS = {
    "identity": ("Định danh", "Identity"),
    "classification": ("Phân loại", "Classification"),
    "purpose": ("Mục đích và phạm vi sử dụng", "Purpose and scope"),
    "data": ("Dữ liệu", "Data"),
    "training": ("Điều kiện huấn luyện", "Training conditions"),
    "interface": ("Giao diện", "Interface"),
    "evaluation": ("Kết quả đánh giá", "Evaluation"),
    "fairness": ("Công bằng", "Fairness"),
    "explanation": ("Giải thích", "Explanation"),
    "risk": ("Hạn chế, rủi ro và an toàn", "Limitations, risk and security"),
    "operation": ("Vận hành", "Operation"),
}

_ROWS = """
identity id A1 auto RRRR | Mã mô hình | Model id
identity name_vi A1 human RRRR | Tên | Name
identity version A1 auto RRRR | Phiên bản | Version
identity previous_version A1 human RRRR | Phiên bản trước | Previous version
identity model_family A1 human RRRR | Họ mô hình | Model family
identity artifact_digest A2 auto RRRR | Mã băm của mô hình | Artefact digest
identity mlflow A2 auto RRRR | Lượt chạy MLflow | MLflow run
identity code_commit A2 auto RRRR | Phiên bản mã nguồn | Code commit
identity env_lock_digest A2 auto RRRR | Mã băm môi trường | Environment digest
identity provider_org A3 human RRRR | Tổ chức cung cấp | Provider
identity developer_org A3 human RRRR | Tổ chức phát triển | Developer
identity deployer_orgs A3 human RRRR | Tổ chức triển khai | Deployers
identity owner_person A3 human RRRR | Người phụ trách | Owner
identity complaint_contact A3 human RRRR | Nơi tiếp nhận phản ánh | Complaint contact
identity base_model A4 human oRRR | Mô hình gốc | Base model
identity licence A5 human oRRR | Giấy phép | Licence
identity languages A5 human oRRR | Ngôn ngữ | Languages
identity citation A5 human oRRR | Trích dẫn | Citation
classification legal_tier B1 human oRRR | Mức rủi ro theo luật | Legal risk tier
classification legal_basis B1 human oRRR | Căn cứ phân loại | Basis of classification
classification decision33_line B1 human oRRR | Dòng trong Quyết định 33/2026 | Line of Decision 33/2026
classification independent_verification B1 human oRRR | Có người xác minh độc lập | Independent human verification
classification art20 B2 human RRRR | Sử dụng theo Điều 20 | Uses under Article 20
classification control_tier B2 computed RRRR | Mức kiểm soát của nền tảng | Control tier
classification personal_data B3 human RRRR | Dữ liệu cá nhân | Personal data
classification sensitive_categories B3 human RRRR | Dữ liệu nhạy cảm | Sensitive categories
classification pdp_level B3 human RRRR | Mức bảo vệ dữ liệu cá nhân | Personal data protection level
classification dpia_ref B3 human RRRR | Đánh giá tác động dữ liệu cá nhân | Data protection impact assessment
classification infosys_level B4 human RRRR | Cấp độ hệ thống thông tin | Information system level
classification secrecy B4 human RRRR | Bí mật nhà nước | State secrecy
classification data_class B4 human RRRR | Loại dữ liệu | Data class
classification classification_dossier B5 human -ooR | Hồ sơ phân loại và cổng AI | Classification dossier and portal
classification impact_assessment B6 human --oR | Báo cáo đánh giá tác động | Impact assessment
purpose intended_use C1 human RRRR | Mục đích sử dụng | Intended use
purpose intended_users C1 human RRRR | Người sử dụng | Intended users
purpose out_of_scope C1 human RRRR | Ngoài phạm vi | Out of scope
purpose prohibited C1 human RRRR | Không được dùng để | Prohibited uses
purpose decision_role C2 human RRRR | Vai trò trong quyết định | Role in decisions
purpose affected_groups C2 human RRRR | Nhóm chịu ảnh hưởng | Affected groups
purpose human_oversight C3 human -oRR | Giám sát của con người | Human oversight
purpose user_notice_vi C4 human -oRR | Thông báo cho người dùng | User notice
purpose appeal_route C4 human -oRR | Cách đề nghị xem lại | Appeal route
purpose benefit_kpis C5 human -oRR | Chỉ số lợi ích | Benefit indicators
data datasets D1 auto RRRR | Tập dữ liệu | Datasets
data legal_basis D2 human oRRR | Căn cứ sử dụng dữ liệu | Legal basis
data collection D2 human oRRR | Thu thập | Collection
data labelling D2 human oRRR | Gán nhãn | Labelling
data geo_vintage D3 human oRRR | Phiên bản địa giới | Vintage of boundaries
data representativeness D4 human -RRR | Tính đại diện | Representativeness
data preprocessing D5 auto oRRR | Tiền xử lý | Preprocessing
data leakage_check D5 auto oRRR | Kiểm tra trùng giữa huấn luyện và đánh giá | Overlap of training and evaluation
data known_gaps D5 human oRRR | Khoảng trống đã biết | Known gaps
training algorithm E1 auto RRRR | Thuật toán | Algorithm
training hyperparameters E1 auto RRRR | Tham số | Parameters
training seed E1 auto RRRR | Hạt giống ngẫu nhiên | Seed
training hardware E1 auto RRRR | Phần cứng | Hardware
training duration_seconds E1 auto RRRR | Thời gian huấn luyện (giây) | Duration (seconds)
training energy_kwh E1 auto RRRR | Điện năng (kWh) | Energy (kWh)
training reproducibility E2 auto -oRR | Khả năng lặp lại | Reproducibility
interface inputs F1 auto RRRR | Đầu vào | Inputs
interface outputs F1 auto RRRR | Đầu ra | Outputs
interface api_version F1 auto RRRR | Phiên bản API | API version
interface decision_thresholds F2 human oRRR | Ngưỡng quyết định | Decision thresholds
interface abstain_policy F2 human oRRR | Khi nào từ chối trả lời | Abstention
evaluation metrics G1 auto RRRR | Số đo | Metrics
evaluation baselines G2 auto RRRR | Mốc so sánh | Baselines
evaluation skill_vs_baseline G2 auto RRRR | Hơn mốc so sánh | Skill against baselines
evaluation calibration G3 human -RRR | Hiệu chuẩn | Calibration
evaluation robustness G3 human -RRR | Độ bền | Robustness
evaluation load_test G3 human -RRR | Thử tải | Load test
evaluation independent_evaluator G4 human -oRR | Người đánh giá độc lập | Independent evaluator
fairness bias_report H1 auto -RRR | Báo cáo thiên lệch | Bias report
fairness harms H2 human -oRR | Tác hại theo nhóm | Harms by group
fairness waivers H3 human -oRR | Miễn trừ | Waivers
explanation method I1 human -oRR | Phương pháp giải thích | Method of explanation
explanation plain_explanation I2 human -RRR | Giải thích dễ hiểu | Plain explanation
risk risks J1 human -oRR | Sổ rủi ro | Risk register
risk limitations J2 human RRRR | Hạn chế | Limitations
risk tradeoffs J2 human RRRR | Đánh đổi | Trade-offs
risk misuse J2 human RRRR | Dùng sai | Misuse
risk security_tests J3 human oRRR | Thử an toàn | Security tests
operation monitoring K1 human -RRR | Theo dõi | Monitoring
operation rollback K2 human -RRR | Quay lui | Rollback
operation kill_switch_test K2 human -RRR | Thử ngắt khẩn cấp | Kill switch test
operation incidents K3 auto -RRR | Sự cố | Incidents
operation log_policy K4 human RRRR | Nhật ký | Log policy
operation retirement_plan K5 human -oRR | Kế hoạch dừng sử dụng | Retirement plan
"""


def _parse(row: str) -> Field:
    words, vi, en = (part.strip() for part in row.split("|"))
    section, name, number, filler, levels = words.split()
    if filler not in ("auto", "human", "computed") or section not in SECTIONS:
        raise ValueError(row)
    return Field(section, name, number, filler, levels, vi, en)  # type: ignore[arg-type]


FIELDS = tuple(_parse(row) for row in _ROWS.strip().splitlines())
BY_PATH = {field.path: field for field in FIELDS}


# What goes in and comes out, by family of kinds (the first word of `text.segment/1`), as in the wire contract.
def _port(name: str, datatype: str, shape: str, allowed: str) -> dict[str, str]:
    return {"name": name, "datatype": datatype, "shape": shape, "range": allowed}


INTERFACES: dict[str, dict[str, list[dict[str, str]]]] = {
    "text": {
        "inputs": [_port("documents", "string", "[n]", "n ≤ 1000, ≤ 100000 characters")],
        "outputs": [_port("documents", "object", "[n]", "in the order sent")],
    },
    "forecast": {
        "inputs": [_port("inputs", "float64|null", "[series, time]", "≤ 1000 series, ≤ 2 million points")],
        "outputs": [_port("outputs", "float64", "[series, horizon]", "horizon ≤ 1000")],
    },
    "anomaly": {
        "inputs": [_port("inputs", "float64|null", "[series, time]", "≤ 1000 series, ≤ 2 million points")],
        "outputs": [_port("points", "float64", "[series, time]", "p_value in [0, 1]")],
    },
    "tabular": {
        "inputs": [_port("rows", "float64|string|bool|null", "[rows, columns]", "≤ 2 million cells")],
        "outputs": [_port("score", "float64", "[rows]", "≥ 0, larger = stranger")],
    },
}
