"""A word list: what is written with these words is masked, held for a person, or refused.

Words and phrases are found whole, whatever their case, width or invisible characters (see
:class:`deskbell.Phrases`), in time linear in the text. A stricter list goes before a milder one;
what ``allow`` names is left alone even where another list names a part of it. A tenant may have lists
of its own; ``order`` is the same for all. Empty lists, as delivered, cost nothing: then there is no filter.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from deskbell import (
    Allow,
    Block,
    Hold,
    ModerationFilter,
    Phrases,
    PluginContext,
    Rewrite,
    Submission,
    Verdict,
    hookimpl,
)


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What may be said under ``plugins.moderation_words.settings``. Each list holds words and phrases."""

    allow: tuple[str, ...] = ()  # exceptions: `Scunthorpe United`, a product's name
    mask: tuple[str, ...] = ()  # written with `mask_with` in place of each letter
    hold: tuple[str, ...] = ()  # shown to nobody until a person approves
    block: tuple[str, ...] = ()  # refused; the sender is told the word
    mask_with: str = "*"
    channels: tuple[str, ...] = ()  # the channel types to look at; empty: all
    order: int = 100  # among all filters; masking comes right after

    def __post_init__(self) -> None:
        for name in ("allow", "mask", "hold", "block"):
            try:
                Phrases(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        if len(self.mask_with) != 1:
            raise ValueError("mask_with: one character stands for each letter")


class Lists:
    """The lists of some settings, made ready."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.channels = frozenset(settings.channels)
        self.block = Phrases(settings.block, besides=settings.allow)
        self.hold = Phrases(settings.hold, besides=settings.allow)
        self.mask = Phrases(settings.mask, besides=settings.allow)


class OfTenants:
    """The lists that hold for a text: those of its tenant."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._made: dict[int, Lists] = {}

    def for_text(self, submission: Submission) -> Lists | None:
        """None: its kind of room is not looked at."""
        settings: Settings = self._context.settings_for(submission.sender.tenant)
        lists = self._made.get(id(settings))
        if lists is None or lists.settings is not settings:
            lists = self._made[id(settings)] = Lists(settings)
        return None if lists.channels and submission.channel_type not in lists.channels else lists


class WordList:
    """Holds or blocks, and leaves the text as it is."""

    name = "words"

    def __init__(self, order: int, lists: OfTenants) -> None:
        self.order = order
        self._lists = lists

    async def check(self, submission: Submission) -> Verdict:
        lists = self._lists.for_text(submission)
        if lists is None:
            return Allow()
        if word := lists.block.find(submission.normalised):
            return Block(f"word list: {word}")
        if word := lists.hold.find(submission.normalised):
            return Hold(f"word list: {word}")
        return Allow()


class WordMask:
    """Masks; a filter of its own, since what is held is masked as well."""

    name = "words_mask"

    def __init__(self, order: int, lists: OfTenants) -> None:
        self.order = order + 1
        self._lists = lists

    async def check(self, submission: Submission) -> Verdict:
        lists = self._lists.for_text(submission)
        if lists is None or lists.mask.find(submission.normalised) is None:
            return Allow()
        return Rewrite(lists.mask.masked(submission.text, lists.settings.mask_with))


@hookimpl
def register_moderation_filters(settings: Settings, context: PluginContext) -> Sequence[ModerationFilter]:
    filters: list[ModerationFilter] = []
    lists = OfTenants(context)
    if settings.block or settings.hold or context.differs_by_tenant:
        filters.append(WordList(settings.order, lists))
    if settings.mask or context.differs_by_tenant:
        filters.append(WordMask(settings.order, lists))
    return filters
