"""The answers of a study in words: a sentence for each, made of its numbers."""

from collections import Counter
from collections.abc import Sequence

from mteb_hybrid.report.glossary import words
from mteb_hybrid.results.cells import NONE
from mteb_hybrid.results.resample import INTERVAL_FROM
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.studies.answer import Answer, Verdict
from mteb_hybrid.studies.effect import Effect
from mteb_hybrid.studies.seeds import Interval
from mteb_hybrid.studies.study import Claim, Published

WHERE = {
    Setting.MONOLINGUAL: "within languages",
    Setting.CROSSLINGUAL: "across languages",
    Setting.MULTILINGUAL: "in the pool of all languages",
}
LEGEND = (
    "Difference: the condition's mean minus the other's; means are over the queries of a pool, "
    "then unweighted over pools, then over seeds. Questions: also sentences, where their "
    "translations are searched. Interval over questions: 95%, bootstrap over questions with all "
    "their translations (over pairs, where texts come in pairs), of the difference of the means "
    "over seeds; questions on one paragraph, and sentences of one text, are taken to be "
    "independent. Interval over seeds: 95% t interval of the differences of single seeds, "
    "paired. Neither covers other languages than these. Seen languages: some condition of this "
    "study trains on them; the starting model, or the texts of a repair, may have had others. p: "
    "randomisation over the same questions, two-sided, of no difference; none for a claim with "
    "a margin. Holm p: corrected for all that have a p; the intervals, and what follows from "
    "them, are not. Confirmed: both intervals lie on the claimed side (for = ± m, within m; for "
    "> … - m, above -m); contradicted: both lie on the other; where neither condition is "
    "trained, that over questions alone; undecided: all else, and what rests on one seed, or on "
    f"fewer than {INTERVAL_FROM} questions, of which there is no interval. "
    "Published: the difference there, if the card names one, and whether its direction agrees "
    "with ours, which is open with one seed, where an interval is missing or has 0 in it, and "
    "where theirs is 0."
)
TABLE_LEGEND = (
    "Of three seeds and more: mean and half the 95% t interval over seeds, which shows how far "
    "another seed may fall, not how far other questions may. Of two seeds both values. (n/m): over "
    "n of the m subsets. [x% of queries]: the others have no value. Mo., Cr., Mul.: within "
    "languages, across languages, in the pool of all languages."
)
PARTS = {"query-language": "queries in", "seen": "", "resource-class": "resource class"}


def title(measure: str) -> str:
    """A measure's name in tables."""
    found = words().get(measure)
    return found.title if found else measure.replace("_", " ")


def digits(measure: str) -> int:
    """Decimals of a measure."""
    found = words().get(measure)
    return found.digits if found else 4


def part(claim: Claim) -> str:
    """The query languages that a claim is about; empty if all."""
    if claim.by is None:
        return ""
    values = " or ".join(claim.values)
    if claim.by == "seen":
        return f"{values} languages"
    return f"{PARTS.get(claim.by, claim.by)} {values}"


def comparison(claim: Claim) -> str:
    """What a claim says of two conditions, as a formula."""
    if claim.expect == "within":
        return f"{claim.condition} = {claim.than} ± {claim.margin:g}"
    if claim.expect == "not-lower":
        return f"{claim.condition} > {claim.than} - {claim.margin:g}"
    return f"{claim.condition} {'>' if claim.expect == 'higher' else '<'} {claim.than}"


def interval(limits: Interval | None, measure: str) -> str:
    """An interval of a difference; a dash if there is none."""
    if limits is None:
        return NONE
    low, high = limits
    return f"[{low:+.{digits(measure)}f}, {high:+.{digits(measure)}f}]"


def number(value: float, measure: str) -> str:
    """A difference, with its sign."""
    return f"{value:+.{digits(measure)}f}"


def collection_of(answer: Answer) -> str:
    """Title of the collection of an answer."""
    return answer.test.card.title if answer.test else NONE


def verdict(answer: Answer) -> str:
    """The verdict, and that it rests on one seed, or on too few questions, if it does."""
    effect = answer.effect
    if effect is None or not effect.settles_nothing:
        return answer.verdict
    return f"{answer.verdict} ({'one seed' if effect.rests_on_one_seed else 'too few questions'})"


def figures(answer: Answer) -> list[Published]:
    """The published figures on the collection of an answer, which may be named by its task."""
    names = answer.test.names if answer.test else ()
    return [figure for figure in answer.claim.published if figure.collection in names]


def agreement(effect: Effect, figure: Published) -> str:
    """Whether a published difference has the direction of ours, if that is settled."""
    theirs = figure.condition - figure.than
    if not effect.direction or not theirs:
        return "open"
    return "agrees" if effect.direction * theirs > 0 else "disagrees"


def published(answer: Answer, separator: str = "; ") -> str:
    """The published differences of a claim, and whether ours agree in direction."""
    measure, said = answer.claim.measure, []
    for figure in figures(answer):
        theirs = number(figure.condition - figure.than, measure)
        agrees = f": {agreement(answer.effect, figure)}" if answer.effect else ""
        said.append(f"{figure.model} {theirs}{agrees}")
    return separator.join(said) or "none in the card"


def sentence(answer: Answer) -> str:
    """An answer in words."""
    if answer.effect is None:
        return f"{answer.verdict}: {answer.why}."
    claim, effect = answer.claim, answer.effect
    restricted = f", {part(claim)}" if claim.by else ""
    changed = f", less that on {effect.base}," if effect.base else ""
    mean, than = (_mean(value, answer) for value in (effect.condition, effect.than))
    languages = (
        f"{len(effect.languages)} languages" if len(effect.languages) > 1 else "one language"
    )
    over = f"over {effect.groups:,} question{'s' * (effect.groups > 1)} in"
    limits = "(too few for an interval)"
    if effect.over_questions:
        over, limits = f"95% interval {over}", interval(effect.over_questions, claim.measure)
    ours = (
        f"{title(claim.measure)} {WHERE[claim.setting]}{restricted}{changed} is {mean} with "
        f"{claim.condition} and {than} with {claim.than}: a difference of "
        f"{number(effect.difference, claim.measure)}, {over} {languages} {limits}, "
        f"{_over_seeds(effect, claim)}."
    )
    said = [f"{verdict(answer)}: {ours}"]
    if effect.left_out:
        every = effect.queries + effect.left_out
        said.append(f"Over {effect.queries:,} of {every:,} queries: the others have no value.")
    if answer.missing:
        said.append(f"Still missing: {'; '.join(answer.missing)}.")
    known = figures(answer)
    said += [_literature(claim, effect, figure) for figure in known]
    return " ".join(said) + ("" if known else " The card names no published figure.")


def _mean(value: float, answer: Answer) -> str:
    measure = answer.claim.measure
    if answer.claim.change_from:
        return number(value, measure)
    return f"{value:.{digits(measure)}f}"


def claim_table(found: Sequence[Answer]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of all answers; five columns of words come first."""
    head = ["claim", "says", "verdict", "model", "collection", "difference", "over questions"]
    head += ["over seeds", "seeds", "p", "Holm p", "published"]
    return head, [_claim(answer) for answer in found]


def _claim(answer: Answer) -> list[str]:
    claim, effect = answer.claim, answer.effect
    says = f"{comparison(claim)}: {title(claim.measure)} {WHERE[claim.setting]}"
    says += f", change from {claim.change_from}" if claim.change_from else ""
    says += f", {part(claim)}" if claim.by else ""
    names = [str(answer.number), says, verdict(answer), answer.start or NONE, collection_of(answer)]
    if effect is None:
        return [*names, *[NONE] * 6, published(answer)]
    measure = claim.measure
    return [
        *(*names, number(effect.difference, measure), interval(effect.over_questions, measure)),
        *(interval(effect.over_seeds, measure), str(len(effect.seeds) or NONE)),
        *(_p(effect.p), _p(effect.p_holm), published(answer)),
    ]


def _p(value: float | None) -> str:
    return NONE if value is None else f"{value:.4f}"


def tally(found: Sequence[Answer], missing: int = 0) -> str:
    """How many answers have which verdict, in words, and how many runs are not among them.

    Args:
        found: The answers.
        missing: How many runs lack results.
    """
    counts = Counter(answer.verdict for answer in found)
    ones = sum(bool(a.effect and a.effect.rests_on_one_seed) for a in found)
    alone = {Verdict.UNDECIDED: f" ({ones} with one seed, which settles nothing)" if ones else ""}
    parts = [f"{counts[one]} {one}{alone.get(one, '')}" for one in Verdict if counts[one]]
    every = f"{len(found)} answers" if len(found) > 1 else "1 answer"
    lacking = "1 run lacks" if missing == 1 else f"{missing} runs lack"
    some = f"; {lacking} results, see what was not run" if missing else ""
    return f"{every}: {', '.join(parts)}{some}"


def _over_seeds(effect: Effect, claim: Claim) -> str:
    if not effect.seeds:
        return "and no seeds, as neither is trained"
    if effect.over_seeds is None:
        return f"and it rests on one seed ({effect.seeds[0]})"
    return f"over {len(effect.seeds)} seeds {interval(effect.over_seeds, claim.measure)}"


def _literature(claim: Claim, effect: Effect, figure: Published) -> str:
    places = digits(claim.measure)
    theirs = number(figure.condition - figure.than, claim.measure)
    said = agreement(effect, figure)
    return (
        f"Published for {figure.model} ({figure.source}): {figure.condition:.{places}f} and "
        f"{figure.than:.{places}f} ({theirs}); "
        f"{'our direction is open' if said == 'open' else f'the direction {said}'}."
    )
