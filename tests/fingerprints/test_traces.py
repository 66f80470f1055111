"""What is read from stack traces of each runtime."""

from __future__ import annotations

import pytest

from redrive.fingerprint import read_trace
from redrive.fingerprint.places import is_library, module_of
from redrive.fingerprint.trace import MOST_SECTIONS, own_calls

V8 = """TypeError: x is undefined
    at Invoice.total (/srv/app/src/invoice.js:41:17)
    at new Invoice (/srv/app/src/invoice.js:3:1)
    at Object.handler [as run] (/srv/app/src/handlers/pay.js:9:1)
    at async Promise.all (index 0)
    at async exports.process (file:///srv/app/src/main.mjs:3:1)
    at eval (eval at load (/srv/app/src/main.js:1:1), <anonymous>:1:1)
    at Array.map (<anonymous>)
    at async Worker.run (/srv/app/node_modules/bullmq/dist/worker.js:5:2)
    at /srv/app/src/main.js:3:1
    at node:internal/process/task_queues:95:5"""
PYTHON = """Traceback (most recent call last):
  File "/usr/local/lib/python3.11/site-packages/bullmq/worker.py", line 9, in run
    await self.process(job)
  File "<frozen importlib._bootstrap>", line 9, in load
  File "/srv/app/mail.py", line 12, in send
    return [render(page) for page in pages]
  File "/srv/app/mail.py", line 12, in <listcomp>
    return [render(page) for page in pages]
  File "/srv/app/pages.py", line 2, in <lambda>
    raise Down("provider")
pages.Down: provider"""
JAVA = """java.lang.IllegalStateException: no order 17
\tat com.acme.Orders.lambda$create$0(Orders.java:12) ~[app.jar:na]
\tat com.acme.Orders$$EnhancerBySpringCGLIB$$ab12.create(<generated>)
\tat com.acme.Orders.create(Orders.java:10)
\tat java.base/java.util.HashMap.forEach(HashMap.java:1337)
\tat org.springframework.core.Task.run(Task.java:1)
Caused by: com.acme.StockException: none left
\tat com.acme.Stock.take(Stock.kt:7)
\t... 12 more"""
GO = """panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
panic({0x4a1b20, 0xc0000140a8})
\t/usr/local/go/src/runtime/panic.go:884 +0x213
github.com/acme/shop/orders.(*Service).Create(0xc00007e000, 0x5)
\t/srv/shop/orders/service.go:12 +0x1d
main.main.func1()
\t/srv/shop/main.go:8 +0x25
created by main.start in goroutine 7
\t/srv/shop/main.go:20 +0x11"""
RUBY = """/srv/app/lib/mail.rb:12:in `block (2 levels) in send': down (Mail::Down)
\tfrom /srv/app/lib/mail.rb:9:in 'Mailer#deliver'
\tfrom /usr/lib/ruby/3.2.0/net/http.rb:1:in `start'
\tfrom /app/vendor/gems/rack.rb:1:in `call'"""
PHP = """PDOException: SQLSTATE[23505] in /srv/app/src/Db.php:3
Stack trace:
#0 /srv/app/src/Orders.php(12): App\\Db->insert('x', Array)
#1 /srv/app/vendor/laravel/Job.php(3): App\\Orders->create(Object(App\\Job))
#2 [internal function]: App\\Job->handle()
#3 {main}"""
FIREFOX = """total@https://shop.example/assets/invoice-DkX8sG2a.js:41:17
async*run@https://shop.example/assets/main.4f3a2b1c.js:3:1
@https://shop.example/assets/main.4f3a2b1c.js:9:1"""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            V8,
            [
                "invoice:Invoice.total",
                "invoice:new Invoice",
                "handlers/pay:handler",
                "main:process",
                "main:<anonymous>",
            ],
        ),
        (PYTHON, ["pages:<lambda>", "mail:send"]),
        (JAVA, ["com.acme.Orders:lambda$create", "com.acme.Orders:create", "com.acme.Stock:take"]),
        (
            GO,
            [
                "orders/service:orders.(*Service).Create",
                "main:main.main.func1",
                "main:main.start",
            ],
        ),
        (RUBY, ["mail:send", "mail:deliver"]),
        (PHP, ["Orders:App\\Db->insert"]),
        (FIREFOX, ["assets/invoice:total", "assets/main:run", "assets/main:<anonymous>"]),
        ("the job stalled more than it may", []),
    ],
    ids=["v8", "python", "java", "go", "ruby", "php", "firefox", "none"],
)
def test_own_frames_are_read_innermost_first(raw: str, expected: list[str]) -> None:
    sections = read_trace(raw)
    assert [str(frame) for each in sections for frame in own_calls(each.frames, 99)] == expected


@pytest.mark.parametrize(
    "place",
    [
        "/srv/app/src/orders/create.js",
        "/srv/shop/releases/20260101/orders/create.ts",
        "/app/orders/create.js",
        "/app/dist/orders/create.4f3a2b1c.js",
        "/app/dist/orders/create-DkX8sG2a.mjs?v=17",
        "/opt/shop/orders/create.py",
        "/home/kim/shop/orders/create.py",
        "/usr/src/shop/orders/create.py",
        "/checkout/orders/create.rb",
        "file:///app/orders/create.mjs",
        "C:\\apps\\shop\\releases\\20260101\\src\\orders\\create.cjs",
        "D:\\checkout\\orders\\create.cjs",
        "file:///C:/Users/kim/shop/src/orders/create.cjs",
        "webpack-internal:///./src/orders/create.ts",
        "webpack://shop/./src/orders/create.ts",
        "https://shop.example/orders/create.js",
        "/checkout/1.4.2/orders/create.php",
        "/checkout/v1.4.2/orders/create.php",
        "/checkout/4f3a2b1c9/orders/create.php",
        "orders/create.py",
        "./orders/create.py",
    ],
)
def test_a_module_is_called_the_same_wherever_it_is_deployed(place: str) -> None:
    assert module_of(place) == "orders/create"
    assert not is_library(place)


@pytest.mark.parametrize(
    "place",
    [
        "node:internal/process/task_queues",
        "internal/modules/cjs/loader.js",
        "events.js",
        "/app/node_modules/bullmq/dist/worker.js",
        "C:\\app\\node_modules\\bullmq\\worker.js",
        "/app/.venv/lib/python3.12/site-packages/bullmq/worker.py",
        "/usr/lib/python3/dist-packages/redis.py",
        "/root/.pyenv/versions/3.11.7/lib/python3.11/json/decoder.py",
        "C:\\Python311\\Lib\\json\\decoder.py",
        "<frozen importlib._bootstrap>",
        "<string>",
        "/root/go/pkg/mod/github.com/x/y.go",
        "/app/vendor/laravel/Job.php",
    ],
)
def test_runtimes_and_installed_packages_are_no_own_code(place: str) -> None:
    assert is_library(place)


def test_a_folder_of_a_name_and_a_version_is_called_by_its_name() -> None:
    assert (
        module_of("/nix/shop-1.4.2/mail.py") == module_of("/nix/shop-1.5.0/mail.py") == "shop/mail"
    )


@pytest.mark.parametrize("place", ["/app/src/vendor/invoice.js", "/app/gems/cut.py", "url.py"])
def test_words_that_a_shop_may_use_are_own_code(place: str) -> None:
    assert not is_library(place)


@pytest.mark.parametrize("line", ["bob@shop.example:25:1", "amqp://bob@shop.example/x:5672"])
def test_addresses_are_no_frames(line: str) -> None:
    assert read_trace(f"Error: no route\n{line}") == []


def test_python_chains_start_with_the_error_that_was_raised() -> None:
    raw = f"{PYTHON}\n\nThe above exception was the direct cause of the following exception:\n\n"
    raw += (
        'Traceback (most recent call last):\n  File "/app/a.py", line 1, in b\n    x\na.Late: c\n'
    )
    raised, cause = read_trace(raw)
    assert (raised.error_type, [str(frame) for frame in raised.frames]) == ("Late", ["a:b"])
    assert cause.error_type == "Down"


def test_node_causes_and_java_causes_follow_the_error_that_was_raised() -> None:
    raw = "Error: late\n    at b (/app/a.js:1:1) {\n"
    raw += "  [cause]: TypeError: x\n      at c (/app/d.js:1:1)"
    raised, cause = read_trace(raw)
    assert [str(frame) for frame in raised.frames] == ["a:b"]
    assert (cause.error_type, [str(frame) for frame in cause.frames]) == ("TypeError", ["d:c"])
    assert read_trace(JAVA)[1].error_type == "StockException"


def test_errors_raised_together_count_once_each_in_any_order() -> None:
    def group(*kinds: str) -> str:
        lines = ["  + Exception Group Traceback (most recent call last):"]
        lines += ['  |   File "/app/a.py", line 1, in run', "  |     work()"]
        lines += [f"  | ExceptionGroup: several ({len(kinds)} sub-exceptions)"]
        for number, kind in enumerate(kinds, 1):
            lines += [f"  +-+---------------- {number} ----------------"]
            lines += ["    | Traceback (most recent call last):"]
            lines += [f'    |   File "/app/b.py", line {number}, in each', "    |     x | y"]
            lines += [f"    | {kind}: {number}"]
        return "\n".join([*lines, "    +------------------------------------"])

    sections = read_trace(group("ValueError", "KeyError", "ValueError"))
    assert [each.error_type for each in sections] == ["ExceptionGroup", "KeyError", "ValueError"]
    assert sections == read_trace(group("KeyError", "ValueError"))
    assert str(sections[1].frames[0]) == "b:each"


def test_a_recursion_ends_the_own_frames_however_deep_it_went() -> None:
    def frames(depth: int) -> list[str]:
        lines = ["    at walk (/app/tree.js:1:1)"] * depth + ["    at main (/app/main.js:1:1)"]
        (section,) = read_trace("\n".join(["Error: deep", *lines][:11]))
        return [str(frame) for frame in own_calls(section.frames, 99)]

    assert frames(1) == ["tree:walk", "main:main"]
    assert frames(2) == frames(3) == frames(500) == ["tree:walk"]


def test_of_a_long_chain_the_first_errors_are_read() -> None:
    raw = "Error: x\n" + "Caused by: a.B: y\n    at c (/app/d.js:1:1)\n" * 50
    assert len(read_trace(raw)) == MOST_SECTIONS


def test_the_arguments_of_a_go_function_are_no_part_of_its_name() -> None:
    trace = "goroutine 1 [running]:\nmain.send({})\n\t/srv/shop/main.go:8 +0x25"
    (one,), (other,) = (read_trace(trace.format(given)) for given in ("0x1", "0xc00001"))
    assert [frame.function for frame in one.frames] == ["main.send"]
    assert one == other
