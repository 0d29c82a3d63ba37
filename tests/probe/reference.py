"""Every figure once more: slowly, from scores, and written otherwise."""

import itertools

import numpy as np
from scipy.optimize import minimize
from scipy.stats import entropy
from sklearn.model_selection import StratifiedKFold


def place_of_each(scores, weights):
    """What each passage gets if equal ones take turns on the places that they share."""
    weights = np.concatenate([weights, np.zeros(max(0, len(scores) - len(weights)))])
    found = []
    for score in scores:
        above, tied = int(np.sum(scores > score)), int(np.sum(scores == score))
        found.append(weights[above : above + tied].mean())
    return np.array(found)


def shares(scores, spoken, languages, k):
    places = place_of_each(scores, np.ones(k))
    return [places[[x == language for x in spoken]].sum() / places.sum() for language in languages]


def awrf(scores, spoken, languages, k=20):
    discounts = [1.0, *(1 / np.log2(place) for place in range(2, k + 1))]
    exposure = place_of_each(scores, np.array(discounts))
    mine = np.array([exposure[[x == y for x in spoken]].sum() for y in languages])
    mine /= mine.sum()
    target = np.array([list(spoken).count(y) / len(spoken) for y in languages])
    middle = (mine + target) / 2
    return 1 - (entropy(mine, middle, base=2) + entropy(target, middle, base=2)) / 2


def top(scores, ids, k):
    """The first k, or None if nothing but their ids orders them."""
    order = sorted(range(len(ids)), key=lambda i: (scores[i], ids[i]), reverse=True)[:k]
    return None if len({scores[i] for i in order}) == 1 < k else [ids[i] for i in order]


def overlap(one, other, p=0.9):
    depths = range(1, len(one) + 1)
    parts = [p ** (d - 1) * len({*one[:d]}.intersection(other[:d])) / d for d in depths]
    return sum(parts) / sum(p ** (d - 1) for d in depths)


def mean(rows):
    """Of ``(language, value)``: the mean over languages of their means."""
    by_language = {}
    for language, value in rows:
        if not np.isnan(value):
            by_language.setdefault(language, []).append(value)
    return np.mean([np.mean(some) for some in by_language.values()]) if by_language else np.nan


def interval(rows, resamples, seed):
    """Of ``(group, language, value)``: a bootstrap over groups, one resample after the other."""
    names = sorted({group for group, _, value in rows if not np.isnan(value)})
    if len(names) < 6:
        return np.nan, np.nan
    of = {name: [(x, value) for group, x, value in rows if group == name] for name in names}
    drawn = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    means = [mean(itertools.chain(*(of[names[i]] for i in row))) for row in drawn]
    return np.percentile(means, 2.5), np.percentile(means, 97.5)


def estimate(rows, resamples, seed):
    value = mean((language, value) for _, language, value in rows)
    return value, *interval(rows, resamples, seed)


def neighbours(vectors, spoken, k):
    """Share of each passage's k nearest neighbours that are in its language."""
    found = []
    for row, vector in enumerate(vectors):
        others = [i for i in range(len(vectors)) if i != row]
        places = place_of_each(np.array([vectors[i] @ vector for i in others]), np.ones(k))
        found.append(places[[spoken[i] == spoken[row] for i in others]].sum() / k)
    return np.array(found)


def read(vectors, spoken, seed, folds=5):
    """Whether multinomial logistic regression, fitted on other folds, reads each language."""
    x = vectors - vectors.mean(0)
    x = x / np.sqrt(np.mean(x * x))
    names, y = np.unique(spoken, return_inverse=True)
    right = np.zeros(len(y))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, y):
        weight = (len(train) / (len(names) * np.bincount(y[train])))[y[train]]

        def loss(parameters, train=train, weight=weight):
            w, b = np.split(parameters.reshape(-1, len(names)), [x.shape[1]])
            logits = x[train] @ w + b
            logits = logits - logits.max(1, keepdims=True)
            chosen = logits[np.arange(len(train)), y[train]] - np.log(np.exp(logits).sum(1))
            return -(weight * chosen).sum() + 0.5 * (w * w).sum()

        start = np.zeros((x.shape[1] + 1) * len(names))
        fitted = minimize(loss, start, method="L-BFGS-B", options={"maxiter": 500}).x
        w, b = np.split(fitted.reshape(-1, len(names)), [x.shape[1]])
        right[test] = (x[test] @ w + b).argmax(1) == y[test]
    return right
