"""The language dialect: POST /v1/nlp/{task} and /v1/nlp/analyze.

Decision: a document that fails (a secrecy mark, a text that a model cannot use) stands in `errors` and the others are
answered, in order; a call over its limits is refused whole. Options that a task does not have are refused, never
ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from models.errors import InvalidInputError, Note, NotFoundError, PlatformError
from models.values import Document, Labels, Restoration, Segmentation, TextOptions
from services.answers import ModelUsed, TextUsage, item_problem, model_used, notice, provenance
from services.endpoints import Call, Endpoint, Reply
from services.explanations import explained
from services.inference import Answer, Ask, Inference
from services.labels import LABELS_VI
from services.offsets import OffsetUnit, converted
from services.roles import PREDICT
from services.texts import Documents, Prepared, WireDocument, prepare

MAX_TASKS: Final = 8
INLINE_CHARACTERS: Final = 50_000

# --- wire types ---------------------------------------------------------------------------------------------

ModelName = Annotated[str, Meta(min_length=1, max_length=80, description="name, or name@version")]


class WireOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`explain` (classifiers only) adds an explanation; `offset_unit` is the unit of all offsets."""

    explain: bool | None = None
    offset_unit: OffsetUnit | None = None


class TextRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A call of one language task."""

    documents: Documents
    model: ModelName | None = None
    options: WireOptions | None = None


class TaskRequest(msgspec.Struct, forbid_unknown_fields=True):
    """One task of an analysis."""

    task: Literal["segment", "topics", "sentiment", "toxicity", "classify", "diacritics"]
    model: ModelName | None = None
    options: WireOptions | None = None


class AnalyzeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Several tasks over the same documents."""

    documents: Documents
    tasks: Annotated[list[TaskRequest], Meta(min_length=1, max_length=MAX_TASKS)]


class Token(msgspec.Struct, gc=False):
    """A word: its text and its place. Unseen by the garbage collector, for which thousands of them are a burden."""

    text: str
    start: int
    end: int


class Sentence(msgspec.Struct, gc=False):
    """A sentence's place."""

    start: int
    end: int


class SegmentedDocument(msgspec.Struct):
    """The words and sentences of a document."""

    id: str
    tokens: list[Token]
    sentences: list[Sentence]


class Label(msgspec.Struct, omit_defaults=True):
    """A class with its calibrated probability; `label` is the training data's own string."""

    label: str
    score: float
    label_vi: str | UnsetType = UNSET


class LabelledDocument(msgspec.Struct, omit_defaults=True):
    """All classes of a document, the most probable first."""

    id: str
    labels: list[Label]
    abstained: bool | UnsetType = UNSET
    explanation: dict[str, Any] | UnsetType = UNSET


class RestoredDocument(msgspec.Struct):
    """A text with its diacritics."""

    id: str
    text: str


class FailedDocument(msgspec.Struct):
    """A document that could not be answered, and why."""

    id: str
    error: dict[str, Any]


class TextResponse(msgspec.Struct, omit_defaults=True):
    """Answers in the order of the documents; what failed stands in `errors`."""

    request_id: str
    model: ModelUsed
    notice: str
    documents: list[Any]
    errors: list[FailedDocument]
    usage: TextUsage


class SegmentResponse(TextResponse):
    """Answer of `segment`."""

    documents: list[SegmentedDocument]


class LabelResponse(TextResponse):
    """Answer of the classifiers."""

    documents: list[LabelledDocument]


class DiacriticsResponse(TextResponse):
    """Answer of `diacritics`."""

    documents: list[RestoredDocument]


class TaskAnswer(msgspec.Struct, omit_defaults=True):
    """The answer of one task of an analysis, or its problem."""

    task: str
    model: ModelUsed | UnsetType = UNSET
    documents: list[Any] | UnsetType = UNSET
    errors: list[FailedDocument] | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class AnalyzeResponse(msgspec.Struct):
    """Answers by task, in the order asked."""

    request_id: str
    notice: str
    tasks: list[TaskAnswer]
    usage: TextUsage


# --- mapping ------------------------------------------------------------------------------------------------


def _segmented(document: WireDocument, output: Segmentation, unit: OffsetUnit) -> SegmentedDocument:
    text = document.text
    words = [text[start:end] for start, end in output.tokens]
    places = converted(output.tokens, text, unit)
    tokens = [Token(word, start, end) for word, (start, end) in zip(words, places, strict=True)]
    return SegmentedDocument(document.id, tokens, [Sentence(*s) for s in converted(output.sentences, text, unit)])


def _labelled(document: WireDocument, output: Labels, unit: OffsetUnit) -> LabelledDocument:
    labels = [Label(label, score, LABELS_VI.get(label, UNSET)) for label, score in output.labels]
    found = LabelledDocument(document.id, labels, output.abstained)
    if output.explanation is not None:
        found.explanation = explained(document.text, output.explanation, unit)
    return found


def _restored(document: WireDocument, output: Restoration, unit: OffsetUnit) -> RestoredDocument:
    return RestoredDocument(document.id, output.text)


@dataclass(frozen=True, slots=True)
class Task:
    """How a task's outputs look on the wire."""

    name: str
    summary: Note
    render: Callable[[WireDocument, Any, OffsetUnit], Any]
    response: type
    explains: bool = False


TASKS: Final = {
    task.name: task
    for task in (
        Task("segment", Note("Tách từ, tách câu", "Words and sentences"), _segmented, SegmentResponse),
        Task("topics", Note("Chủ đề của văn bản", "Topic of a text"), _labelled, LabelResponse, True),
        Task("sentiment", Note("Sắc thái ý kiến", "Sentiment"), _labelled, LabelResponse, True),
        Task("toxicity", Note("Ngôn từ độc hại", "Toxicity"), _labelled, LabelResponse, True),
        Task("classify", Note("Phân loại văn bản", "Any text classifier"), _labelled, LabelResponse, True),
        Task("diacritics", Note("Thêm dấu tiếng Việt", "Restore diacritics"), _restored, DiacriticsResponse),
    )
}


def _options(task: Task, options: WireOptions | None, pointer: str = "/options") -> tuple[TextOptions, OffsetUnit]:
    if options is None:
        return PLAIN, "codepoint"
    if options.explain and not task.explains:
        vi = f"Tác vụ {task.name} không có giải thích; explain chỉ dùng cho phân loại."
        en = f"The task {task.name} has no explanation; explain is for classifiers."
        raise InvalidInputError.at(f"{pointer}/explain", vi, en, code="unsupported-option")
    return TextOptions(explain=bool(options.explain)), options.offset_unit or "codepoint"


PLAIN: Final = TextOptions()


class Language:
    """The endpoints of the language dialect over one process's inference."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def one(self, call: Call, body: TextRequest, task: Task) -> Reply:
        """Answer one task."""
        options, unit = _options(task, body.options)
        prepared = prepare(body.documents)
        answer = await self._ask(call, task, body.model, prepared, options)
        done, failed = await self._rendered(call, task, prepared, answer, unit)
        response = TextResponse(call.request_id, model_used(answer.entry), notice(call), done, failed, prepared.usage)
        return Reply(response, headers=provenance(answer.entry))

    async def analyze(self, call: Call, body: AnalyzeRequest) -> Reply:
        """Answer several tasks over the same documents; a task that is refused carries its problem."""
        if len({(task.task, task.model) for task in body.tasks}) != len(body.tasks):
            vi, en = "Một tác vụ xuất hiện hai lần.", "A task stands twice."
            raise InvalidInputError.at("/tasks", vi, en, code="duplicate-task")
        settings = [_options(TASKS[t.task], t.options, f"/tasks/{i}/options") for i, t in enumerate(body.tasks)]
        prepared = prepare(body.documents)
        answers: list[TaskAnswer] = []
        entries = []
        first: PlatformError | None = None
        for asked, (options, unit) in zip(body.tasks, settings, strict=True):
            task = TASKS[asked.task]
            try:
                answer = await self._ask(call, task, asked.model, prepared, options)
            except PlatformError as error:
                first = first or error
                answers.append(TaskAnswer(task.name, error=item_problem(call, error)))
                continue
            entries.append(answer.entry)
            done, failed = await self._rendered(call, task, prepared, answer, unit)
            answers.append(TaskAnswer(task.name, model_used(answer.entry), done, failed))
        if first is not None and not entries:
            raise first
        response = AnalyzeResponse(call.request_id, notice(call), answers, prepared.usage)
        return Reply(response, headers=provenance(*entries))

    async def _ask(self, call: Call, task: Task, model: str | None, prepared: Prepared, options: TextOptions) -> Answer:
        items = [Document(d.id, d.text) for d in prepared.accepted]
        marks = {"secrecy_marks": len(prepared.refused)} if prepared.refused else {}
        ask = Ask(task.name, model, items, options, prepared.characters, len(prepared.documents), guards=marks)
        return await self._inference.answer(call, ask)

    @staticmethod
    async def _rendered(
        call: Call, task: Task, prepared: Prepared, answer: Answer, unit: OffsetUnit
    ) -> tuple[list[Any], list[FailedDocument]]:
        """Wire documents and failures; a large answer in a thread, so that other calls get their turn."""
        if prepared.characters <= INLINE_CHARACTERS:
            return _rendered(call, task, prepared, answer, unit)
        return await asyncio.to_thread(_rendered, call, task, prepared, answer, unit)


def _rendered(
    call: Call, task: Task, prepared: Prepared, answer: Answer, unit: OffsetUnit
) -> tuple[list[Any], list[FailedDocument]]:
    """Wire documents and failures, each in the order of the call."""
    done: list[Any] = []
    failed: list[FailedDocument] = []
    outputs = iter(answer.outputs)
    for place, document in enumerate(prepared.documents):
        output = prepared.refused.get(place) or next(outputs)
        if isinstance(output, PlatformError):
            failed.append(FailedDocument(document.id, item_problem(call, output)))
        else:
            done.append(task.render(document, output, unit))
    return done, failed


async def _unknown(call: Call, body: None) -> Reply:
    raise NotFoundError("Chưa có mô hình nào cho tác vụ này.", "No model answers this task.", code="unknown-task")


# --- endpoints ----------------------------------------------------------------------------------------------

EXAMPLE: Final = {"documents": [{"id": "a1", "text": "Bộ Y tế họp giao ban về phòng chống dịch sốt xuất huyết."}]}
PLAIN_EXAMPLE: Final = {"documents": [{"id": "a1", "text": "Bo Y te hop giao ban ve phong chong dich sot xuat huyet."}]}


def endpoints(inference: Inference) -> list[Endpoint]:
    """The rows of this dialect."""
    language = Language(inference)
    shared: dict[str, Any] = {"method": "POST", "tag": "nlp", "event": "inference", "scope": PREDICT}
    rows = [
        Endpoint(
            path=f"/v1/nlp/{task.name}", handler=_handler(language, task), summary=task.summary, request=TextRequest,
            response=task.response, refusals=(403, 404, 413, 422, 429, 503, 504),
            examples={"vi": PLAIN_EXAMPLE if task.name == "diacritics" else EXAMPLE}, **shared,
        )
        for task in TASKS.values()
    ]  # fmt: skip
    analyze = Endpoint(
        path="/v1/nlp/analyze", handler=language.analyze, request=AnalyzeRequest, response=AnalyzeResponse,
        summary=Note("Nhiều tác vụ trên cùng văn bản", "Several tasks over the same texts"),
        refusals=(403, 404, 413, 422, 429, 503, 504),
        examples={"vi": {**EXAMPLE, "tasks": [{"task": "segment"}, {"task": "topics"}]}}, **shared,
    )  # fmt: skip
    unknown = Endpoint(
        path="/v1/nlp/{task}", handler=_unknown, verbatim=True, hidden=True, refusals=(404,),
        summary=Note("Tác vụ chưa có mô hình", "A task without a model"), **shared,
    )  # fmt: skip
    return [*rows, analyze, unknown]


def _handler(language: Language, task: Task) -> Callable[[Call, TextRequest], Any]:
    async def handler(call: Call, body: TextRequest) -> Reply:
        return await language.one(call, body, task)

    return handler
