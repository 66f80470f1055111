"""The ledger's first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ROOM = "45"
_KINDS = ("retry", "resync", "dismiss")
_ITEM_STATES = ("claimed", "requeued", "skipped", "errored", "released", "dismissed")
_ENTRY_STATES = ("failed", "claimed", "queued", "active", "recovered", "dismissed", "vanished")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0"))


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def _one_of(table: str, column: str, *values: str, nullable: bool = False) -> sa.CheckConstraint:
    rule = f"{column} IN ({', '.join(repr(value) for value in values)})"
    return sa.CheckConstraint(
        f"{column} IS NULL OR {rule}" if nullable else rule, name=op.f(f"ck_{table}_{column}")
    )


def _index(
    name: str,
    table: str,
    columns: list[str],
    where: str | None = None,
    *,
    with_room: bool = False,
) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(
        name,
        table,
        columns,
        unique=name.startswith("ux_"),
        sqlite_where=condition,
        postgresql_where=condition,
        postgresql_with={"fillfactor": _ROOM} if with_room else {},
    )


def upgrade() -> None:
    _create_apps()
    _create_entries()
    _create_operations()
    _create_items()
    _create_groups()
    _create_plans()
    _create_rest()


def _create_apps() -> None:
    op.create_table(
        "apps",
        sa.Column("app_id", sa.String(256), nullable=False),
        sa.Column("display_name", sa.String(256), nullable=False, server_default=""),
        *(_count(state) for state in _ENTRY_STATES),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("last_failed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("app_id", name=op.f("pk_apps")),
        *(
            sa.CheckConstraint(f"{state} >= 0", name=op.f(f"ck_apps_{state}_not_negative"))
            for state in _ENTRY_STATES
        ),
    )
    _index("ix_apps_failed", "apps", ["failed"])


def _create_entries() -> None:
    op.create_table(
        "entries",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("entry_id", sa.String(32), nullable=False),
        sa.Column("app_id", sa.String(256), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("job_name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("previous_state", sa.String(10)),
        _text("state_reason"),
        sa.Column("failure_seq", sa.BigInteger(), nullable=False),
        sa.Column("selectable_seq", sa.BigInteger(), nullable=False),
        _count("failures"),
        sa.Column("generation", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.Column("first_failed_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger()),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("moved_at", sa.BigInteger()),
        sa.Column("recovered_at", sa.BigInteger()),
        sa.Column("heard_at", sa.BigInteger()),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("attempts_made", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("data_size", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("forgets", sa.Boolean(), nullable=False),
        sa.Column("defect", sa.Text()),
        sa.Column("operation_id", sa.String(40)),
        sa.Column("early_outcome", sa.String(10)),
        sa.Column("early_at", sa.BigInteger()),
        sa.Column("early_same_way", sa.Boolean()),
        sa.Column("group_pk", sa.BigInteger()),
        sa.Column("previous_group_pk", sa.BigInteger()),
        sa.Column("retried", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("same_failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        _one_of("entries", "state", *_ENTRY_STATES),
    )
    failed, live = "state = 'failed'", "state IN ('queued', 'active')"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX pk_entries SET (fillfactor = {_ROOM})")
    _index("ux_entries_failure_seq", "entries", ["failure_seq"], with_room=True)
    _index("ix_entries_app", "entries", ["app_id", "failure_seq"], with_room=True)
    _index("ix_entries_failed", "entries", ["failure_seq"], failed)
    _index("ix_entries_failed_app", "entries", ["app_id", "failure_seq"], failed)
    _index("ix_entries_failed_at", "entries", ["failed_at", "failure_seq"], failed)
    by_app_and_time = ["app_id", "failed_at", "failure_seq"]
    _index("ix_entries_failed_app_at", "entries", by_app_and_time, failed)
    by_group_and_time = ["group_pk", "failed_at", "failure_seq"]
    _index("ix_entries_failed_group_at", "entries", by_group_and_time, failed)
    _index("ix_entries_failed_group_app", "entries", ["group_pk", "app_id"], failed)
    failed_again = f"{failed} AND moved_at IS NOT NULL"
    repeated = "state = 'failed' AND same_failures >= 3"
    _index("ix_entries_repeated", "entries", ["failure_seq"], repeated)
    _index("ix_entries_failed_again", "entries", ["app_id", "moved_at"], failed_again)
    _index("ix_entries_live", "entries", ["id"], live)
    _index("ix_entries_claimed", "entries", ["operation_id"], "state = 'claimed'")
    _index("ix_entries_early", "entries", ["operation_id"], "early_outcome IS NOT NULL")
    over = "state IN ('recovered', 'dismissed', 'vanished')"
    _index("ix_entries_over", "entries", ["heard_at", "id"], over)
    op.create_table(
        "identities",
        sa.Column("entry_id", sa.String(32), nullable=False),
        sa.Column("entry_pk", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_identities")),
    )
    op.create_table(
        "payloads",
        sa.Column("entry_id", sa.String(32), nullable=False),
        sa.Column("data", sa.LargeBinary()),
        sa.Column("options", sa.LargeBinary()),
        sa.Column("extra", sa.Text()),
        sa.Column("stacktrace", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_payloads")),
    )


def _create_operations() -> None:
    op.create_table(
        "operations",
        sa.Column("operation_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("scope", sa.String(10), nullable=False),
        sa.Column("app_id", sa.String(256)),
        sa.Column("entry_id", sa.String(32)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("cutoff_seq", sa.BigInteger(), nullable=False),
        sa.Column("claimed_through", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("next_batch", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("runner_epoch", sa.Integer(), nullable=False, server_default=sa.text("0")),
        *(
            _count(name)
            for name in (
                "total",
                "requeued",
                "skipped",
                "errored",
                "released",
                "recovered",
                "dismissed",
                "failed_again",
                "failed_same",
                "vanished",
                "taken_back",
            )
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        _text("reason"),
        sa.Column("idempotency_key", sa.String(200)),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("cancelled_by", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("plan_id", sa.String(40)),
        sa.Column("filter", sa.Text()),
        sa.Column("controls", sa.Text()),
        sa.Column("canary", sa.String(10)),
        sa.Column("canary_after", sa.BigInteger()),
        sa.Column("canary_until", sa.BigInteger()),
        sa.Column("pause_wanted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("undo_wanted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("paused_by", sa.Text()),
        sa.Column("pause_reason", sa.Text()),
        sa.Column("approved_by", sa.Text()),
        sa.Column("turn", sa.Integer(), nullable=False, server_default=sa.text("0")),
        _count("heard_before"),
        _count("failed_before"),
        sa.PrimaryKeyConstraint("operation_id", name=op.f("pk_operations")),
        _one_of("operations", "kind", *_KINDS),
        _one_of("operations", "scope", "entry", "app", "all", "filter"),
        _one_of(
            "operations",
            "state",
            *("queued", "running", "cancelling", "paused"),
            *("completed", "cancelled", "failed"),
        ),
        _one_of("operations", "canary", "pending", "waiting", "passed", "stopped", nullable=True),
        sa.CheckConstraint(
            "requeued + skipped + errored + dismissed <= total",
            name=op.f("ck_operations_counts_within_total"),
        ),
    )
    _index("ux_operations_idempotency_key", "operations", ["actor", "idempotency_key"])
    _index("ux_operations_plan", "operations", ["plan_id"])
    _index("ix_operations_app", "operations", ["app_id", "operation_id"])
    _index(
        "ix_operations_open",
        "operations",
        ["operation_id"],
        "state IN ('queued', 'running', 'cancelling', 'paused')",
    )


def _create_items() -> None:
    op.create_table(
        "items",
        sa.Column("operation_id", sa.String(40), nullable=False),
        sa.Column("failure_seq", sa.BigInteger(), nullable=False),
        sa.Column("entry_pk", sa.BigInteger(), nullable=False),
        sa.Column("batch_number", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(24)),
        _text("detail"),
        sa.Column("outcome", sa.String(12)),
        sa.Column("same_way", sa.Boolean()),
        sa.Column("settled_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("operation_id", "failure_seq", name=op.f("pk_items")),
        _one_of("items", "state", *_ITEM_STATES),
        _one_of(
            "items",
            "outcome",
            *("waiting", "recovered", "failed_again", "vanished"),
            nullable=True,
        ),
        postgresql_with={"fillfactor": "50"},
    )
    _index("ix_items_entry", "items", ["entry_pk", "operation_id"])


def _create_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("group_pk", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("group_id", sa.String(48), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("job_name", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("basis", sa.String(10), nullable=False),
        sa.Column("frames", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("example_pk", sa.BigInteger()),
        _text("note"),
        sa.Column("noted_by", sa.Text()),
        sa.Column("noted_at", sa.BigInteger()),
        _count("failed"),
        _count("entries"),
        _count("failures"),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("last_failed_at", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", sa.BigInteger()),
        sa.PrimaryKeyConstraint("group_pk", name=op.f("pk_groups")),
    )
    _index("ux_groups_group_id", "groups", ["group_id"])
    _index("ix_groups_failed", "groups", ["failed", "group_pk"])
    op.create_table(
        "group_activity",
        sa.Column("group_pk", sa.BigInteger(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        _count("failed"),
        sa.PrimaryKeyConstraint("group_pk", "minute", name=op.f("pk_group_activity")),
    )
    _index("ix_group_activity_minute", "group_activity", ["minute"])
    op.create_table(
        "regroupings",
        sa.Column("old_pk", sa.BigInteger(), nullable=False),
        sa.Column("new_pk", sa.BigInteger(), nullable=False),
        _count("entries"),
        sa.PrimaryKeyConstraint("old_pk", "new_pk", name=op.f("pk_regroupings")),
    )


def _create_plans() -> None:
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.String(40), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("cutoff_seq", sa.BigInteger(), nullable=False),
        _count("total"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("operation_id", sa.String(40)),
        sa.Column("controls", sa.Text()),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_plans")),
        _one_of("plans", "kind", *_KINDS),
    )
    _index("ix_plans_expires_at", "plans", ["expires_at"])
    op.create_table(
        "selections",
        sa.Column("plan_id", sa.String(40), nullable=False),
        sa.Column("failure_seq", sa.BigInteger(), nullable=False),
        sa.Column("entry_pk", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "failure_seq", name=op.f("pk_selections")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "plan_apps",
        sa.Column("plan_id", sa.String(40), nullable=False),
        sa.Column("app_id", sa.String(256), nullable=False),
        _count("entries"),
        sa.PrimaryKeyConstraint("plan_id", "app_id", name=op.f("pk_plan_apps")),
    )
    op.create_table(
        "operation_activity",
        sa.Column("operation_id", sa.String(40), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        _count("recovered"),
        _count("failed_again"),
        sa.PrimaryKeyConstraint("operation_id", "minute", name=op.f("pk_operation_activity")),
    )


def _create_rest() -> None:
    sequences = op.create_table(
        "sequences",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sequences")),
    )
    op.bulk_insert(sequences, [{"name": "failure_seq", "value": 0}])
    op.create_table(
        "cursors",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "queue", "kind", name=op.f("pk_cursors")),
    )
    op.create_table(
        "activity",
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        _count("failed"),
        _count("recovered"),
        sa.PrimaryKeyConstraint("minute", name=op.f("pk_activity")),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("session_epoch", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
    )
    op.create_table(
        "audit",
        sa.Column("seq", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("app_id", sa.String(256)),
        _text("reason"),
        _text("result"),
        sa.Column("operation_id", sa.String(40)),
        sa.Column("counts", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    for name, column in (("actor", "actor"), ("action", "action"), ("app", "app_id")):
        _index(f"ix_audit_{name}", "audit", [column, "seq"])
    op.create_table(
        "pruned",
        sa.Column("what", sa.String(16), nullable=False),
        _count("removed"),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_pruned")),
    )
    op.create_table(
        "pruned_operations",
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        *(
            _count(name)
            for name in (
                *("operations", "millis", "requeued", "skipped", "errored"),
                *("dismissed", "recovered", "failed_again", "failed_same", "vanished"),
                "taken_back",
            )
        ),
        sa.PrimaryKeyConstraint("kind", "state", name=op.f("pk_pruned_operations")),
    )


def downgrade() -> None:
    for table in (
        *("operation_activity", "plan_apps", "selections", "plans", "regroupings"),
        *("group_activity", "groups"),
        *("pruned_operations", "pruned", "audit", "users", "activity", "cursors", "sequences"),
        *("items", "operations", "payloads", "identities", "entries", "apps"),
    ):
        op.drop_table(table)
