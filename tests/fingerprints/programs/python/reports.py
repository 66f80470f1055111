"""Writes reports, and pays."""

import decimal
import mmap
import subprocess
import tempfile


class PaymentFailed(Exception):
    pass


def read_template(path):
    with open(path) as template:
        return template.read()


def map_report(size):
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(size)
        with open(file.name, "rb") as readonly:
            return mmap.mmap(readonly.fileno(), size, prot=mmap.PROT_WRITE)


def decode(content):
    return content.decode("utf-8")


def convert(document, code):
    subprocess.run(["sh", "-c", f"exit {code}", document], check=True)


def parse_amount(text):
    return decimal.Decimal(text)


def pay(payment_id, accounts, account):
    try:
        return charge(accounts, account)
    except Exception as error:
        raise PaymentFailed(f"payment {payment_id} failed") from error


def charge(accounts, account):
    if account not in accounts:
        raise LookupError(f"no account {account}")
    return balance(accounts[account])


def balance(account):
    return int(account["balance"])


def refund(payment_id, accounts, account):
    try:
        return charge(accounts, account)
    except LookupError:
        raise PaymentFailed(f"refund {payment_id} was not booked")
