"""Talks to other services over sockets and HTTP."""

import json
import socket
import urllib.request


def reserve(host, port, sku):
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(sku.encode())


def await_answer(port, seconds):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(seconds)
        return connection.recv(1)


def locate(host):
    return socket.getaddrinfo(host, 443)


def fetch(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def stock_of(body):
    return json.loads(body)["stock"]


class RateLimited(Exception):
    pass


def throttle(limit, used, seconds):
    if used > limit:
        raise RateLimited(f"{used} of {limit} requests used; retry in {seconds} seconds")
