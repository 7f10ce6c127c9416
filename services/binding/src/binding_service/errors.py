"""Every way in which a parent's wish can fail. ``code`` is stable: front ends and pages go by it."""

from __future__ import annotations

from typing import ClassVar


class BindingError(Exception):
    """The wish can't be granted. ``code`` says why, ``status`` is its HTTP status, ``field`` its place on a form."""

    code: ClassVar[str]
    status: ClassVar[int] = 422

    def __init__(self, *, field: str | None = None, retry_after: int | None = None, **details: object) -> None:
        super().__init__(self.code)
        self.field = field
        self.retry_after = retry_after
        self.details = details


class InvalidFieldsError(BindingError):
    """One or more fields can't be used as they are: ``fields`` maps each to the code of its message."""

    code = "invalid_fields"

    def __init__(self, fields: dict[str, str], **details: object) -> None:
        super().__init__()
        self.details = details
        self.fields = fields


class MalformedError(InvalidFieldsError):
    """The request does not have the documented shape."""

    code = "bad_request"


class TooLargeError(BindingError):
    """The request is larger than any that is needed."""

    code = "too_large"
    status = 413


class KeyReusedError(BindingError):
    """The Idempotency-Key was used for another request: the same path, and another body."""

    code = "idempotency_key_reused"


class RequestInProgressError(BindingError):
    """The first request with this Idempotency-Key still runs; again after ``retry_after`` seconds."""

    code = "request_in_progress"
    status = 409


class BadOperatorTokenError(BindingError):
    """No token of an operator's, or one that is not known."""

    code = "bad_operator_token"
    status = 401


class PushDisabledError(BindingError):
    """No system may send its roster here: no token is set."""

    code = "push_disabled"
    status = 403


class ImportRunsError(BindingError):
    """Another import of the roster runs; again after ``retry_after`` seconds."""

    code = "import_runs"
    status = 409


class UnsupportedTypeError(BindingError):
    """The body is of another media type than is taken here."""

    code = "unsupported_type"
    status = 415


class NotZipError(BindingError):
    """What was sent as a roster is no whole zip file."""

    code = "not_a_zip"


class OtherOriginError(BindingError):
    """The request came from another site, with the visitor's cookie."""

    code = "other_origin"
    status = 403


class InternalError(BindingError):
    """A fault of ours. It is logged under the correlation id that the answer carries."""

    code = "internal_error"
    status = 500


class NotSignedInError(BindingError):
    """No session, or one that has ended."""

    code = "not_signed_in"
    status = 401


class NotFoundError(BindingError):
    """There is no such thing, or it is somebody else's."""

    code = "not_found"
    status = 404


class StepMissingError(BindingError):
    """An earlier step is not complete: ``step`` is students, consent, parent_id, parent or email_proof."""

    code = "step_missing"
    status = 409

    def __init__(self, *, step: str) -> None:
        super().__init__(step=step)
        self.step = step


class StudentsChangedError(StepMissingError):
    """A child of the draft has left the school that was named: the list of children is to be confirmed anew."""

    code = "students_changed"

    def __init__(self) -> None:
        super().__init__(step="students")
        self.field = "students"


class CodeRejectedError(BindingError):
    """The code is wrong, used, expired or was never sent: nobody is told which."""

    code = "code_rejected"


class CodeDeadError(BindingError):
    """The same, and it was the last try: only another code helps."""

    code = "code_dead"


class NoAttemptError(BindingError):
    """This browser has not asked for a code, or did so too long ago."""

    code = "no_attempt"
    status = 409


class TooSoonError(BindingError):
    """Another code may be asked for after ``retry_after`` seconds."""

    code = "too_soon"
    status = 429


class LimitedError(BindingError):
    """Too many tries; again after ``retry_after`` seconds."""

    code = "limited"
    status = 429


class ServiceAwayError(BindingError):
    """A part of the system does not answer now. What was accepted is kept; the same wish can be repeated."""

    code = "service_away"
    status = 503


class NoMatchError(BindingError):
    """No student with this ID number in this school. Unknown ID and wrong school look the same."""

    code = "no_match"


class StudentKnownError(BindingError):
    """This child is already bound to this parent, or waits for it."""

    code = "student_known"
    status = 409


class StatementChangedError(BindingError):
    """There is a newer version of the statement than the one that was shown."""

    code = "statement_changed"
    status = 409


class EmailTakenError(BindingError):
    """The e-mail address is the login of another person."""

    code = "email_taken"
    status = 409


class NotPendingError(BindingError):
    """The binding no longer waits, so it can't be withdrawn."""

    code = "not_pending"
    status = 409


class ObjectionOpenError(BindingError):
    """The school has not dealt yet with what this guardian sent before."""

    code = "objection_open"
    status = 409


class WrongCredentialsError(BindingError):
    """Login and password do not belong together. Nobody is told which of them is wrong."""

    code = "wrong_credentials"
    status = 401


class PasswordChangeDueError(BindingError):
    """The first password has to be changed before anything else."""

    code = "password_change_due"
    status = 403


class NoAccountError(BindingError):
    """The contact was proven, and is the login of no account."""

    code = "no_account"
    status = 404


class LinkOverError(BindingError):
    """The link of a notice was used, has expired, or was never sent."""

    code = "link_over"
    status = 404


class PaperUnavailableError(BindingError):
    """The paper form can't be made: a font is missing here, or it failed. The application itself is safe."""

    code = "paper_unavailable"
    status = 503
