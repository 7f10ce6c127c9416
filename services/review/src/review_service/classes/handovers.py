"""Who takes a class over: a substitute for some days, another teacher, or again whom the roster names.

Each is an errand: it is chosen where there is something to choose, asked once with what follows from it, then done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID, uuid4

from starlette.routing import Route

from review_service.classes import use_cases
from review_service.classes.domain import Part, Period, parse_day
from review_service.classes.words import class_address, local_day, said_again
from review_service.errors import AlreadyTheirsError, NotFoundError, UnknownTeacherError
from review_service.web import FORM, administrator, fields, see
from review_service.words import _

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.classes.use_cases import Handover, TeacherOfClass
    from review_service.context import Review, Teacher
    from review_service.web import Site


@dataclass(frozen=True, slots=True)
class Question:
    """What the administrator is asked once: what follows, and the word on the button that does it."""

    heading: str
    follows: Sequence[str]
    answer: str


class Errand:
    """What an administrator does with a class: the form of ``template`` where one is needed, the question, the deed."""

    template: ClassVar[str] = ""
    #: What the class page says afterwards.
    done: ClassVar[str]
    #: The fields that the question carries along.
    carried: ClassVar[tuple[str, ...]] = ()

    def __init__(self, request: Request, handover: Handover, typed: dict[str, str]) -> None:
        self.request = request
        self.handover = handover
        self.typed = typed

    @property
    def class_name(self) -> str:
        """How the class is called."""
        return self.handover.it.name

    def name_of(self, teacher_id: str) -> str:
        """How a colleague is called."""
        return self.handover.colleagues[teacher_id]

    def errors(self) -> dict[str, str]:
        """What is wrong with what was typed, by field."""
        return {}

    def question(self) -> Question:
        """What is asked. Raises NotFoundError where there is nothing to do any more."""
        raise NotImplementedError

    async def do(self, review: Review, teacher: Teacher) -> None:
        """Do it, once."""
        raise NotImplementedError

    @property
    def key(self) -> UUID:
        """Of the question that was answered: a second answer to it does nothing more."""
        try:
            return UUID(self.typed["confirmed"])
        except ValueError:
            raise NotFoundError from None

    def _teacher_error(self, check: Callable[[Handover, str], None]) -> dict[str, str]:
        try:
            check(self.handover, self.typed.get("teacher", ""))
        except UnknownTeacherError:
            return {"teacher": _("請選擇一位老師。")}
        except AlreadyTheirsError:
            return {"teacher": _("這位老師本來就負責這個班級，請選擇別的老師。")}
        return {}


class NameSubstitute(Errand):
    """A teacher stands in for some days."""

    template = "substitute.html"
    done = "substitute"
    carried = ("teacher", "first_day", "last_day")

    def errors(self) -> dict[str, str]:
        """What is wrong with what was typed, by field."""
        first, last = parse_day(self.typed.get("first_day", "")), parse_day(self.typed.get("last_day", ""))
        errors = self._teacher_error(use_cases.check_substitute)
        if first is None:
            errors["first_day"] = _("請選擇代理開始的日期。")
        if last is None:
            errors["last_day"] = _("請選擇代理結束的日期。")
        elif first is not None and last < first:
            errors["last_day"] = _("結束的日期不能早於開始的日期。")
        elif last < self.handover.today:
            errors["last_day"] = _("結束的日期已經過去，請選擇今天或以後的日期。")
        return errors

    @property
    def period(self) -> Period:
        """The days; where there are no errors."""
        return Period(date.fromisoformat(self.typed["first_day"]), date.fromisoformat(self.typed["last_day"]))

    def question(self) -> Question:
        """What is asked."""
        name, period = self.name_of(self.typed["teacher"]), self.period
        first, last = local_day(period.first), local_day(period.last)
        return Question(
            heading=_("指定 {name} 為 {class_name} 的代理老師？").format(name=name, class_name=self.class_name),
            follows=[
                _("代理期間：{first} 至 {last}，頭尾兩天都算在內。").format(first=first, last=last),
                _("這段期間內，{name} 可以查看這個班級的學生，並審核等待中的申請。").format(name=name),
                _("原來的老師照常可以審核；期間一過，代理自動結束。"),
            ],
            answer=_("指定代理老師"),
        )

    async def do(self, review: Review, teacher: Teacher) -> None:
        """Name the substitute."""
        who = self.typed["teacher"]
        await use_cases.name_substitute(review, teacher, self.handover.it.id, who, self.period, self.key)


class EndSubstitute(Errand):
    """A substitute goes before the last day."""

    done = "ended"

    def question(self) -> Question:
        """What is asked."""
        name = self._substitute().name
        return Question(
            heading=_("結束 {name} 對 {class_name} 的代理？").format(name=name, class_name=self.class_name),
            follows=[
                _("{name} 從現在起不能再因代理查看這個班級或審核它的申請。").format(name=name),
                _("代理期間已作出的決定不受影響。"),
            ],
            answer=_("結束代理"),
        )

    def _substitute(self) -> TeacherOfClass:
        for teacher in self.handover.teachers:
            if teacher.substitute_id == self.request.path_params["substitute"]:
                return teacher
        raise NotFoundError

    async def do(self, review: Review, teacher: Teacher) -> None:
        """End it."""
        await use_cases.end_substitute(review, teacher, self.handover.it.id, self.request.path_params["substitute"])


class Move(Errand):
    """The class is another teacher's from now on."""

    template = "move.html"
    done = "moved"
    carried = ("teacher",)

    def errors(self) -> dict[str, str]:
        """What is wrong with what was typed, by field."""
        return self._teacher_error(use_cases.check_mover)

    def question(self) -> Question:
        """What is asked."""
        name = self.name_of(self.typed["teacher"])
        before = _names(self.handover, Part.HOMEROOM, Part.MOVED, besides=self.typed["teacher"])
        follows = [_("等待中的申請會一起轉給 {name}，不需要另外處理。").format(name=name)]
        if before:
            follows.append(_("{names} 不再能查看這個班級或審核它的申請。").format(names=before))
        follows.append(_("代理老師不受影響。名冊上的導師異動時，班級會改由名冊上的新導師負責。"))
        return Question(
            heading=_("將 {class_name} 移交給 {name}？").format(class_name=self.class_name, name=name),
            follows=follows,
            answer=_("移交班級"),
        )

    async def do(self, review: Review, teacher: Teacher) -> None:
        """Move the class."""
        await use_cases.move_class(review, teacher, self.handover.it.id, self.typed["teacher"])


class GiveBack(Errand):
    """The class is again the teacher's whom the roster names."""

    done = "returned"

    def question(self) -> Question:
        """What is asked."""
        if not self.handover.it.is_moved:
            raise NotFoundError
        roster = _names(self.handover, Part.RELIEVED)
        moved = _names(self.handover, Part.MOVED)
        back = (
            _("等待中的申請會一起轉回給 {names}。").format(names=roster)
            if roster
            else _("名冊上這個班級目前沒有導師。")
        )
        return Question(
            heading=_("將 {class_name} 交還給名冊上的導師？").format(class_name=self.class_name),
            follows=[back, _("{names} 不再能查看這個班級或審核它的申請。").format(names=moved)],
            answer=_("交還班級"),
        )

    async def do(self, review: Review, teacher: Teacher) -> None:
        """Give it back."""
        await use_cases.return_class(review, teacher, self.handover.it.id)


def _names(handover: Handover, *parts: Part, besides: str = "") -> str:
    """The names of the class's teachers by these parts, but for one."""
    names = [teacher.name for teacher in handover.teachers if teacher.part in parts and teacher.id != besides]
    return _("、").join(names)


# --- the pages ---


def routes() -> list[Route]:
    """The pages of handovers."""
    errands: dict[str, type[Errand]] = {
        "/classes/{id}/substitutes": NameSubstitute,
        "/classes/{id}/substitutes/{substitute:uuid}/end": EndSubstitute,
        "/classes/{id}/move": Move,
        "/classes/{id}/return": GiveBack,
    }
    return [
        Route(path, administrator(partial(_run, errand)), methods=FORM, name=errand.__name__)
        for path, errand in errands.items()
    ]


async def _run(kind: type[Errand], request: Request, site: Site, teacher: Teacher) -> Response:
    """One request of an errand: the form, the question, or the deed."""
    handover = await use_cases.prepare_handover(site.review, teacher, request.path_params["id"])
    is_sent = request.method == "POST"
    errand = kind(request, handover, dict(await fields(request)) if is_sent else _blank(handover))

    async def page() -> Response:
        return _page(site, teacher, errand, is_sent=is_sent)

    if "language" in errand.typed:
        return await said_again(errand.typed["language"], page)
    if "confirmed" not in errand.typed or "again" in errand.typed or errand.errors():
        return await page()
    await errand.do(site.review, teacher)
    return see(f"{class_address(handover.it.id)}?done={errand.done}")


def _blank(handover: Handover) -> dict[str, str]:
    """What stands in a form at first."""
    return {"teacher": "", "first_day": handover.today.isoformat(), "last_day": ""}


def _page(site: Site, teacher: Teacher, errand: Errand, *, is_sent: bool) -> Response:
    """The form, where one is needed still; else the question."""
    errors = errand.errors() if is_sent else {}
    if errand.template and (not is_sent or errors or "again" in errand.typed):
        return _form(site, teacher, errand, {} if "again" in errand.typed else errors)
    return site.pages.render(
        "question.html",
        teacher=teacher,
        class_id=errand.handover.it.id,
        question=errand.question(),
        carried={name: errand.typed[name] for name in errand.carried},
        key=errand.typed.get("confirmed") or uuid4(),
        step_form=True,
    )


def _form(site: Site, teacher: Teacher, errand: Errand, errors: dict[str, str]) -> Response:
    return site.pages.render(
        errand.template,
        status=422 if errors else 200,
        teacher=teacher,
        handover=errand.handover,
        typed=errand.typed,
        errors=errors,
        step_form=True,
    )
