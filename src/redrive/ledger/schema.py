"""The tables. Migrations give exactly this schema; a test proves it.

Times are whole milliseconds since 1970 (column type :class:`Millis`), because an engine's finish
time names a failure occurrence and has to compare equal on every database.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    event,
    false,
    text,
)

from redrive.domain import (
    CanaryState,
    EntryState,
    ItemState,
    OperationKind,
    OperationState,
    Outcome,
    ScopeKind,
    from_millis,
    to_millis,
)


class Millis(TypeDecorator[datetime]):
    """An aware UTC datetime as whole milliseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_millis(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_millis(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A retry changes an entry twice, each time with a new row in the indexes of all entries. Room for
# both beside the first keeps PostgreSQL from searching full pages for rows to remove, and from
# splitting them.
ROOM = "45"
WITH_ROOM = {"fillfactor": ROOM}

# SQLite numbers rows by itself only for a column declared as INTEGER PRIMARY KEY.
RowId = BigInteger().with_variant(Integer, "sqlite")


def one_of(column: str, values: type[StrEnum], *, nullable: bool = False) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    rule = f"{column} IN ({allowed})"
    return CheckConstraint(f"{column} IS NULL OR {rule}" if nullable else rule, name=column)


def count_column(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


apps = Table(
    "apps",
    metadata,
    Column("app_id", String(256), primary_key=True),
    Column("display_name", String(256), nullable=False, server_default=""),
    *(count_column(state.value) for state in EntryState),
    Column("first_seen_at", Millis, nullable=False),
    Column("last_failed_at", Millis),
    *(CheckConstraint(f"{state} >= 0", name=f"{state}_not_negative") for state in EntryState),
    Index("ix_apps_failed", "failed"),
)

entries = Table(
    "entries",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("entry_id", String(32), nullable=False),
    Column("app_id", String(256), nullable=False),
    Column("source", String(64), nullable=False),
    Column("queue", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("job_name", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("previous_state", String(10)),
    Column("state_reason", Text, nullable=False, server_default=""),
    Column("failure_seq", BigInteger, nullable=False),
    # When the entry last came into a state that operations take, on the same sequence: an
    # operation takes only what could be taken when its selection was frozen.
    Column("selectable_seq", BigInteger, nullable=False),
    count_column("failures"),
    Column("generation", Integer, nullable=False, server_default=text("0")),
    Column("failed_at", Millis, nullable=False),
    Column("first_failed_at", Millis, nullable=False),
    Column("created_at", Millis),
    Column("started_at", Millis),
    Column("moved_at", Millis),
    Column("recovered_at", Millis),
    # When the ledger last learned from the queue system what became of the job. What an
    # operation's settling learned is told by its item.
    Column("heard_at", Millis),
    Column("error_type", Text, nullable=False),
    Column("error_message", Text, nullable=False),
    Column("attempts_made", Integer, nullable=False, server_default=text("0")),
    Column("data_size", BigInteger, nullable=False, server_default=text("0")),
    Column("forgets", Boolean, nullable=False),
    Column("defect", Text),
    Column("operation_id", String(40)),
    Column("early_outcome", String(10)),
    Column("early_at", Millis),
    # Of a failure that came early: whether it was the same way as the one before.
    Column("early_same_way", Boolean),
    # The group of the newest failure, and of the one before it.
    Column("group_pk", BigInteger),
    Column("previous_group_pk", BigInteger),
    # How many times it was handed over, without what an undo took back.
    Column("retried", Integer, nullable=False, server_default=text("0")),
    # How many times in a row it failed the same way after it was handed over.
    Column("same_failures", Integer, nullable=False, server_default=text("0")),
    one_of("state", EntryState),
    Index("ux_entries_failure_seq", "failure_seq", unique=True, postgresql_with=WITH_ROOM),
    Index("ix_entries_app", "app_id", "failure_seq", postgresql_with=WITH_ROOM),
    Index(
        "ix_entries_failed",
        "failure_seq",
        sqlite_where=text("state = 'failed'"),
        postgresql_where=text("state = 'failed'"),
    ),
    Index(
        "ix_entries_failed_app",
        "app_id",
        "failure_seq",
        sqlite_where=text("state = 'failed'"),
        postgresql_where=text("state = 'failed'"),
    ),
    # The order of the lists of failed entries, and since when an app has been failing.
    Index(
        "ix_entries_failed_at",
        "failed_at",
        "failure_seq",
        sqlite_where=text("state = 'failed'"),
        postgresql_where=text("state = 'failed'"),
    ),
    Index(
        "ix_entries_failed_app_at",
        "app_id",
        "failed_at",
        "failure_seq",
        sqlite_where=text("state = 'failed'"),
        postgresql_where=text("state = 'failed'"),
    ),
    # A group's failed entries in the order of their list, and the apps that it touches.
    Index(
        "ix_entries_failed_group_at",
        "group_pk",
        "failed_at",
        "failure_seq",
        sqlite_where=text("state = 'failed'"),
        postgresql_where=text("state = 'failed'"),
    ),
    Index(
        "ix_entries_failed_group_app",
        "group_pk",
        "app_id",
        sqlite_where=text("state = 'failed'"),
        postgresql_where=text("state = 'failed'"),
    ),
    # What keeps failing the same way: plans leave it out.
    Index(
        "ix_entries_repeated",
        "failure_seq",
        sqlite_where=text("state = 'failed' AND same_failures >= 3"),
        postgresql_where=text("state = 'failed' AND same_failures >= 3"),
    ),
    # What failed again after it was moved.
    Index(
        "ix_entries_failed_again",
        "app_id",
        "moved_at",
        sqlite_where=text("state = 'failed' AND moved_at IS NOT NULL"),
        postgresql_where=text("state = 'failed' AND moved_at IS NOT NULL"),
    ),
    Index(
        "ix_entries_live",
        "id",
        sqlite_where=text("state IN ('queued', 'active')"),
        postgresql_where=text("state IN ('queued', 'active')"),
    ),
    Index(
        "ix_entries_claimed",
        "operation_id",
        sqlite_where=text("state = 'claimed'"),
        postgresql_where=text("state = 'claimed'"),
    ),
    # What was heard of before its batch was settled.
    Index(
        "ix_entries_early",
        "operation_id",
        sqlite_where=text("early_outcome IS NOT NULL"),
        postgresql_where=text("early_outcome IS NOT NULL"),
    ),
    # Retrying moves entries between states that this index leaves out, at no cost.
    Index(
        "ix_entries_over",
        "heard_at",
        "id",
        sqlite_where=text("state IN ('recovered', 'dismissed', 'vanished')"),
        postgresql_where=text("state IN ('recovered', 'dismissed', 'vanished')"),
    ),
)


@event.listens_for(entries, "after_create")
def _leave_room_in_the_primary_key(
    _table: Table, connection: Connection, **_options: object
) -> None:
    """SQLAlchemy has no word for it in a constraint."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ALTER INDEX pk_entries SET (fillfactor = {ROOM})"))


identities = Table(
    "identities",
    metadata,
    Column("entry_id", String(32), primary_key=True),
    Column("entry_pk", BigInteger, nullable=False),
)

payloads = Table(
    "payloads",
    metadata,
    Column("entry_id", String(32), primary_key=True),
    Column("data", LargeBinary),
    Column("options", LargeBinary),
    Column("extra", Text),
    Column("stacktrace", LargeBinary, nullable=False),
)

operations = Table(
    "operations",
    metadata,
    Column("operation_id", String(40), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("scope", String(10), nullable=False),
    Column("app_id", String(256)),
    Column("entry_id", String(32)),
    Column("state", String(10), nullable=False),
    Column("cutoff_seq", BigInteger, nullable=False),
    Column("claimed_through", BigInteger, nullable=False, server_default=text("0")),
    Column("next_batch", Integer, nullable=False, server_default=text("1")),
    Column("runner_epoch", Integer, nullable=False, server_default=text("0")),
    count_column("total"),
    count_column("requeued"),
    count_column("skipped"),
    count_column("errored"),
    count_column("released"),
    count_column("recovered"),
    count_column("dismissed"),
    count_column("failed_again"),
    # Of those that failed again: the same way as before.
    count_column("failed_same"),
    count_column("vanished"),
    # Of those released: moved, and taken back by an undo.
    count_column("taken_back"),
    Column("actor", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("idempotency_key", String(200)),
    Column("created_at", Millis, nullable=False),
    Column("started_at", Millis),
    Column("finished_at", Millis),
    Column("cancelled_by", Text),
    Column("error", Text),
    # A filter's operation: the plan whose selection it works off, and the filter as JSON.
    Column("plan_id", String(40)),
    Column("filter", Text),
    # Pace, canary and guard as JSON; null: it never had a limit.
    Column("controls", Text),
    Column("canary", String(10)),
    # Where in the selection the canary began, and how long it waits for outcomes.
    Column("canary_after", BigInteger),
    Column("canary_until", Millis),
    Column("pause_wanted", Boolean, nullable=False, server_default=false()),
    Column("undo_wanted", Boolean, nullable=False, server_default=false()),
    # Who or what paused it, and why.
    Column("paused_by", Text),
    Column("pause_reason", Text),
    Column("approved_by", Text),
    # Pauses and resumes, and the outcomes that were there at the last resume.
    Column("turn", Integer, nullable=False, server_default=text("0")),
    count_column("heard_before"),
    count_column("failed_before"),
    one_of("kind", OperationKind),
    one_of("scope", ScopeKind),
    one_of("state", OperationState),
    one_of("canary", CanaryState, nullable=True),
    CheckConstraint(
        "requeued + skipped + errored + dismissed <= total", name="counts_within_total"
    ),
    Index("ux_operations_idempotency_key", "actor", "idempotency_key", unique=True),
    # A plan starts one operation.
    Index("ux_operations_plan", "plan_id", unique=True),
    Index("ix_operations_app", "app_id", "operation_id"),
    Index(
        "ix_operations_open",
        "operation_id",
        sqlite_where=text("state IN ('queued', 'running', 'cancelling', 'paused')"),
        postgresql_where=text("state IN ('queued', 'running', 'cancelling', 'paused')"),
    ),
)

items = Table(
    "items",
    metadata,
    Column("operation_id", String(40), nullable=False),
    Column("failure_seq", BigInteger, nullable=False),
    Column("entry_pk", BigInteger, nullable=False),
    Column("batch_number", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("failed_at", Millis, nullable=False),
    Column("from_state", String(10), nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", String(24)),
    Column("detail", Text, nullable=False, server_default=""),
    Column("outcome", String(12)),
    # Of what failed again: whether it did so the same way as before.
    Column("same_way", Boolean),
    Column("settled_at", Millis),
    PrimaryKeyConstraint("operation_id", "failure_seq"),
    one_of("state", ItemState),
    one_of("outcome", Outcome, nullable=True),
    Index("ix_items_entry", "entry_pk", "operation_id"),
    # Every item is changed once, by its settle: with room beside it, and none of what changes in
    # an index, PostgreSQL leaves the indexes alone.
    postgresql_with={"fillfactor": "50"},
)

sequences = Table(
    "sequences",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("source", String(64), nullable=False),
    Column("queue", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("source", "queue", "kind"),
)

activity = Table(
    "activity",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    count_column("failed"),
    count_column("recovered"),
)

users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("session_epoch", Integer, nullable=False, server_default=text("1")),
    Column("created_at", Millis, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", RowId, primary_key=True, autoincrement=True),
    Column("at", Millis, nullable=False),
    Column("actor", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("scope", Text, nullable=False),
    Column("app_id", String(256)),
    Column("reason", Text, nullable=False, server_default=""),
    Column("result", Text, nullable=False, server_default=""),
    Column("operation_id", String(40)),
    Column("counts", Text, nullable=False, server_default="{}"),
    # What it changed, as JSON, before and after.
    Column("before", Text),
    Column("after", Text),
    Index("ix_audit_actor", "actor", "seq"),
    Index("ix_audit_action", "action", "seq"),
    Index("ix_audit_app", "app_id", "seq"),
)

pruned = Table(
    "pruned",
    metadata,
    Column("what", String(16), primary_key=True),
    count_column("removed"),
)

# The sums of operations that were pruned, so that counters never go down.
pruned_operations = Table(
    "pruned_operations",
    metadata,
    Column("kind", String(10), nullable=False),
    Column("state", String(10), nullable=False),
    count_column("operations"),
    count_column("millis"),
    count_column("requeued"),
    count_column("skipped"),
    count_column("errored"),
    count_column("dismissed"),
    count_column("recovered"),
    count_column("failed_again"),
    count_column("failed_same"),
    count_column("vanished"),
    count_column("taken_back"),
    PrimaryKeyConstraint("kind", "state"),
)

FAILURE_SEQ = "failure_seq"
