#!/usr/bin/env python3
"""Writes the values that tests compare the program's statistics with: seed_tests.json, auc.json, bootstrap.json,
bounds.json, counts.json, adjusted.json, quantiles.json, probe.json and kappa.json beside this file.

usage: make.py. Needs numpy, scipy, statsmodels and scikit-learn; the versions stand in each file. The data are keyed by
fixed seeds.
"""
import json
import pathlib

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, confusion_matrix, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

HERE = pathlib.Path(__file__).parent


def write(name, cases, more=""):
    made_with = f"SciPy {scipy.__version__}, NumPy {np.__version__}, scikit-learn {sklearn.__version__}{more}"
    text = json.dumps({"made_with": made_with, "cases": cases}, indent=1)
    (HERE / f"{name}.json").write_text(text + "\n")


def wilcoxon(d):
    """Exact up to 25 non-zero differences, ties counted by going through all sign patterns."""
    nonzero = d[d != 0]
    if len(nonzero) > 25:
        method = "approx"
    elif len(set(abs(nonzero))) == len(nonzero):
        method = "exact"
    else:
        method = stats.PermutationMethod(n_resamples=np.inf)
    # Ranks of the positive differences; SciPy's two-sided statistic is the smaller of the two sums.
    plus = stats.wilcoxon(nonzero, alternative="greater", method="approx").statistic
    return plus, stats.wilcoxon(nonzero, correction=False, method=method).pvalue


def shifts_kept(d, level):
    """The ends of the shifts whose signed-rank test keeps them: p is constant between neighbouring Walsh averages."""
    walsh = np.unique([(a + b) / 2 for i, a in enumerate(d) for b in d[i:]])
    method = "exact" if len(d) <= 25 else "approx"
    middles = (walsh[:-1] + walsh[1:]) / 2
    kept = [i for i, m in enumerate(middles)
            if stats.wilcoxon(d - m, correction=False, method=method).pvalue > 1 - level]
    return walsh[kept[0]], walsh[kept[-1] + 1]


def seed_tests():
    random = np.random.default_rng(5)
    samples = {
        "eight untied": random.normal(0.6, 1, 8).round(4),
        "twelve with ties and zeros": np.array([3, -1, 2, 2, 0, 5, 1, -2, 0, 4, 1, 1]),
        "twenty-five untied": random.normal(-0.2, 1, 25).round(5),
        "forty untied": random.normal(0.3, 1, 40).round(5),
        "a hundred counts": random.binomial(12, 0.56, 100) - 6,
    }
    cases = []
    for name, d in samples.items():
        d = d.astype(float)
        plus, p = wilcoxon(d)
        t = stats.ttest_1samp(d, 0)
        signs = stats.binomtest(int((d > 0).sum()), int((d != 0).sum()), 0.5)
        walsh = [(a + b) / 2 for i, a in enumerate(d) for b in d[i:]]
        case = {"name": name, "d": d.tolist(), "wilcoxon": plus, "wilcoxon_p": p, "t": t.statistic, "t_p": t.pvalue,
                "sign_p": signs.pvalue, "median": np.median(d), "hodges_lehmann": np.median(walsh)}
        if len(np.unique(abs(d))) == len(d):
            case["low"], case["high"] = shifts_kept(d, 0.95)
        cases.append(case)
    write("seed_tests", cases)


def delong_error(scores, labels):
    """The definition, pair by pair."""
    wins = np.array([[(p > n) + 0.5 * (p == n) for n in scores[labels == 0]] for p in scores[labels == 1]])
    of_positives, of_negatives = wins.mean(axis=1), wins.mean(axis=0)
    return np.sqrt(of_positives.var(ddof=1) / len(of_positives) + of_negatives.var(ddof=1) / len(of_negatives))


def auc():
    random = np.random.default_rng(6)
    cases = []
    for positives, negatives, digits in [(12, 20, 3), (40, 25, 1), (5, 60, 1)]:
        labels = np.array([1] * positives + [0] * negatives)
        scores = random.normal(labels * 0.9, 1).round(digits)
        order = random.permutation(len(labels))
        labels, scores = labels[order], scores[order]
        area, error = roc_auc_score(labels, scores), delong_error(scores, labels)
        u = stats.mannwhitneyu(scores[labels == 1], scores[labels == 0]).statistic
        assert abs(u / (positives * negatives) - area) < 1e-12
        z = stats.norm.ppf(0.975)
        cases.append({"scores": scores.tolist(), "labels": labels.tolist(), "auc": area, "standard_error": error,
                      "low": max(0, area - z * error), "high": min(1, area + z * error)})
    write("auc", cases)


def bootstrap():
    values = np.random.default_rng(7).normal(0.02, 0.2, 80).round(3)
    result = stats.bootstrap((values,), np.mean, n_resamples=200_000, batch=10_000, method="percentile", rng=8)
    write("bootstrap", [{"values": values.tolist(), "mean": values.mean(), "low": result.confidence_interval.low,
                         "high": result.confidence_interval.high}])


def bounds():
    cases = []
    for k, n in [(0, 50), (0, 150), (7, 50), (7, 150), (1, 25), (149, 150), (50, 50)]:
        exact = stats.binomtest(k, n).proportion_ci(0.95, "exact")
        upper = stats.binomtest(k, n, alternative="less").proportion_ci(0.95, "exact").high
        cases.append({"k": k, "n": n, "low": exact.low, "high": exact.high, "upper": upper})
    write("bounds", cases)


STATSMODELS = f", statsmodels {statsmodels.__version__}"


def counts():
    """Exact McNemar of pairs that changed either way, and Fisher's test of two rows of a table."""
    cases = []
    for b, c in [(7, 0), (0, 7), (1, 0), (3, 9), (12, 12), (40, 61), (0, 148)]:
        p = stats.binomtest(b, b + c, 0.5).pvalue
        assert abs(mcnemar([[0, b], [c, 0]], exact=True).pvalue - p) < 1e-12
        cases.append({"test": "mcnemar", "counts": [b, c], "p": p})
    for a, b, c, d in [(7, 43, 0, 50), (0, 50, 7, 43), (3, 1, 1, 3), (12, 138, 2, 148), (25, 25, 10, 40), (1, 24, 0, 25)]:
        cases.append({"test": "fisher", "counts": [a, b, c, d], "p": stats.fisher_exact([[a, b], [c, d]]).pvalue})
    write("counts", cases, STATSMODELS)


def adjusted():
    random = np.random.default_rng(10)
    cases = []
    for p in [[0.01, 0.04, 0.03, 0.005, 0.5], [0.0006, 0.0006, 0.9, 1.0], random.uniform(0, 0.2, 14).round(4).tolist()]:
        cases.append({"p": p, "holm": multipletests(p, method="holm")[1].tolist(),
                      "benjamini_hochberg": stats.false_discovery_control(p).tolist()})
    write("adjusted", cases, STATSMODELS)


def quantiles():
    random = np.random.default_rng(11)
    cases = []
    for n in [1, 2, 25, 150]:
        values = random.normal(3, 2, n).round(4)
        cases.append({"values": values.tolist(),
                      "quantiles": [[q, float(np.quantile(values, q))] for q in (0, 0.025, 0.05, 0.5, 0.975, 1)]})
    write("quantiles", cases)


def probe():
    """Held-out probabilities of scikit-learn's logistic regression on standardised features, fold by fold."""
    random = np.random.default_rng(9)
    cases = []
    for classes, width, items, strength in [(3, 6, 90, 1.0), (2, 5, 60, 0.25), (4, 12, 80, 4.0)]:
        labels = random.integers(0, classes, items)
        centres = random.normal(0, 0.8, (classes, width))
        states = (random.normal(centres[labels], 1) * random.uniform(0.1, 30, width) + 5).astype(np.float32)
        states = states.round(3).astype(np.float32)
        folds = np.arange(items) % 5
        probabilities = np.zeros((items, classes))
        for fold in range(5):
            train, test = folds != fold, folds == fold
            x = states.astype(float)
            mean, std = x[train].mean(axis=0), x[train].std(axis=0)
            model = LogisticRegression(C=1 / strength, tol=1e-12, max_iter=100_000)
            if classes == 2:
                # Both classes have weights here, as for more classes: half the penalty each on w and -w.
                model = LogisticRegression(C=2 / strength, tol=1e-12, max_iter=100_000)
            model.fit((x[train] - mean) / std, labels[train])
            probabilities[test] = model.predict_proba((x[test] - mean) / std)
        cases.append({"classes": classes, "width": width, "strength": strength, "states": states.ravel().tolist(),
                      "labels": labels.tolist(), "folds": folds.tolist(),
                      "probabilities": probabilities.ravel().tolist(),
                      "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
                      "auc": roc_auc_score(labels, probabilities[:, 1]) if classes == 2 else None})
    write("probe", cases)


def kappa():
    """Two raters with 2 to 4 classes, weighted or not; the table holds the sums of weights."""
    random = np.random.default_rng(11)
    cases = []
    for classes, items, agree, weighted in [(2, 40, 0.9, False), (2, 300, 0.6, True), (3, 120, 0.7, False),
                                            (4, 500, 0.5, True), (2, 60, 0.05, False)]:
        a = random.integers(0, classes, items)
        b = np.where(random.random(items) < agree, a, random.integers(0, classes, items))
        weights = random.integers(1, 9, items) / 2 if weighted else np.ones(items)
        table = confusion_matrix(a, b, labels=range(classes), sample_weight=weights).astype(float)
        cases.append({"n": items, "table": table.ravel().tolist(),
                      "kappa": cohen_kappa_score(a, b, sample_weight=weights)})
    write("kappa", cases)


if __name__ == "__main__":
    seed_tests()
    auc()
    bootstrap()
    bounds()
    counts()
    adjusted()
    quantiles()
    probe()
    kappa()
