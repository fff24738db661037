"""What the records of a sweep say of it in short: the question, the verdicts and where more is."""

from __future__ import annotations

from collections.abc import Mapping

from resablate.claims.answering import Answers
from resablate.claims.effects_told import DECIDED, published_answers, told_effects
from resablate.report_pages import markdown_text
from resablate.statistics import Verdict


def note_text(question: str, found: Answers, links: Mapping[str, str], *, ended: str) -> str:
    """The note, in Markdown.

    Args:
        question: of the sweep.
        found: its claims.
        links: title -> address, or the command that opens it.
        ended: `4 of 6` trials; empty where all have ended.
    """
    published = published_answers(found)
    decided = [answer for answer in published if answer.verdict in DECIDED]
    undecided = sum(answer.verdict is Verdict.UNDECIDED for answer in published)
    parts = [f"**{markdown_text(question)}**"]
    parts += [f"{ended} trials have ended."] if ended else []
    parts += [markdown_text(note) for note in found.notes]
    effects = [f"- {markdown_text(told.head)}: **{markdown_text(told.told)}**" for told in told_effects(found)]
    parts += ["\n".join(effects)] if effects else []
    parts += [markdown_text(remark) for remark in found.remarks]
    verdicts = [
        f"- **{answer.word}** {answer.claim.id}: {markdown_text(answer.claim.statement)}"
        f" ({markdown_text(answer.numbers)})"
        for answer in decided
    ]
    parts += ["\n".join(verdicts)] if verdicts else ["These trainings decide none of the published claims."]
    parts += [f"{undecided} published claim{'s are' if undecided > 1 else ' is'} undecided."] if undecided else []
    parts += ["\n".join(f"- {linked(title, place)}" for title, place in links.items())] if links else []
    return "\n\n".join(parts)


def linked(title: str, place: str) -> str:
    """A link to an address; a command as it is typed."""
    return f"[{title}]({place})" if place.startswith(("http://", "https://")) else f"{title}: `{place}`"
