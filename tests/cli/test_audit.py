"""The audit trail on the command line."""

from __future__ import annotations

from redrive import wire
from tests.cli.conftest import Shell
from tests.support.failing import sample_jobs


def rows_of(shell: Shell, *arguments: str) -> list[wire.AuditEntry]:
    result = shell.data("audit", *arguments)
    return wire.Page[wire.AuditEntry].model_validate_json(result.stdout).items


def test_the_trail_says_who_did_what_and_what_it_changed(shell: Shell) -> None:
    shell.fail(sample_jobs(2, apps=1))
    started = shell.start("retry", "--all", "--reason", "all is well")
    shell.run("cancel", started.operation_id)
    cancel, start = rows_of(shell)
    assert (start.action, start.reason) == ("retry.start", "all is well")
    assert (start.before, start.after) == (None, {"state": "queued", "total": 2})
    assert cancel.before == {"state": "queued", "completed": 0}
    assert cancel.after == {"state": "cancelled", "completed": 0}
    lines = shell.run("audit").stdout.splitlines()
    assert lines[0].split() == [
        *("AT", "BY", "FROM", "ACTION", "SCOPE", "RESULT", "OPERATION", "CHANGED", "REASON")
    ]
    assert started.operation_id in lines[1].split()
    assert "state queued → cancelled" in lines[1]
    assert "completed 0" not in lines[1]


def test_a_change_of_a_user_says_so_and_never_the_password(shell: Shell) -> None:
    shell.run("user", "add", "ada", typed="correct horse\n")
    shell.run("user", "passwd", "ada", typed="battery staple\n")
    passwd, add = rows_of(shell)
    assert (add.action, add.scope, add.before) == ("user.add", "user ada", None)
    assert (add.after, passwd.before) == ({"session_epoch": 1}, {"session_epoch": 1})
    assert (passwd.action, passwd.after) == ("user.passwd", {"session_epoch": 2})
    shown = shell.run("audit", "--json").stdout
    assert "correct horse" not in shown
    assert "argon2" not in shown


def test_the_trail_is_filtered_and_goes_on_at_its_cursor(shell: Shell) -> None:
    for name in ("ada", "bob", "cyd"):
        shell.run("user", "add", name, typed="correct horse\n")
    assert rows_of(shell, "--actor", "nobody") == rows_of(shell, "--app", "acme") == []
    assert len(rows_of(shell, "--action", "user.add")) == 3
    result = shell.data("audit", "--limit", "2")
    first = wire.Page[wire.AuditEntry].model_validate_json(result.stdout)
    assert first.next_cursor is not None
    (last,) = rows_of(shell, "--cursor", first.next_cursor)
    assert last.scope == "user ada"
