"""The tables of groups, plans and verdicts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from redrive.domain import OperationKind
from redrive.ledger.schema import Millis, RowId, count_column, metadata, one_of

groups = Table(
    "groups",
    metadata,
    Column("group_pk", RowId, primary_key=True, autoincrement=True),
    Column("group_id", String(48), nullable=False),
    Column("version", Integer, nullable=False),
    Column("source", String(64), nullable=False),
    Column("queue", Text, nullable=False),
    Column("job_name", Text, nullable=False),
    Column("error_type", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("basis", String(10), nullable=False),
    Column("frames", Text, nullable=False, server_default="[]"),
    Column("example_pk", BigInteger),
    Column("note", Text, nullable=False, server_default=""),
    Column("noted_by", Text),
    Column("noted_at", Millis),
    # Entries that are failed now, entries whose newest failure it is, and failures ever.
    count_column("failed"),
    count_column("entries"),
    count_column("failures"),
    Column("first_seen_at", Millis, nullable=False),
    Column("last_failed_at", Millis, nullable=False),
    # The group of a newer version of the fingerprint that took this one over.
    Column("merged_into", BigInteger),
    Index("ux_groups_group_id", "group_id", unique=True),
    Index("ix_groups_failed", "failed", "group_pk"),
)

group_activity = Table(
    "group_activity",
    metadata,
    Column("group_pk", BigInteger, nullable=False),
    Column("minute", BigInteger, nullable=False),
    count_column("failed"),
    PrimaryKeyConstraint("group_pk", "minute"),
    Index("ix_group_activity_minute", "minute"),
)

# While entries move to the groups of a newer version: how many went from where to where.
regroupings = Table(
    "regroupings",
    metadata,
    Column("old_pk", BigInteger, nullable=False),
    Column("new_pk", BigInteger, nullable=False),
    count_column("entries"),
    PrimaryKeyConstraint("old_pk", "new_pk"),
)

plans = Table(
    "plans",
    metadata,
    Column("plan_id", String(40), primary_key=True),
    Column("actor", Text, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("filter", Text, nullable=False),
    Column("cutoff_seq", BigInteger, nullable=False),
    count_column("total"),
    Column("created_at", Millis, nullable=False),
    Column("expires_at", Millis, nullable=False),
    Column("operation_id", String(40)),
    # The limits that it was made for, as JSON.
    Column("controls", Text),
    one_of("kind", OperationKind),
    Index("ix_plans_expires_at", "expires_at"),
)

# What a plan has frozen: an entry, which of its failures, and how often it had been taken.
selections = Table(
    "selections",
    metadata,
    Column("plan_id", String(40), nullable=False),
    Column("failure_seq", BigInteger, nullable=False),
    Column("entry_pk", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    PrimaryKeyConstraint("plan_id", "failure_seq"),
    # One tree that grows at its end, in place of a table and an index.
    sqlite_with_rowid=False,
)

# The apps that a plan touches, so that overlaps are found without looking at its selection.
plan_apps = Table(
    "plan_apps",
    metadata,
    Column("plan_id", String(40), nullable=False),
    Column("app_id", String(256), nullable=False),
    count_column("entries"),
    PrimaryKeyConstraint("plan_id", "app_id"),
)

operation_activity = Table(
    "operation_activity",
    metadata,
    Column("operation_id", String(40), nullable=False),
    Column("minute", BigInteger, nullable=False),
    count_column("recovered"),
    count_column("failed_again"),
    PrimaryKeyConstraint("operation_id", "minute"),
)
