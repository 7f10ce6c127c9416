"""What the pages and the API have in common: who asks, and how the session's token travels."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from starlette.requests import Request
from starlette.responses import Response

from binding_service.errors import PasswordChangeDueError
from binding_service.logins import use_cases as logins
from binding_service.logins.domain import Browser

if TYPE_CHECKING:
    from binding_service.context import Binding
    from binding_service.logins.domain import Session

SESSION_COOKIE = "kinbind-session"
ATTEMPT_COOKIE = "kinbind-attempt"
RETURN_COOKIE = "kinbind-return"
#: Where a code to the account's e-mail leads who has forgotten the password.
CHOOSE_PATH = "/account/password"
DEVICE_COOKIE = "kinbind-device"
DAY_SECONDS = 24 * 60 * 60


def binding_of(request: Request) -> Binding:
    """The service's parts."""
    return cast("Binding", request.app.state.binding)


def client_address(request: Request) -> str:
    """Where the request came from, as far as the server knows."""
    return request.client.host if request.client else "unknown"


def browser_of(request: Request) -> Browser:
    """What the browser brings to a sign-in."""
    return Browser(
        address=client_address(request),
        agent=request.headers.get("user-agent", ""),
        token=request.cookies.get(cookie_name(request, SESSION_COOKIE)),
        device=request.cookies.get(cookie_name(request, DEVICE_COOKIE), ""),
    )


def bearer_of(request: Request) -> str | None:
    """The bearer token (RFC 6750) that came with the request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def token_of(request: Request) -> str | None:
    """The session's token: a bearer token before the cookie."""
    token = bearer_of(request)
    return token if token is not None else request.cookies.get(cookie_name(request, SESSION_COOKIE))


async def session_of(request: Request) -> Session:
    """Who asks. Raises NotSignedInError."""
    return await logins.session_of(binding_of(request), token_of(request))


async def ended_session_of(request: Request) -> Session | None:
    """Who asked before the session expired; nothing of theirs may be shown."""
    return await logins.ended_session_of(binding_of(request), token_of(request))


async def session_in_force(request: Request) -> Session:
    """Who asks, with no first password left to change. Raises NotSignedInError, PasswordChangeDueError."""
    session = await session_of(request)
    if session.password_change_due:
        raise PasswordChangeDueError
    return session


def pdf_response(name: str, content: bytes) -> Response:
    """A PDF to keep, under this file name."""
    headers = {"content-disposition": f'attachment; filename="{name}.pdf"'}
    return Response(content, media_type="application/pdf", headers=headers)


def request_id_of(scope: str, key: str | None) -> UUID:
    """The id under which a request is asked again: derived from the key that came with it, in its own scope."""
    return uuid5(NAMESPACE_URL, f"{scope}/{key}") if key else uuid4()


def wish_of(request: Request) -> UUID:
    """The id of what a request asks for: the same when it is repeated with its Idempotency-Key (api_route)."""
    wish: UUID | None = getattr(request.state, "wish", None)
    return wish or uuid4()


def cookie_name(request: Request, name: str) -> str:
    """``__Host-`` ties a cookie to this host and to TLS, so it can only be had where there is TLS."""
    return f"__Host-{name}" if _is_secure(request) else name


def set_cookie(request: Request, response: Response, name: str, value: str, *, days: int | None = None) -> None:
    """A cookie that no script reads and no other site sends; it ends with the browser's session, or after ``days``."""
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=None if days is None else days * DAY_SECONDS,
        httponly=True,
        secure=_is_secure(request),
        samesite="lax",
        path="/",
    )


def keep_device(request: Request, response: Response, device: str) -> None:
    """Let the browser show, at later sign-ins, that the account was opened in it. Signing out does not end that."""
    set_cookie(request, response, DEVICE_COOKIE, device, days=binding_of(request).settings.device_days)


async def renew_session(request: Request, response: Response, session: Session) -> None:
    """Give the session another token after it has come to more rights.

    One that travels as a bearer token stays: no page can have planted it, and its owner got it in an answer.
    """
    if "authorization" not in request.headers:
        set_cookie(request, response, SESSION_COOKIE, await logins.renew_token(binding_of(request), session))


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(
        cookie_name(request, name), httponly=True, secure=_is_secure(request), samesite="lax", path="/"
    )


def _is_secure(request: Request) -> bool:
    return binding_of(request).settings.environment == "production"
