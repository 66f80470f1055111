"""The query parameters of pages. A form sends its empty fields too: empty means not given."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from redrive.domain import (
    BULK_TAKES,
    RECOVERING_STATES,
    AppId,
    AuditFilter,
    EntryState,
    GroupFilter,
    ItemState,
    JobState,
    OperationKind,
    OperationState,
    Outcome,
    proposed_controls,
)
from redrive.web.pages.chart import Span
from redrive.web.pages.controls_form import ControlsForm, filled
from redrive.web.pages.selecting import FilterQuery, OrNone, Text
from redrive.web.pages.words import Again
from redrive.wire.base import NO_CONTROL

PAGE = 50


_Cursor = Annotated[str, StringConstraints(max_length=512, pattern=NO_CONTROL)]


class PageQuery(BaseModel):
    """Which part of a list. An unknown name is refused: a typing error in a filter would
    otherwise show everything."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[_Cursor | None, OrNone] = None


class OverviewQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    span: Span = Span.HOUR


class FailuresQuery(PageQuery, FilterQuery):
    """``entry`` is the one that is shown beside the list."""

    state: EntryState | Literal["recovering", "any"] = EntryState.FAILED
    order: Literal["newest", "oldest"] = "newest"
    entry: Annotated[Text | None, OrNone] = None

    @property
    def states(self) -> tuple[EntryState, ...]:
        if self.state == "any":
            return ()
        return RECOVERING_STATES if self.state == "recovering" else (EntryState(self.state),)

    @property
    def is_by_time(self) -> bool:
        """Whether the list is ordered by when its entries failed."""
        return self.state == EntryState.FAILED

    def address_query(self, **changes: Any) -> dict[str, Any]:
        """The parameters of this list with some of them changed, defaults left out."""
        kept = {**self.model_dump(mode="json", exclude_defaults=True), **changes}
        return {key: value for key, value in kept.items() if value is not None}

    @property
    def narrows(self) -> bool:
        """Whether it shows less than a bulk action of its app, or of everything, would take."""
        return bool(self.given.keys() - {"app_id"}) or self.state != EntryState.FAILED

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """What can be done with entries of this list."""
        shown = self.states or tuple(EntryState)
        return tuple(kind for kind in OperationKind if set(BULK_TAKES[kind]) & set(shown))

    @property
    def kinds_of_all(self) -> tuple[OperationKind, ...]:
        """What can be done with all that fit the filter: an action that takes entries in other
        states than the list shows would take more than is counted there."""
        if not self.given:
            return ()
        shown = self.states or tuple(EntryState)
        return tuple(kind for kind in self.kinds if set(BULK_TAKES[kind]) <= set(shown))


class PlanQuery(FilterQuery, ControlsForm):
    """What to plan: an action on all that fit a filter.

    ``paced`` says that the operator has seen the fields of the limits: what is empty then is not
    limited. Before, what is proposed for so many entries counts.
    """

    kind: OperationKind = OperationKind.RETRY
    include_repeated: bool = False
    paced: bool = False

    def controls_form(self, total: int) -> ControlsForm:
        """The fields of the limits for so many entries; a dismissal has none."""
        if self.kind is OperationKind.DISMISS:
            return ControlsForm()
        return self if self.paced else filled(proposed_controls(total))

    @property
    def pace(self) -> dict[str, str]:
        """The limits as an address has them, an emptied field too; of those that were not seen,
        nothing."""
        if not self.paced:
            return {}
        typed = self.model_dump(include=set(ControlsForm.model_fields), exclude_defaults=True)
        return {"paced": "true", **typed}


class GroupsQuery(PageQuery):
    """``quiet`` takes in groups without failed entries."""

    app_id: Annotated[Text | None, OrNone] = None
    queue: Annotated[Text | None, OrNone] = None
    q: Annotated[Text | None, OrNone] = None
    quiet: Annotated[bool | None, OrNone] = None

    @property
    def filter(self) -> GroupFilter:
        return GroupFilter(
            app_id=AppId(self.app_id) if self.app_id else None,
            queue=self.queue,
            query=self.q,
            with_quiet=bool(self.quiet),
        )

    @property
    def narrows(self) -> bool:
        """Whether it shows less than all groups."""
        return any((self.app_id, self.queue, self.q))

    @property
    def is_filtered(self) -> bool:
        """Whether it shows anything else than what the list begins with."""
        return self.narrows or bool(self.quiet)

    def address_query(self, cursor: str | None = None) -> dict[str, Any]:
        """The parameters of this list, of the page that begins at ``cursor``."""
        kept = self.model_dump(mode="json", exclude={"cursor"}, exclude_none=True)
        return {**kept, "quiet": "true" if self.quiet else None, "cursor": cursor}


class GroupQuery(BaseModel):
    """``edit`` says what is being written."""

    model_config = ConfigDict(extra="forbid")

    edit: Annotated[Literal["note"] | None, OrNone] = None


class AppsQuery(PageQuery):
    """``app_id`` asks for the page of one app, whatever its id."""

    app_id: Annotated[Text | None, OrNone] = None


class OperationsQuery(PageQuery):
    state: Annotated[OperationState | None, OrNone] = None
    app_id: Annotated[Text | None, OrNone] = None


class ItemsQuery(PageQuery):
    """``result`` is what was done with an item, or what became of a moved one."""

    result: Annotated[ItemState | Outcome | Again | None, OrNone] = None

    @property
    def state(self) -> ItemState | None:
        return self.result if isinstance(self.result, ItemState) else None

    @property
    def outcome(self) -> Outcome | None:
        return self.result if isinstance(self.result, Outcome) else None

    @property
    def same_way(self) -> bool | None:
        return self.result is Again.SAME if isinstance(self.result, Again) else None


class JobsQuery(PageQuery):
    source: Annotated[Text | None, OrNone] = None
    state: JobState = JobState.FAILED


class AuditQuery(PageQuery):
    actor: Annotated[Text | None, OrNone] = None
    action: Annotated[Text | None, OrNone] = None
    app_id: Annotated[Text | None, OrNone] = None

    @property
    def filter(self) -> AuditFilter:
        return AuditFilter(
            actor=self.actor,
            action=self.action,
            app_id=AppId(self.app_id) if self.app_id else None,
        )


class SearchQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    q: Text = ""


class ConfirmQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["retry", "resync"] = "retry"
    app_id: Annotated[Text | None, OrNone] = None

    @model_validator(mode="after")
    def _resync_is_of_one_app(self) -> ConfirmQuery:
        if self.kind == "resync" and self.app_id is None:
            raise ValueError("a resync of many is of one app: name it")
        return self


class DismissQuery(BaseModel):
    """``back`` is the page that the question is asked from."""

    model_config = ConfigDict(extra="forbid")

    back: Annotated[str, StringConstraints(max_length=4000, pattern=NO_CONTROL)] = ""
