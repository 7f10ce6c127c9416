"""What review hears on the bus: the roster, applications, and how they ended."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from review_service.applications import cases as applications
from review_service.applications import forgetting
from review_service.disowning import use_cases as disowning
from review_service.objections import use_cases as objections
from review_service.papers import use_cases as papers
from review_service.roster import use_cases as roster
from shared.events import (
    BindingApproved,
    BindingLapsed,
    BindingRefused,
    BindingResumed,
    BindingRevoked,
    BindingSubmitted,
    BindingWithdrawn,
    ClassRosterUpdated,
    ClassUpdated,
    DecisionMade,
    GuardianObjected,
    NoticeDisowned,
    ObjectionAnswered,
    ObjectionClosed,
    PaperApplicationEntered,
    PaperApplicationRejected,
    PersonForgotten,
    ReviewReminderDue,
    SchoolUpdated,
    TeacherUpdated,
    UnbindingDecided,
)
from shared.inbox import once

if TYPE_CHECKING:
    from review_service.context import Review
    from shared.bus import Bus
    from shared.database import Connection

CONSUMER = "review"


def subscribe(bus: Bus, review: Review) -> None:
    """Attach review's ears to the bus."""
    bus.publishes(DecisionMade, UnbindingDecided, PaperApplicationEntered, ReviewReminderDue, ObjectionAnswered)
    _subscribe_to_roster(bus, review)
    _subscribe_to_applications(bus, review)
    _subscribe_to_families(bus, review)


def _subscribe_to_roster(bus: Bus, review: Review) -> None:
    @bus.consume(SchoolUpdated)
    async def school_updated(event: SchoolUpdated) -> None:
        """A school is new or changed."""
        await once(review.database, CONSUMER, event, roster.learn_school)

    @bus.consume(ClassUpdated)
    async def class_updated(event: ClassUpdated) -> None:
        """A class is new or changed."""
        await once(review.database, CONSUMER, event, roster.learn_class)

    @bus.consume(ClassRosterUpdated)
    async def class_roster_updated(event: ClassRosterUpdated) -> None:
        """The students of a class are new or changed."""
        await once(review.database, CONSUMER, event, partial(roster.learn_class_roster, review))

    @bus.consume(TeacherUpdated)
    async def teacher_updated(event: TeacherUpdated) -> None:
        """A teacher is new or changed."""
        await once(review.database, CONSUMER, event, partial(roster.learn_teacher, review))


def _subscribe_to_applications(bus: Bus, review: Review) -> None:
    @bus.consume(BindingSubmitted)
    async def binding_submitted(event: BindingSubmitted) -> None:
        """An application waits; it may have come on paper."""

        async def take(connection: Connection, event: BindingSubmitted) -> None:
            await applications.take_submission(review, connection, event)
            await papers.take_acceptance(connection, event)

        await once(review.database, CONSUMER, event, take)

    @bus.consume(PaperApplicationRejected)
    async def paper_application_rejected(event: PaperApplicationRejected) -> None:
        """Binding says what is wrong with an application that came on paper."""
        await once(review.database, CONSUMER, event, papers.take_rejection)

    @bus.consume(BindingApproved)
    async def binding_approved(event: BindingApproved) -> None:
        """Binding applied an approval."""
        await once(review.database, CONSUMER, event, applications.take_settlement)

    @bus.consume(BindingRefused)
    async def binding_refused(event: BindingRefused) -> None:
        """Binding applied a refusal."""
        await once(review.database, CONSUMER, event, applications.take_settlement)

    @bus.consume(BindingRevoked)
    async def binding_revoked(event: BindingRevoked) -> None:
        """The school ended a binding."""
        await once(review.database, CONSUMER, event, applications.take_settlement)

    @bus.consume(BindingLapsed)
    async def binding_lapsed(event: BindingLapsed) -> None:
        """A bound child has graduated or left."""
        await once(review.database, CONSUMER, event, applications.take_settlement)

    @bus.consume(BindingResumed)
    async def binding_resumed(event: BindingResumed) -> None:
        """A bound child is a student again."""
        await once(review.database, CONSUMER, event, applications.take_settlement)

    @bus.consume(BindingWithdrawn)
    async def binding_withdrawn(event: BindingWithdrawn) -> None:
        """The parent withdrew."""
        await once(review.database, CONSUMER, event, applications.take_settlement)


def _subscribe_to_families(bus: Bus, review: Review) -> None:
    @bus.consume(GuardianObjected)
    async def guardian_objected(event: GuardianObjected) -> None:
        """A guardian asks the school to look at another one."""
        await once(review.database, CONSUMER, event, partial(objections.take_objection, review))

    @bus.consume(ObjectionClosed)
    async def objection_closed(event: ObjectionClosed) -> None:
        """Binding says how an objection ended."""
        await once(review.database, CONSUMER, event, objections.take_closing)

    @bus.consume(NoticeDisowned)
    async def notice_disowned(event: NoticeDisowned) -> None:
        """Who got a notice says that it is not theirs."""
        await once(review.database, CONSUMER, event, partial(disowning.take, review))

    @bus.consume(PersonForgotten)
    async def person_forgotten(event: PersonForgotten) -> None:
        """A parent's account was deleted: what is personal goes here too."""
        await once(review.database, CONSUMER, event, partial(forgetting.forget_person, review.store))
