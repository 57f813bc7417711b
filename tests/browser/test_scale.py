"""Widget and console where there is a lot: long conversations, long lists, bursts. What the page may hold is counted,
and none of its tasks may take a tenth of a second of CPU; walls of time are told and not judged, since the browser
shares its cores with the server and the test."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from deskbell.bench import filling
from deskbell.ids import new_id
from deskbell.store.change import INSERT_MESSAGE
from deskbell.testing.desk import PASSWORD, Desk, Line, Person

Windows = Callable[..., Any]
MESSAGES = 100_000
CASES = 1_000
IN_WIDGET = 5_000
BURST = 2_000
PER_S = 200
MOST_ROWS = 300
MORE_MB = 15
"""What the scripts of a page may hold more after thousands of messages were looked at than at first."""
TASK_MS = 100
"""No task of a page takes more CPU than this."""
APART_US = 300_000_000
YEAR_US = 365 * 86_400 * 1_000_000
WORDS = "The parcel has not arrived although the page says that it was delivered on Tuesday to a neighbour. "
SITE = "scale"
SECRET = "the site's own secret, long enough to sign with 0123456789"

WATCHES = """
window.slow = [];
window.keys = [];
const watch = (type, take, options) => new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) take(entry);
}).observe({ type, buffered: true, ...options });
watch("long-animation-frame", ({ duration, scripts }) => window.slow.push({
  ms: duration, scripts: scripts.map(({ duration: ms, invoker }) => ({ ms, invoker })) }));
const keyed = ({ name, duration }) => { if (name === "keydown") window.keys.push(duration); };
watch("event", keyed, { durationThreshold: 16 });
"""


def tell(figures: str) -> None:
    """For whoever runs these tests with ``-s`` to have the figures."""
    sys.stdout.write(f"{figures}\n")


@dataclass
class Seen:
    """What a page did while it was watched, in milliseconds. ``tasks``: the CPU of each."""

    tasks: list[float] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        longest = max((frame["ms"] for frame in self.frames), default=0)
        scripts = max((script["ms"] for frame in self.frames for script in frame["scripts"]), default=0)
        return (
            f"CPU {sum(self.tasks):.0f} ms, the longest task {max(self.tasks, default=0):.0f} ms;"
            f" wall: {len(self.frames)} frames above 50 ms, the longest {longest:.0f} ms, the longest script in one"
            f" {scripts:.0f} ms, the slowest key {max(self.keys, default=0):.0f} ms"
        )


@pytest.fixture
def watched(browser: Browser) -> Callable[..., Any]:
    """``async with watched(page, "scrolling"):`` – afterwards no task of the page took too much CPU."""

    @asynccontextmanager
    async def watching(page: Page, what: str) -> AsyncIterator[Seen]:
        seen = Seen()
        await page.evaluate("() => { window.slow.length = window.keys.length = 0 }")
        await browser.start_tracing(page=page, categories=["toplevel"])
        try:
            yield seen
        finally:
            trace = json.loads(await browser.stop_tracing())["traceEvents"]
        mains = {
            (e["pid"], e["tid"]) for e in trace if e["name"] == "thread_name" and "RendererMain" in e["args"]["name"]
        }
        tasks = [
            event["tdur"] / 1000
            for event in trace
            if event["name"].endswith("::RunTask") and "tdur" in event and (event["pid"], event["tid"]) in mains
        ]
        seen.tasks = tasks
        seen.frames, seen.keys = await page.evaluate("[window.slow, window.keys]")
        tell(f"{what}: {seen}")
        assert mains, "the trace names no page"
        assert max(tasks, default=0) <= TASK_MS, str(seen)

    return watching


async def heap_mb(page: Page) -> float:
    """What the page's scripts hold, after a collection."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    used = (await session.send("Runtime.getHeapUsage"))["usedSize"] / 1e6
    await session.detach()
    return float(used)


def text_of(seq: int) -> str:
    """Of different length, each with its number; one of nine is long."""
    longest = 500 if seq % 9 == 0 else 110
    return f"number {seq} {WORDS * 5}"[: 16 + seq * 37 % longest].strip()


async def fill_messages(desk: Desk, room: str, count: int, senders: list[str], *, anchored: int = 0) -> None:
    """Messages until the room has ``count``, straight into the store; ``anchored``: notes on each so many-th place."""
    db = desk.application.ports.db
    row = await db.fetchrow("SELECT seq FROM rooms WHERE id = $1", room)
    assert row is not None
    begin = await db.now_us() - YEAR_US
    made: list[tuple[object, ...]] = []
    for seq in range(row["seq"] + 1, count + 1):
        metadata = json.dumps({"anchor_seq": seq * anchored}) if anchored else "{}"
        kind = "system" if not anchored and seq % 40 == 0 else "text"
        at = begin + seq * APART_US * (anchored or 1)
        sender = senders[seq // 3 % len(senders)]
        identity = new_id()
        made.append(
            (desk.tenant, identity, room, seq, seq, identity, bytes(16), sender, kind, text_of(seq), metadata,
             "[]", "[]", None, None, at)
        )  # fmt: skip
        if len(made) == 5_000 or seq == count:
            await db.insert_many("messages", INSERT_MESSAGE, made)
            made = []
    await db.execute("UPDATE rooms SET seq = $2 WHERE id = $1", room, count)


async def fill_cases(desk: Desk, url: str, model: str, agent: Person, count: int) -> None:
    """Cases like the one of ``model``: the first half waits in the queue, the others are the agent's."""
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"

    def id_(kind: str) -> str:
        return f"printf('{kind}0000000-0000-7000-8000-%012x', n.i)"

    half = f"n.i > {count // 2}"
    statements = [
        "INSERT INTO users (tenant_id, id, kind, name, site_id, created_at, changed_at)"
        f" SELECT u.tenant_id, {id_('a')}, u.kind, 'Visitor ' || n.i, u.site_id, u.created_at, u.changed_at"
        " FROM users u JOIN rooms r ON r.customer = u.id, n WHERE r.id = $1",
        "INSERT INTO rooms (tenant_id, id, channel_type, seq, changed_seq, owner_kind, owner_user, owner_version,"
        " customer, case_id, created_by, created_at, changed_at, active_at)"
        f" SELECT r.tenant_id, {id_('b')}, r.channel_type, r.seq, r.changed_seq,"
        f" CASE WHEN {half} THEN 'human' ELSE r.owner_kind END, CASE WHEN {half} THEN $2 ELSE r.owner_user END,"
        f" r.owner_version, {id_('a')}, {id_('c')}, {id_('a')}, r.created_at, r.changed_at, r.active_at"
        " FROM rooms r, n WHERE r.id = $1",
        "INSERT INTO participants (tenant_id, room_id, user_id, role, state, joined_at, changed_seq)"
        f" SELECT p.tenant_id, {id_('b')}, {id_('a')}, p.role, p.state, p.joined_at, p.changed_seq"
        " FROM participants p JOIN rooms r ON r.id = p.room_id AND r.customer = p.user_id, n WHERE r.id = $1",
        "INSERT INTO messages (tenant_id, id, room_id, seq, changed_seq, client_id, request_hash, sender_id, kind,"
        " content, metadata, created_at)"
        f" SELECT m.tenant_id, printf('d%07x-0000-7000-8000-%012x', m.seq, n.i), {id_('b')}, m.seq, m.seq,"
        f" 'filling-' || n.i || '-' || m.seq, m.request_hash, CASE WHEN m.sender_id = r.customer THEN {id_('a')}"
        " ELSE m.sender_id END, m.kind, m.content, m.metadata, m.created_at"
        " FROM messages m JOIN rooms r ON r.id = m.room_id, n WHERE r.id = $1",
        "INSERT INTO cases (tenant_id, id, room_id, status, reason, priority, team, agent, opened_at, waiting_since,"
        " handover, changed_at)"
        f" SELECT c.tenant_id, {id_('c')}, {id_('b')}, CASE WHEN {half} THEN 'assigned' ELSE c.status END, c.reason,"
        f" n.i % 3, c.team, CASE WHEN {half} THEN $2 END, c.opened_at + n.i * 1000000 - 4000000000,"
        " c.waiting_since + n.i * 1000000 - 4000000000, c.handover, c.changed_at FROM cases c, n WHERE c.room_id = $1",
    ]
    async with filling.door(url) as db:
        for statement in statements:
            args = (model, agent.id) if "$2" in statement else (model,)
            await db.execute(f"{numbers} {statement}", *args)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Path, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A desk whose bot keeps silent, with one site that the shop may embed."""
    site = {"name": "Scale", "public_key": SITE, "secret": SECRET, "origins": [f"http://{shop.address}"],
            "settings": {"choice": False}}  # fmt: skip
    tenant = {
        "slug": "default",
        "name": "Test",
        "sites": [site, {"name": "Shop", "public_key": "test-site", "secret": SECRET, "origins": []}],
        "teams": [{"slug": "support", "name": "Support"}],
    }
    url = f"sqlite:///{tmp_path_factory.mktemp('desk') / 'deskbell.sqlite3'}"
    async with Desk.open(url, tenants=[tenant]) as desk:
        desk.database_url = url  # type: ignore[attr-defined]

        async def silent(turn: Any) -> AsyncIterator[Any]:
            return
            yield

        desk.bot.script = silent
        yield desk


async def log_in(page: Page, desk: Desk, agent: Person, path: str) -> None:
    await page.add_init_script(WATCHES)
    await page.goto(f"{desk.url}/console{path}")
    await page.locator("input[type=email]").fill(agent.email)
    await page.locator("input[type=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")


SCROLLING = """
// While a burst is drawn: how often the log was changed, and how far above its end it ever stood.
window.follows_ = () => { const log = log_(); let drawn = 0, away = 0;
  const watch = new MutationObserver(() => { drawn++; });
  watch.observe(log, { childList: true, subtree: true });
  const timer = setInterval(() => {
    shown_(); away = Math.max(away, log.scrollHeight - log.scrollTop - log.clientHeight);
  }, 100);
  window.followed_ = () => { watch.disconnect(); clearInterval(timer); return { drawn, away }; }; };
window.frames_ = async (n) => { for (; n > 0; n--) await new Promise((done) => requestAnimationFrame(done)); };
window.log_ = () => { const host = document.querySelector("deskbell-widget");
  return (host ? host.shadowRoot : document).querySelector(".log"); };
window.most_ = 0;
window.shown_ = () => { const rows = [...log_().querySelectorAll(".virtual-row")];
  window.most_ = Math.max(window.most_, rows.length); return rows; };
"""

# How far what one reads moves on the screen, beside the scrolling, when older messages are put before it.
PREPENDED = """async () => {
  const log = log_(); log.scrollTop = 600; await frames_(20);
  const number = (one) => one.textContent.match(/number (\\d+)/)?.[1];
  const row = shown_().find((one) => number(one) && one.offsetTop > log.scrollTop);
  const text = number(row);
  const now = () => shown_().find((one) => number(one) === text);
  const [at, index, top] = [row.getBoundingClientRect().top, Number(row.dataset.index), log.scrollTop];
  log.scrollTop -= 400;
  const moved = top - log.scrollTop;
  for (let n = 0; n < 600 && Number(now().dataset.index) <= index; n++) await frames_(1);
  if (Number(now().dataset.index) <= index) return "nothing older came";
  await frames_(3);
  return Math.round(now().getBoundingClientRect().top - at - moved);
}"""

# Goes to the first row again and again, until a text is there; by how many messages the view went on at a time.
TO_THE_BEGINNING = """async (text) => {
  const log = log_(); let before, most = 0;
  for (let n = 0; n < 1000 && !log.textContent.includes(text); n++) {
    log.scrollTop = 0; await frames_(4);
    const row = shown_().find((one) => one.offsetTop >= log.scrollTop && /number \\d/.test(one.textContent));
    const now = Number(row.textContent.match(/number (\\d+)/)[1]);
    most = Math.max(most, before - now || 0); before = now;
  }
  return most;
}"""

# Walks up from the end to the first number, and returns each number told, in the order of reading.
WALK = """async (word) => {
  const log = log_(), found = [], seen = new Set();
  for (let n = 0; n < 2000 && !seen.has(0); n++) {
    for (const row of shown_()) {
      const number = Number(row.textContent.match(new RegExp(`${word} (\\\\d+)\\\\b`))?.[1] ?? NaN);
      const key = `${row.dataset.index} ${number}`;
      if (Number.isNaN(number) || seen.has(key)) continue;
      seen.add(key); seen.add(number); found.push([Number(row.dataset.index), number]);
    }
    log.scrollTop -= log.clientHeight; await frames_(2);
  }
  return found.sort(([a], [b]) => a - b).map(([, number]) => number);
}"""


async def test_a_hundred_thousand_messages_are_as_light_as_a_hundred(
    desk: Desk, windows: Windows, watched: Any
) -> None:
    agent, visitor = await desk.agent("Ines Moreau"), await desk.visitor("Maya")
    room = await visitor.conversation()
    assert (await agent.post(f"/rooms/{room}/take-over")).status_code == 200
    back = (await agent.get(f"/rooms/{room}/backstage")).json()["id"]
    await fill_messages(desk, room, MESSAGES, [visitor.id, agent.id])
    await fill_messages(desk, back, MESSAGES // 200, [agent.id], anchored=200)

    async with windows(desk.address) as (context, _):
        page = await context.new_page()
        await page.add_init_script(SCROLLING)
        await log_in(page, desk, agent, f"/inbox/all/{room}")
        log, to_end = page.locator(".log"), page.locator(".to-end")
        newest = log.locator(".bub", has_text=re.compile(rf"^number {MESSAGES - 1}\b"))
        await expect(newest).to_be_in_viewport()
        light = await heap_mb(page)

        async with watched(page, "100,000 messages, scrolled back through"):
            await log.hover()
            for _ in range(80):
                await page.mouse.wheel(0, -4_000)
                await page.evaluate("shown_() && frames_(2)")
            await log.focus()
            for key in ["PageUp"] * 10 + ["Home"] * 10:
                await page.keyboard.press(key)
                await page.evaluate("shown_() && frames_(3)")
        first = int(
            await page.evaluate("shown_().map((row) => row.textContent.match(/number (\\d+)/)?.[1]).find(Boolean)")
        )
        assert first < MESSAGES - 2_500
        assert await page.evaluate(PREPENDED) in (-1, 0, 1)
        heavy = await heap_mb(page)
        most = await page.evaluate("most_")
        tell(f"heap {light:.1f} MB, after {MESSAGES - first} messages {heavy:.1f} MB, {most} rows")
        assert most <= MOST_ROWS
        assert heavy < light + MORE_MB

        async with watched(page, "100,000 messages, led far back and forth"):
            found = await desk.application.ports.db.fetchrow(
                "SELECT id FROM messages WHERE room_id = $1 AND seq = 31234", room
            )
            assert found is not None
            await page.goto(f"{desk.url}/console/inbox/all/{room}?message={found['id']}")
            await expect(page.locator(f"[data-message='{found['id']}']")).to_be_focused()
            await to_end.click()
            await expect(newest).to_be_in_viewport()

        async with watched(page, "100,000 messages, searched while typing"):
            await page.keyboard.press("Control+f")
            status = page.locator(".find-bar [role=status]")
            await page.get_by_role("searchbox").press_sequentially("number 777", delay=60)
            await expect(status).to_contain_text("1 of ")
            await expect(log.locator(".bub", has_text=re.compile(r"^number 777"))).not_to_have_count(0)
            await page.keyboard.type("77", delay=60)
            await expect(status).to_have_text("1 of 1")
            await expect(log.locator(".bub", has_text=re.compile(r"^number 77777\b"))).to_be_in_viewport()
            await page.keyboard.press("Escape")
            await to_end.click()
            await expect(newest).to_be_in_viewport()
            await page.goto(f"{desk.url}/console/search")
            await page.get_by_role("searchbox").press_sequentially("number 4321", delay=60)
            await expect(page.locator(".sr-one", has_text=re.compile(r"number 4321\b"))).to_be_visible()


async def burst(line: Line, room: str) -> None:
    """Two hundred messages a second for ten seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(BURST):
        content = f"burst {number} {WORDS}"[: 14 + number * 37 % 90]
        await line.send({"type": "send", "room": room, "client_id": new_id(), "content": content, "ref": f"b{number}"})
        await asyncio.sleep(max(0.0, began + number / PER_S - loop.time()))
    await line.find(lambda frame: frame.get("ref") == f"b{BURST - 1}", patience_s=30)
    assert not [frame for frame in line.frames if frame["type"] == "error"]


async def log_of(desk: Desk, room: str) -> list[int]:
    """The burst as the server has it."""
    rows = await desk.application.ports.db.fetch(
        "SELECT content FROM messages WHERE room_id = $1 AND content LIKE 'burst %' ORDER BY seq", room
    )
    return [int(row["content"].split()[1]) for row in rows]


async def follows(page: Page, sending: Any, field: Any, last: Any) -> dict[str, Any]:
    """Watch the burst arrive while writing an answer to it."""
    await page.evaluate("follows_()")
    task = asyncio.ensure_future(sending)
    await field.press_sequentially("I am looking into all of it, please give me a moment.", delay=120)
    await task
    await expect(last).to_be_in_viewport(timeout=30_000)
    return dict(await page.evaluate("followed_()"))


async def test_a_burst_is_drawn_gathered_and_whole_while_one_writes(desk: Desk, windows: Windows, watched: Any) -> None:
    agent, visitor = await desk.agent("Ines Moreau"), await desk.visitor("Maya")
    room = await visitor.conversation()
    assert (await agent.post(f"/rooms/{room}/take-over")).status_code == 200
    async with visitor.line() as line, windows(desk.address) as (context, _):
        await line.says(room, "Hello?")
        page = await context.new_page()
        await page.add_init_script(SCROLLING)
        await log_in(page, desk, agent, f"/inbox/all/{room}")
        await expect(page.locator(".log")).to_contain_text("Hello?")
        field = page.locator(".comp textarea")
        async with watched(page, "console, 200 messages a second"):
            last = page.locator(".log .bub", has_text=re.compile(rf"^burst {BURST - 1}\b"))
            found = await follows(page, burst(line, room), field, last)
        await expect(field).to_have_value("I am looking into all of it, please give me a moment.")
        tell(
            f"drawn {found['drawn']} times, at most {found['away']} px above the end, heap {await heap_mb(page):.1f} MB"
        )
        assert found["drawn"] < BURST * 3 / 4
        assert found["away"] <= 40
        async with watched(page, "console, read from the first to the last"):
            assert await page.evaluate(WALK, "burst") == await log_of(desk, room)
        assert await page.evaluate("most_") <= MOST_ROWS


async def test_the_widget_takes_a_burst_and_a_long_past(desk: Desk, shop: Any, windows: Windows, watched: Any) -> None:
    line_ = f'<script src="{desk.url}/widget.js" data-site="{SITE}" data-open async></script>'
    agent = await desk.agent("Ines Moreau")
    async with agent.line() as line, windows(desk.address, shop.address) as (context, _):
        page = await context.new_page()
        await page.add_init_script(WATCHES + SCROLLING)
        await page.goto(shop.page("/scale", head=line_))
        panel = page.get_by_role("dialog", name="chat")
        field = panel.get_by_role("textbox")
        await field.fill("Anybody in?")
        await field.press("Enter")
        await expect(panel.get_by_role("log")).to_contain_text("Anybody in?")
        row = await desk.until(lambda: desk.application.ports.db.fetchrow(
            "SELECT m.room_id, m.sender_id FROM messages m JOIN rooms r ON r.id = m.room_id"
            " WHERE m.content = 'Anybody in?' ORDER BY m.created_at DESC LIMIT 1"))  # fmt: skip
        room = str(row["room_id"])
        assert (await agent.post(f"/rooms/{room}/take-over")).status_code == 200
        await page.goto("about:blank")  # nobody looks while the past is written
        await fill_messages(desk, room, IN_WIDGET, [row["sender_id"], agent.id])

        await page.goto(shop.page("/scale", head=line_))
        bubbles = panel.locator(".bubble")
        newest = bubbles.filter(has_text=re.compile(rf"^\s*number {IN_WIDGET - 1}\b"))
        await expect(newest).to_be_in_viewport()
        light = await heap_mb(page)
        async with watched(page, "widget, scrolled back through 5,000 messages"):
            assert await page.evaluate(PREPENDED) in (-1, 0, 1)
            jumped = await page.evaluate(TO_THE_BEGINNING, "Anybody in")
        assert jumped <= 60, "a page of fifty came, and what was read did not stay"
        await expect(bubbles.filter(has_text="Anybody in?")).to_have_count(1)
        heavy = await heap_mb(page)
        tell(f"heap {light:.1f} MB, after {IN_WIDGET} messages {heavy:.1f} MB, rows {await page.evaluate('most_')}")
        assert await page.evaluate("most_") <= MOST_ROWS
        assert heavy < light + MORE_MB
        await panel.locator(".to-latest").click()
        await expect(newest).to_be_in_viewport()
        async with watched(page, "widget, 200 messages a second below 5,000"):
            last = bubbles.filter(has_text=re.compile(rf"burst {BURST - 1}\b"))
            found = await follows(page, burst(line, room), field, last)
        tell(
            f"drawn {found['drawn']} times, at most {found['away']} px above the end, heap {await heap_mb(page):.1f} MB"
        )
        assert found["drawn"] < BURST * 3 / 4
        assert found["away"] <= 40
        async with watched(page, "widget, read from the first to the last"):
            assert await page.evaluate(WALK, "burst") == await log_of(desk, room)


async def test_a_thousand_cases_are_walked_sorted_and_picked_while_they_change(
    desk: Desk, windows: Windows, watched: Any
) -> None:
    agent, visitor = await desk.agent("Ines Moreau"), await desk.visitor("Maya")
    room = await visitor.conversation()
    await visitor.post(f"/rooms/{room}/messages", {"content": "Where is my lamp?"})
    assert (await visitor.post(f"/rooms/{room}/escalate")).status_code == 200
    await fill_cases(desk, desk.database_url, room, agent, CASES)  # type: ignore[attr-defined]
    lead = await desk.agent("Priya", role="supervisor")
    cases = [row["id"] for row in await desk.application.ports.db.fetch("SELECT id FROM cases WHERE id LIKE 'c%'")]
    moved = 0

    async def move() -> None:
        nonlocal moved
        while True:
            change = {"priority": (moved // 300 + 1) % 3}
            answer = await lead.call("PATCH", f"/cases/{cases[moved * 7 % CASES]}", json=change)
            assert answer.status_code == 200, answer.text
            moved += 1
            await asyncio.sleep(0.005)

    async with windows(desk.address) as (context, _):
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/api/v1/" in request.url else None)
        rows, scroll, open_ = page.locator(".rows .row"), page.locator(".rows .scroll"), page.locator(".rows .row.sel")
        await page.add_init_script(WATCHES)
        await page.goto("about:blank")
        async with watched(page, "1,000 cases, first view"):
            await log_in(page, desk, agent, "/inbox/all")
            await expect(rows.first).to_be_visible()
            await expect(page.locator(".l-tabs [aria-current] .c")).to_have_text(re.compile(r"^1,?00\d$"))
        tell(f"{len(asked)} requests, heap {await heap_mb(page):.1f} MB")
        assert len(asked) < 50
        asked.clear()
        most = 0
        async with watched(page, "1,000 cases, scrolled"):
            await rows.first.hover()
            for step in range(60):
                await page.mouse.wheel(0, 2_000 if step < 40 else -4_000)
                await page.evaluate("new Promise(requestAnimationFrame)")
                most = max(most, await rows.count())
        assert most <= 60
        changes = asyncio.ensure_future(move())
        async with watched(page, "1,000 cases, 200 steps while they change"):
            await page.mouse.move(1200, 10)
            for _ in range(200):
                await page.keyboard.press("j")
            await expect(open_).to_have_attribute("aria-posinset", "200")
            await page.keyboard.press("k")
            await expect(open_).to_have_attribute("aria-posinset", "199")
        tell(f"{most} rows; {len(asked)} requests for 200 steps and {moved} changes")
        assert len(asked) < 1_000
        async with watched(page, "1,000 cases, sorted and narrowed while they change"):
            for how in ("Last activity first", "Most urgent first", "Longest waiting first"):
                await page.get_by_role("button", name="Sort:").click()
                await page.get_by_role("menuitemradio", name=how).click()
            await page.get_by_role("button", name="Filter", exact=True).click()
            await page.get_by_role("dialog", name="Filter").get_by_label("Priority").select_option("2")
            await page.keyboard.press("Escape")
            await page.locator(".l-filter .lab").click()
        assert not changes.done()
        changes.cancel()
        async with watched(page, "1,000 cases, all picked"):
            await scroll.evaluate("(box) => { box.scrollTop = 0 }")
            await rows.first.hover()
            await rows.first.locator("input").click()
            await scroll.evaluate("(box) => { box.scrollTop = box.scrollHeight }")
            await expect(rows.last).to_have_attribute("aria-posinset", re.compile(r"^100\d$"))
            await rows.last.locator("input").click(modifiers=["Shift"])
            await expect(page.locator(".bulk")).to_contain_text(re.compile(r"1,?00\d"))
