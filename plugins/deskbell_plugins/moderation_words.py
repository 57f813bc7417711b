"""A word list: what is written with these words is masked, held for a person, or refused.

Words and phrases are found whole, whatever their case, width or invisible characters (see
:class:`deskbell.Phrases`), in time linear in the text. A stricter list goes before a milder one;
what ``allow`` names is left alone even where another list names a part of it. Empty lists, as
delivered, cost nothing: then there is no filter.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from deskbell import Allow, Block, Hold, ModerationFilter, Phrases, Rewrite, Submission, Verdict, hookimpl


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


class WordList:
    """Holds or blocks, and leaves the text as it is."""

    name = "words"

    def __init__(self, settings: Settings) -> None:
        self.order = settings.order
        self._channels = frozenset(settings.channels)
        self._block = Phrases(settings.block, besides=settings.allow)
        self._hold = Phrases(settings.hold, besides=settings.allow)

    async def check(self, submission: Submission) -> Verdict:
        if self._channels and submission.channel_type not in self._channels:
            return Allow()
        if word := self._block.find(submission.normalised):
            return Block(f"word list: {word}")
        if word := self._hold.find(submission.normalised):
            return Hold(f"word list: {word}")
        return Allow()


class WordMask:
    """Masks; a filter of its own, since what is held is masked as well."""

    name = "words_mask"

    def __init__(self, settings: Settings) -> None:
        self.order = settings.order + 1
        self._channels = frozenset(settings.channels)
        self._mask = Phrases(settings.mask, besides=settings.allow)
        self._with = settings.mask_with

    async def check(self, submission: Submission) -> Verdict:
        if self._channels and submission.channel_type not in self._channels:
            return Allow()
        if self._mask.find(submission.normalised) is None:
            return Allow()
        return Rewrite(self._mask.masked(submission.text, self._with))


@hookimpl
def register_moderation_filters(settings: Settings) -> Sequence[ModerationFilter]:
    filters: list[ModerationFilter] = []
    if settings.block or settings.hold:
        filters.append(WordList(settings))
    if settings.mask:
        filters.append(WordMask(settings))
    return filters
