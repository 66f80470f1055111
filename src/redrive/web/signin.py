"""Opening and ending sessions, for the API and the login page alike."""

from __future__ import annotations

import math
from datetime import timedelta

from redrive.domain import Actor, User
from redrive.errors import LedgerUnavailable
from redrive.ports import Accounts
from redrive.web.passwords import PasswordChecker
from redrive.web.problems import ProblemError
from redrive.web.sessions import Session, Sessions
from redrive.web.throttle import LoginThrottle

UNKNOWN_USER = "(unknown user)"


class SignIn:
    """Raises LedgerUnavailable and StoreUnavailable; nobody is logged in then."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        throttle: LoginThrottle,
        passwords: PasswordChecker,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._throttle = throttle
        self._passwords = passwords

    async def login(
        self, name: str, password: str, address: str, old_token: str | None
    ) -> tuple[str, Session]:
        """Open a session; returns its token and itself. The browser's old session ends.

        Raises ProblemError: 401 for an unknown user and a wrong password alike, 429 where the
        account or the address has to wait. Success and failure are audited.
        """
        wait = await self._throttle.admit(name, address)
        if wait is not None:
            raise _slow_down(wait)
        try:
            user = await self._checked(name, password, address)
        except LedgerUnavailable:
            await self._throttle.undecided(name, address)
            raise
        await self._throttle.succeeded(name, address)
        token, session = await self._sessions.open(user)
        await self._accounts.audit(
            Actor(name=user.name, origin=address), "login", "session", result="logged in"
        )
        if old_token:
            await self._sessions.end(old_token)
        return token, session

    async def logout(self, token: str, session: Session, address: str) -> None:
        """End the session."""
        await self._sessions.end(token)
        actor = Actor(name=session.user, origin=address)
        await self._accounts.audit(actor, "logout", "session", result="logged out")

    async def _checked(self, name: str, password: str, address: str) -> User:
        """The user whose password this is. A hash with yesterday's parameters is replaced;
        like any change of it, that ends the user's other sessions."""
        user = await self._accounts.user(name)
        verdict = await self._passwords.check(password, user.password_hash if user else None)
        if user is None or not verdict.right:
            # People type passwords into the field for names: a name that nobody has is not kept.
            actor = Actor(name=user.name if user else UNKNOWN_USER, origin=address)
            await self._accounts.audit(actor, "login", "session", result="refused")
            raise ProblemError(
                401, code="bad_credentials", detail="The name or the password is not right."
            )
        if verdict.replacement is not None:
            user = await self._accounts.put_user(
                user.name,
                verdict.replacement,
                actor=Actor(name=user.name, origin=address),
                action="user.rehash",
            )
        return user


def _slow_down(wait: timedelta) -> ProblemError:
    seconds = math.ceil(wait.total_seconds())
    return ProblemError(
        429,
        detail=f"Too many failed logins: try again in {seconds} s. Nothing was changed.",
        headers={"Retry-After": str(seconds)},
    )
