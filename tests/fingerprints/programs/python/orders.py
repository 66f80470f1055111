"""Books orders."""

import asyncio
import sqlite3
from collections.abc import Callable


class InvalidOrder(ValueError):
    pass


def price_of(catalog, sku):
    return catalog[sku]


def total(lines):
    return sum(map(lambda line: line["price"] * line["amount"], lines))


def ship(order):
    return "Parcel for " + order["address"]


def greet(customer):
    return customer.name.title()


def line_at(lines, index):
    return lines[index]


def validate(order):
    problems = [field for field in ("email", "address", "lines") if not order.get(field)]
    if problems:
        raise InvalidOrder(f"order {order['id']}: {', '.join(problems)} missing")


def inspect(order):
    if not order["lines"]:
        raise ValueError(f"order {order['id']} is empty")
    raise ValueError(f"order {order['id']} has no price")


def check_books(debit, credit, order_id):
    assert debit == credit, f"order {order_id}: {debit} != {credit}"


def share(amount, people):
    return amount / people


def insert(order_id, email):
    database = sqlite3.connect(":memory:")
    database.execute("create table orders (id text primary key, email text)")
    for _ in range(2):
        database.execute("insert into orders values (?, ?)", (order_id, email))


def category_path(tree, name):
    return [*category_path(tree, tree[name]), name]


def discount(rules, depth):
    if depth == 0:
        return rules["final"]
    return discount(rules["next"], depth - 1)


async def confirm(order_id):
    await asyncio.sleep(0)
    await notify(order_id)


async def notify(order_id):
    await asyncio.sleep(0)
    raise LookupError(f"nobody to notify of order {order_id}")


async def confirm_in_time(seconds):
    async with asyncio.timeout(seconds):
        await asyncio.Event().wait()


async def confirm_all(order_ids):
    async with asyncio.TaskGroup() as tasks:
        for order_id in order_ids:
            tasks.create_task(reject(order_id))


async def reject(order_id):
    raise InvalidOrder(f"order {order_id} was withdrawn")


async def abandon(reason):
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    await asyncio.sleep(0)
    waiting.cancel(reason)
    await waiting


def run(work: Callable):
    return asyncio.run(work)
