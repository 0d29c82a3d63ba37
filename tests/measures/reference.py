"""Every measure again: one query at a time, from its definition, without arrays or our code.

Ranks are counted with loops, expectations under a random order of ties are sums of probabilities.
Slow, and meant to be read beside docs/measures.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean

import numpy as np
from scipy.stats import chi2

NAN = math.nan


@dataclass
class Query:
    """One query.

    Attributes:
        returned: ``{passage: score}``.
        judged: ``{passage: grade}``.
        languages: ``{passage: language}`` of the pool, the query's own passage aside.
        own: Language of the query, if known.
        k: Length of the longest ranking of the run.
    """

    returned: Mapping[str, float]
    judged: Mapping[str, int]
    languages: Mapping[str, str]
    own: str | None
    k: int

    def __post_init__(self):
        scores = {d: float(np.float32(s)) for d, s in self.returned.items()}
        self.order = sorted(scores, key=lambda d: (scores[d], d), reverse=True)
        self.relevant = [d for d, grade in self.judged.items() if grade > 0]
        self.ties = {d: [e for e in self.order if scores[e] == scores[d]] for d in self.order}
        self.above = {d: sum(scores[e] > scores[d] for e in self.order) for d in self.order}
        self.found = [d for d in self.relevant if d in scores]
        self.spoken = sorted(set(self.languages.values()))
        self.size = len(self.languages)
        self.lost = min(self.k + 1, self.size)

    def rank(self, d):
        """The mean rank of its tie group, or the one after the cut."""
        if d not in self.ties:
            return Fraction(self.lost)
        return self.above[d] + Fraction(len(self.ties[d]) + 1, 2)

    def end(self, last):
        """The expected rank of the first or last relevant passage."""
        if last and len(self.found) < len(self.relevant):
            return Fraction(self.lost)
        outer = (max if last else min)(self.found, key=self.rank)
        t = len(self.ties[outer])
        m = sum(d in self.ties[outer] for d in self.found)
        # The first of m is at place j if the m - 1 others are among the t - j later places.
        chances = {j: Fraction(math.comb(t - j, m - 1), math.comb(t, m)) for j in range(1, t + 1)}
        place = sum(j * p for j, p in chances.items())
        return self.above[outer] + (t + 1 - place if last else place)

    def shares(self, weights):
        """``{passage: weight}``, each tie group sharing the weights of its places."""
        given = {}
        for d in self.order:
            places = range(self.above[d], self.above[d] + len(self.ties[d]))
            given[d] = sum(weights[i] for i in places if i < len(weights)) / len(places)
        return given

    def by_language(self, weights):
        given = self.shares(weights)
        total = math.fsum(given.values())
        if not total:
            return dict.fromkeys(self.spoken, NAN)
        return {
            x: math.fsum(w for d, w in given.items() if self.languages[d] == x) / total
            for x in self.spoken
        }

    def pool_share(self, x):
        return sum(y == x for y in self.languages.values()) / self.size

    # The measures, by name.

    def map(self):
        if not self.relevant:
            return NAN
        hits = [place for place, d in enumerate(self.order, 1) if d in self.relevant]
        return sum(n / place for n, place in enumerate(hits, 1)) / len(self.relevant)

    def rank_distance(self):
        if len(self.relevant) < 2 or not self.found:
            return NAN
        return float(self.end(True) - self.end(False))

    def rank_distance_normalised(self):
        n = len(self.relevant)
        if n == self.size:
            return NAN
        return min(1, max(0, (self.rank_distance() - (n - 1)) / (self.size - n))) + (
            self.rank_distance() * 0
        )

    def max_rank_normalised(self):
        n = len(self.relevant)
        if not self.found or n == self.size:
            return NAN
        place = math.log2(self.size / self.end(True)) / math.log2(self.size / n)
        return 100 * min(1, max(0, place))

    def complete_at_10(self):
        if not self.relevant:
            return NAN
        top = self.order[: max(10, len(self.relevant))]
        return float(all(d in top for d in self.relevant))

    def language_preference_rate(self):
        own = [self.rank(d) for d in self.relevant if self.languages[d] == self.own]
        rest = [self.rank(d) for d in self.relevant if self.languages[d] != self.own]
        if not own or not rest or not self.found:
            return NAN
        return 1.0 if min(own) < min(rest) else 0.5 if min(own) == min(rest) else 0.0

    def lang_ndcg_at_10(self):
        if not self.relevant or self.own is None:
            return NAN
        gain = {d: 2 if self.languages[d] == self.own else 1 for d in self.relevant}
        discounts = [1 / math.log2(place + 1) for place in range(1, 11)]
        given = self.shares(discounts)
        best = sorted(gain.values(), reverse=True)
        ideal = sum(g * w for g, w in zip(best, discounts, strict=False))
        return sum(gain[d] * given[d] for d in self.found) / ideal

    def top1(self, relevant, same):
        if not self.order or self.own is None:
            return NAN
        first = self.ties[self.order[0]]
        return fmean(
            (d in self.relevant) == relevant and (self.languages[d] == self.own) == same
            for d in first
        )

    def after(self, deleted):
        """Average precision without some passages, tied ones at their mean ranks."""
        rest = [d for d in self.relevant if d not in deleted]
        total = Fraction(0)
        for d in self.found:
            if d in deleted:
                continue
            higher = [e for e in self.order if self.above[e] < self.above[d]]
            level = [e for e in self.ties[d] if e != d]

            def count(of, higher=higher, level=level):
                return 1 + sum(e in of for e in higher) + Fraction(sum(e in of for e in level), 2)

            total += count(rest) / count([e for e in self.order if e not in deleted])
        return float(total / len(rest)) if rest else NAN

    def removal_gap(self):
        if not self.found:
            return NAN
        means = {}
        for x in {self.languages[d] for d in self.relevant}:
            mine = [d for d in self.relevant if self.languages[d] == x]
            means[x] = fmean(self.after([d]) for d in mine)
        rest = [value for x, value in means.items() if x != self.own]
        return fmean(rest) - means[self.own] if rest and self.own in means else NAN

    def gold_language_map(self, x):
        mine = [d for d in self.relevant if self.languages[d] == x]
        lone = [self.after([e for e in self.relevant if e != d]) for d in mine]
        return fmean(lone) if lone else NAN

    def mean_rank(self, x):
        mine = [self.rank(d) for d in self.relevant if self.languages[d] == x]
        return float(sum(mine) / len(mine)) if mine and self.found else NAN

    def language_share_at_10(self, x, k=10):
        return self.by_language([1] * k)[x]

    def same_language_lift_at_10(self, k=10):
        if self.own not in self.spoken:
            return NAN
        return self.language_share_at_10(self.own, k) / self.pool_share(self.own) - 1

    def awrf_at_20(self, k=20):
        got = self.by_language([1 / math.log2(max(place, 2)) for place in range(1, k + 1)])
        if not self.order:
            return NAN
        divergence = 0.0
        for x in self.spoken:
            p, q = got[x], self.pool_share(x)
            divergence += sum(a * math.log2(a / ((p + q) / 2)) / 2 for a in (p, q) if a > 0)
        return 1 - divergence

    def alpha_ndcg_at_10(self):
        if not self.relevant:
            return NAN

        def dcg(order):
            seen, total = [], 0.0
            for place, d in enumerate(order[:10], 1):
                if d in self.relevant:
                    total += 0.5 ** seen.count(self.languages[d]) / math.log2(place + 1)
                    seen.append(self.languages[d])
            return total

        best, left = [], list(self.relevant)
        while left:  # greedy is best, as each passage has one language
            seen = [self.languages[d] for d in best]
            best.append(min(left, key=lambda d: seen.count(self.languages[d])))
            left.remove(best[-1])
        return dcg(self.order) / dcg(best)

    def peer(self):
        if not self.found:
            return NAN
        values = []
        for level in {self.judged[d] for d in self.relevant}:
            mine = [d for d in self.relevant if self.judged[d] == level]
            spoken = {self.languages[d] for d in mine}
            lost = [d for d in mine if d not in self.ties]
            if len(spoken) == 1:
                values.append(1.0)
            elif len(spoken) == len(mine):
                values.append(NAN)
            elif len(lost) == len(mine):
                values.append(1.0)
            else:
                late = Fraction(2 * len(mine) + len(lost) + 1, 2)
                at = {d: late if d in lost else self.rank(d) for d in mine}
                mean = sum(at.values()) / len(mine)
                total = sum((r - mean) ** 2 for r in at.values())
                between = Fraction(0)
                for x in spoken:
                    ranks = [at[d] for d in mine if self.languages[d] == x]
                    between += len(ranks) * (sum(ranks) / len(ranks) - mean) ** 2
                h = (len(mine) - 1) * between / total if total else NAN
                values.append(float(chi2.sf(float(h), len(spoken) - 1)))
        return fmean(values)

    def ndcg_at_20(self):
        def dcg(gains):
            return sum(max(g, 0) / math.log2(i) for i, g in enumerate(gains[:20], 2))

        best = dcg(sorted(self.judged.values(), reverse=True))
        return dcg([self.judged.get(d, 0) for d in self.order]) / best if best else NAN

    def unjudged_at_10(self):
        top = self.order[:10]
        return fmean(d not in self.judged for d in top) if top else NAN


def concordance(queries):
    """Kendall's W, corrected for ties; its p-value; and which queries it was taken over."""
    spoken = sorted({q.languages[d] for q in queries for d in q.relevant})

    def judges(q):
        counts = {sum(q.languages[d] == x for d in q.relevant) for x in spoken}
        ranks = {q.mean_rank(x) for x in spoken}
        return len(counts) == 1 and 0 not in counts and bool(q.found) and len(ranks) > 1

    kept = [judges(q) for q in queries]
    table = [[q.mean_rank(x) for x in spoken] for q, yes in zip(queries, kept, strict=True) if yes]
    m, n = len(table), len(spoken)
    if m < 2 or n < 3:
        return NAN, NAN, kept
    placed = [[sum(b < a for b in row) + (row.count(a) + 1) / 2 for a in row] for row in table]
    ties = sum(row.count(a) ** 2 - 1 for row in table for a in row)  # t^3 - t, over each group
    sums = [sum(column) for column in zip(*placed, strict=True)]
    spread = sum((s - m * (n + 1) / 2) ** 2 for s in sums)
    w = 12 * spread / (m**2 * (n**3 - n) - m * ties)
    return w, float(chi2.sf(m * (n - 1) * w, n - 1)), kept


def measured(queries, languages):
    """All measures of some queries of one language.

    Args:
        queries: The queries.
        languages: Those of the pool.

    Returns:
        ``{name: one value per query}``, for measures of a view ``{name: one value}``; and for each
        name the share of queries that it was measured on.
    """
    plain = (
        *("map", "ndcg_at_20", "rank_distance", "rank_distance_normalised", "max_rank_normalised"),
        *("complete_at_10", "language_preference_rate", "lang_ndcg_at_10", "removal_gap"),
        *("same_language_lift_at_10", "awrf_at_20", "alpha_ndcg_at_10", "peer", "unjudged_at_10"),
    )
    values = {name: [getattr(q, name)() for q in queries] for name in plain}
    for one in (True, False):
        for other in (True, False):
            name = f"top1_{'' if one else 'ir'}relevant_{'same' if other else 'other'}"
            values[name] = [q.top1(one, other) for q in queries]
    for name in ("gold_language_map", "mean_rank", "language_share_at_10"):
        for x in languages:
            values[f"{name}_{x}"] = [getattr(q, name)(x) for q in queries]
    shares = {name: fmean(not math.isnan(v) for v in found) for name, found in values.items()}
    w, p, kept = concordance(queries)
    for name, value in (("language_concordance", w), ("language_concordance_p", p)):
        values[name], shares[name] = value, 0.0 if math.isnan(w) else fmean(kept)
    for x in languages:
        values[f"pool_share_{x}"], shares[f"pool_share_{x}"] = queries[0].pool_share(x), 1.0
    return values, shares


def mean(values):
    """Over what is there; NaN if nothing is."""
    kept = [v for v in np.atleast_1d(values).tolist() if not math.isnan(v)]
    return fmean(kept) if kept else NAN
