"""``run.py SEED COUNT``: every cause fails COUNT times; one line of JSON for each failure."""

import http.server
import json
import random
import socket
import string
import sys
import threading
import traceback
import uuid

import orders
import reports
import warehouse


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(int(self.path.split("/")[1]))

    def log_message(self, *_):
        pass


def causes(pick, web, silent):
    """Unknown hosts have too long a name to be asked for, so that no name server is needed."""
    word = lambda: "".join(pick.choices(string.ascii_lowercase + string.digits, k=8))
    number = lambda: pick.randrange(1, 10 ** pick.randrange(1, 8))
    ident = lambda: pick.choice([str(number()), str(uuid.UUID(int=pick.getrandbits(128))), word()])
    host = lambda: ".".join(["127", *(str(pick.randrange(1, 255)) for _ in range(3))])
    url = lambda status: f"http://127.0.0.1:{web}/{status}/{word()}?page={number()}"
    order = lambda: {"id": ident(), "email": f"{word()}@{word()}.example"}
    rules = lambda depth: {"next": rules(depth - 1)} if depth else {"first": number()}
    depth = pick.randrange(2, 30)
    return {
        "connection refused": lambda: warehouse.reserve(host(), 1, word()),
        "no answer in time": lambda: warehouse.await_answer(silent, pick.uniform(0.001, 0.003)),
        "unknown host": lambda: warehouse.locate(f"{word() * 8}.invalid".encode()),
        "HTTP 404": lambda: warehouse.fetch(url(404)),
        "HTTP 503": lambda: warehouse.fetch(url(503)),
        "HTTP 422": lambda: warehouse.fetch(url(422)),
        "body is no JSON": lambda: warehouse.stock_of("{" + ident()),
        "body lacks a key": lambda: warehouse.stock_of(json.dumps({word(): number()})),
        "rate limit": lambda: warehouse.throttle(number(), 10**9, number()),
        "unknown article": lambda: orders.price_of({}, ident()),
        "amount is null": lambda: orders.total([{"price": number(), "amount": None}]),
        "address is null": lambda: orders.ship({"address": None, "id": ident()}),
        "no customer": lambda: orders.greet(None),
        "line out of range": lambda: orders.line_at([], number()),
        "order invalid": lambda: orders.validate({"id": ident(), "email": pick.choice(["", "x"])}),
        "books differ": lambda: orders.check_books(number(), -number(), ident()),
        "shared by nobody": lambda: orders.share(number(), 0),
        "order booked twice": lambda: orders.insert(ident(), order()["email"]),
        "endless recursion": lambda: orders.category_path({"a": "b", "b": "a"}, "a"),
        "recursion meets a gap": lambda: orders.discount(rules(depth), depth),
        "nobody to notify": lambda: orders.run(orders.confirm(ident())),
        "confirmation late": lambda: orders.run(orders.confirm_in_time(pick.uniform(0, 0.002))),
        "orders withdrawn": lambda: orders.run(
            orders.confirm_all([ident() for _ in range(pick.randrange(1, 5))])
        ),
        "work cancelled": lambda: orders.run(orders.abandon(ident())),
        "template missing": lambda: reports.read_template(f"/srv/{word()}/{ident()}.txt"),
        "mapping not permitted": lambda: reports.map_report(4096 * pick.randrange(1, 9)),
        "text is no UTF-8": lambda: reports.decode(
            word().encode() + bytes([pick.choice([0xFF, 0xC0])])
        ),
        "converter failed": lambda: reports.convert(f"{ident()} ünïcödé ☂", pick.randrange(1, 9)),
        "amount is no number": lambda: reports.parse_amount(pick.choice("äöü€") + ident()),
        "payment without account": lambda: reports.pay(ident(), {}, ident()),
        "payment without balance": lambda: reports.pay(ident(), {"a": {}}, "a"),
        "order is empty (hard)": lambda: orders.inspect({"id": ident(), "lines": []}),
        "order has no price (hard)": lambda: orders.inspect({"id": ident(), "lines": [1]}),
        "recursion ends at once or later (hard)": lambda: orders.discount(
            rules(depth % 3), depth % 3
        ),
        "refund without account": lambda: reports.refund(ident(), {}, ident()),
    }


def main():
    seed, count = map(int, sys.argv[1:])
    pick = random.Random(seed)
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for _ in range(count):
            works = causes(pick, web.server_port, silent.getsockname()[1])
            for cause, work in works.items():
                try:
                    work()
                except BaseException as error:
                    told = {"cause": cause, "message": str(error), "stack": traceback.format_exc()}
                    print(json.dumps(told))
                else:
                    raise SystemExit(f"did not fail: {cause}")


main()
