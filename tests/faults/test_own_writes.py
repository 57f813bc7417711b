"""Who wrote on one instance and then looks on another finds what they wrote, whatever was read there before."""

from __future__ import annotations

from deskbell.testing.desk import Desk, Person


async def test_a_page_read_for_others_is_not_shown_to_whoever_has_written_since(postgres_url: str) -> None:
    """Pages are shared between sockets that subscribe at about the same time; never at the price of one's own words."""
    async with Desk.open(postgres_url) as one, Desk.open(postgres_url) as two:
        ana, tom = await one.member("Ana"), await one.member("Tom")
        room = await ana.group(tom)
        ana_there = Person(two, {"user": ana.user, "access_token": ana.token, "refresh_token": ana.refresh_token})
        tom_there = Person(two, {"user": tom.user, "access_token": tom.token, "refresh_token": tom.refresh_token})

        for number in range(5):
            async with tom_there.line() as line:
                before = await line.subscribe(room)
                async with ana.line() as here:
                    ack = await here.says(room, f"number {number}")
                async with ana_there.line() as there:
                    page = await there.subscribe(room)
                    resumed = await there.subscribe(room, since=before["seq"], epoch=before["epoch"])

            assert page["seq"] >= ack["seq"]
            assert ack["id"] in [message["id"] for message in page["messages"]]
            assert ack["id"] in [message["id"] for message in resumed["messages"]]
