"""What can go wrong in review, in the words of the domain."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta


class ReviewError(Exception):
    """Any of the errors below. None of them carries personal data."""


class NotFoundError(ReviewError):
    """There is no such application for this teacher: it does not exist, or belongs to another class or school."""


class ForbiddenError(ReviewError):
    """A page or an act of the administrator's, asked for by a teacher."""


class UnknownTeacherError(ReviewError):
    """There is no such teacher at the administrator's school, or not any more."""


class AlreadyTheirsError(ReviewError):
    """The class is this teacher's already."""


class WithdrawnError(ReviewError):
    """The parent withdrew the application before this decision."""


class AlreadyDecidedError(ReviewError):
    """Somebody decided on the application before."""


class ForAdministratorError(ReviewError):
    """The school's administrator decides on this application, and no teacher."""


class NotBoundError(ReviewError):
    """Parent and child are not bound, or somebody ended that before."""


class ReasonOutdatedError(ReviewError):
    """The picked reason is no longer in the school's list."""


class PaperProblemsError(ReviewError):
    """What was typed from a paper form cannot be sent; ``problems`` are a code for each field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__()
        self.problems = problems


class TooManyReasonsError(ReviewError):
    """The list of reasons is longer than a teacher will read."""


class ReasonMissingError(ReviewError):
    """A refusal without a reason: the parent would not know what to do."""


class ReasonTooLongError(ReviewError):
    """The reason is longer than a parent will read on a phone."""


class SignInRefusedError(ReviewError):
    """No account has this user name and password; which of the two is wrong is not told."""


class NotInRosterError(ReviewError):
    """User name and password are right, but the roster has no active teacher to this account."""


class TooManyTriesError(ReviewError):
    """Too many sign-ins for this name or from this address; ``wait`` is how long until the next one."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.wait = wait


class TooManySignInsError(ReviewError):
    """So many sign in at once that one more would wait too long."""


class AccountExistsError(ReviewError):
    """The teacher has an account already."""


class UsernameTakenError(ReviewError):
    """Another teacher's account has this user name."""


class Weakness(StrEnum):
    """Why a password cannot be had."""

    SHORT = "short"
    LONG = "long"
    COMMON = "common"
    OWN = "own"
    SAME = "same"


class WeakPasswordError(ReviewError):
    """The password is too short, too long, common, has the user name or e-mail in it, or is the one before."""

    def __init__(self, weakness: Weakness) -> None:
        super().__init__()
        self.weakness = weakness


class BadUsernameError(ReviewError):
    """The user name is empty, too long, or has characters that cannot be told apart when typed."""


class AccountClosedError(ReviewError):
    """The school has closed this teacher's way in."""


class StartPasswordExpiredError(ReviewError):
    """The start password is right, and older than it may be."""


class OwnAccountError(ReviewError):
    """An administrator can neither close nor reset the account that they work with."""


class SignInNotFinishedError(ReviewError):
    """A sign-in came back from the provider without success, too late, twice, or to another browser."""


class IdentityRefusedError(ReviewError):
    """What the provider says of who signed in does not hold: signature, issuer, audience, time, nonce or claim."""


class ProviderAwayError(ReviewError):
    """The OpenID provider does not answer, or not as one."""
