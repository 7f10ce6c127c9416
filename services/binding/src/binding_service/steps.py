"""One page of the application: one thing to decide.

A form that is refused is shown again with what was typed and a message at each field. One that is left before it is
complete (back, another language, a login that expired) is kept in the draft and stands there again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from binding_service.doors import binding_of, ended_session_of, session_in_force
from binding_service.drafts import use_cases as drafts
from binding_service.errors import BindingError, NotFoundError, NotSignedInError, StepMissingError
from binding_service.web import ask_to_sign_in, form_of, messages_at, render, to
from shared.web.language_choice import in_language

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.context import Binding
    from binding_service.drafts.draft import Draft
    from binding_service.logins.domain import Session


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who is signed in, on a page."""

    request: Request
    binding: Binding
    session: Session
    draft: Draft


#: The page to go to, or values with which this one is shown again.
Outcome: TypeAlias = "str | dict[str, object]"


class Step:
    """A page of the application; a subclass says what it asks."""

    name: ClassVar[str]
    template: ClassVar[str]
    #: The page before this one; None where there is none.
    previous: ClassVar[str | None] = None
    fields: ClassVar[tuple[str, ...]] = ()
    #: Where a message stands that names no field, or one that is not on this page.
    error_field: ClassVar[str]
    #: What else on the page a message may stand at.
    other_places: ClassVar[tuple[str, ...]] = ()
    #: Codes are not kept.
    keeps: ClassVar[bool] = True

    def kept_as(self, request: Request) -> str:
        """Under this name the draft keeps what was typed."""
        return self.name

    async def back(self, visit: Visit) -> str | None:
        """Where 返回 leads."""
        return self.previous

    async def known(self, visit: Visit) -> dict[str, str]:
        """What was answered before, by field. Raises StepMissingError where an earlier page has to come first."""
        return {}

    async def values(self, visit: Visit, typed: dict[str, str]) -> dict[str, object]:
        """What else the template shows."""
        return {}

    async def take(self, visit: Visit, typed: dict[str, str]) -> Outcome:
        """Accept the answers; the page that comes next. Raises BindingError."""
        raise NotImplementedError

    async def act(self, visit: Visit, action: str, typed: dict[str, str]) -> Outcome:
        """Do what another button asks. Raises BindingError."""
        return {}

    async def answer(self, request: Request) -> Response:
        """The page, or what comes after its form."""
        try:
            session = await session_in_force(request)
        except NotSignedInError:
            return await self._keep_for_later(request)
        binding = binding_of(request)
        visit = Visit(request, binding, session, await drafts.draft_of(binding, session))
        known = await self.known(visit)
        if request.method == "POST":
            return await self._answer_form(visit)
        kept = visit.draft.typed.get(self.kept_as(request), {})
        return await self._page(visit, dict.fromkeys(self.fields, "") | known | kept)

    async def _answer_form(self, visit: Visit) -> Response:
        form = await form_of(visit.request)
        typed = {field: form.get(field, "") for field in self.fields}
        action = form.get("action", "")
        if "language" in form or action == "back":
            await self._keep(visit.request, visit.session, typed)
            if "language" in form:
                return in_language(visit.request.url.path, form["language"])
            return to(await self.back(visit) or "/")
        try:
            outcome = await (self.act(visit, action, typed) if action else self.take(visit, typed))
        except (StepMissingError, NotFoundError):
            raise
        except BindingError as error:
            return await self._page(visit, typed, error)
        if isinstance(outcome, dict):
            return await self._page(visit, typed, more=outcome)
        if self.kept_as(visit.request) in visit.draft.typed:
            await drafts.keep_typed(visit.binding, visit.session, self.kept_as(visit.request), {})
        return to(outcome)

    async def _page(
        self,
        visit: Visit,
        typed: dict[str, str],
        error: BindingError | None = None,
        *,
        more: dict[str, object] | None = None,
    ) -> Response:
        values = await self.values(visit, typed)
        errors = self._messages(error) if error else {}
        common = {"typed": typed, "errors": errors, "back": await self.back(visit), "step_form": True}
        return render(visit.session, self.template, error, **(common | values | (more or {})))

    def _messages(self, error: BindingError) -> dict[str, str]:
        """The messages of an error, each at a place that is on this page."""
        places = (*self.fields, *self.other_places)
        messages = messages_at(error, self.error_field)
        return {field if field in places else self.error_field: text for field, text in messages.items()}

    async def _keep_for_later(self, request: Request) -> Response:
        """The login expired while the form was filled in: keep it where the same parent finds it again."""
        if request.method == "POST":
            session = await ended_session_of(request)
            if session is not None:
                form = await form_of(request)
                await self._keep(request, session, {field: form.get(field, "") for field in self.fields})
        return ask_to_sign_in(request)

    async def _keep(self, request: Request, session: Session, typed: dict[str, str]) -> None:
        if self.keeps:
            await drafts.keep_typed(binding_of(request), session, self.kept_as(request), typed)
