"""The demo: a small shop with the widget, a week behind it, and life in it.

Here are its settings. :mod:`.week` plays the week; :mod:`.visitors` sends people in. None of it is used by a desk
that is served otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from deskbell.config import DEMO_PASSWORD, LadderStep, Plugin, Settings, SiteSeed, TeamSeed, TenantSeed, UserSeed
from deskbell.demo.week import BOT, SHOP
from deskbell.model.site import SiteSettings, Theme

PAGES: Final = Path(__file__).with_name("shop")
"""What the shop's assistant knows."""

LOOK: Final = SiteSettings(
    languages=("en", "ar"),
    theme=Theme(color="#6d4c16"),
    greeting={"en": "Good to see you. What are you looking for?", "ar": "أهلاً بك. عمّ تبحث؟"},
)
"""The shop's brass, dark enough to be read on; who reads Arabic has the widget from the right."""

PIECE_MS: Final = 80
"""Long enough for an answer to be seen growing, and to be stopped."""


def _person(first: str, name: str, role: str, *teams: str) -> UserSeed:
    return UserSeed(email=f"{first}@demo.example", name=name, role=role, password=DEMO_PASSWORD, teams=teams)  # type: ignore[arg-type]


PEOPLE: Final = (
    _person("ana", "Ana Duarte", "agent", "support", "orders", "returns"),
    _person("tom", "Tom Becker", "agent", "support", "orders", "returns"),
    _person("priya", "Priya Nair", "agent", "support", "trade"),
    _person("jonas", "Jonas Mbeki", "agent", "support", "orders", "returns"),
    _person("ben", "Ben Adeyemi", "supervisor", "support", "orders", "returns", "trade"),
    _person("kim", "Kim Larsen", "admin"),
)


def settings_of(base: Settings, folder: Path, host: str, port: int) -> Settings:
    """The demo's settings: an own store in ``folder``, a shop, and deadlines nobody need hurry for."""
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    origins = tuple({url, f"http://127.0.0.1:{port}", f"http://localhost:{port}"})
    tenant = TenantSeed(
        slug="default",
        name="Pell & Rowan",
        teams=tuple(TeamSeed(slug=slug, name=slug.capitalize()) for slug in ("support", "orders", "returns", "trade")),
        sites=(
            SiteSeed(name="Pell & Rowan", public_key=SHOP, origins=origins, bot=BOT, settings=LOOK),
            SiteSeed(name="The manual", public_key="demo-site", origins=origins, bot="faq"),
        ),
        users=PEOPLE,
    )
    assistant = {
        "folder": str(PAGES),
        "greeting": "Hello, I'm the shop's assistant. What is it about?",
        "piece_ms": PIECE_MS,
    }
    return msgspec.structs.replace(
        base,
        store=msgspec.structs.replace(base.store, url=f"sqlite:///{folder / 'deskbell.sqlite3'}"),
        server=msgspec.structs.replace(base.server, host=host, port=port, public_url=url),
        logging=msgspec.structs.replace(base.logging, level="warning"),
        plugins={**base.plugins, "faq": Plugin(settings={"also": {BOT: assistant}})},
        support=msgspec.structs.replace(
            base.support,
            offer_s=900,
            ladder=(LadderStep(after_s=900, action="re_offer"),),
            agent_silent_s=86_400,
        ),
        # The passwords are known: whoever walks through the doors all day is no guesser.
        limits=msgspec.structs.replace(base.limits, login_attempts_per_min=600),
        tenants=(tenant,),
    )
