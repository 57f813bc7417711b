"""The board of those who lead."""

from __future__ import annotations

from msgspec import UNSET, UnsetType
from quart import Blueprint

from deskbell.actions import boards
from deskbell.actions.boards import Board
from deskbell.errors import Forbidden, RateLimited
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Moment, Query, read_moment
from deskbell.server.rest.routes import Ask, Routes


class BoardQuery(Query, frozen=True):
    """``since``: when the day began where one is; left out, at midnight UTC."""

    since: Moment | UnsetType = UNSET


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("board", edge), edge.ports

    @routes.get("/board", Board, query=BoardQuery, refuses=[Forbidden, RateLimited])
    async def get_board(ask: Ask) -> Board:
        """How the counter stands, and what the day was like; for supervisors and admins."""
        query: BoardQuery = ask.query
        since_us = None if query.since is UNSET else read_moment(query.since, "since")
        return await boards.board(ports, ask.actor, since_us=since_us)

    return routes.blueprint
