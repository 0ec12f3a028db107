# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of runs in which nothing is wrong: legitimate events, and tasks without noise. Bounds were fixed before the runs."""

import math
import statistics

from results import in_order, place

MEAN, WORST, RARE, TOUCHED = 0.5, 3.0, 3.0, 1.0  # per cent
TWICE, FLOOR = 2.0, 1e-8  # a loss below the floor is learnt, and counts as the floor
KINDS = ["skipped", "rolled back", "clipped harder", "throttled", "momentum lowered"]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def marked(text, within):
    return text if within else f"**{text}**"


def unique(items):
    return list(dict.fromkeys(items))


def shares(runs):
    """Per cent of all steps, by kind; the steps of a run are at most touched once each."""
    steps = sum(r["steps"] for r in runs)
    by_kind = {k: 100 * sum(r.get("tally", {}).get(k, 0) for r in runs) / steps for k in KINDS}
    touched = sum(min(r["steps"], sum(r.get("tally", {}).get(k, 0) for k in KINDS)) for r in runs)
    return by_kind, 100 * touched / steps


class Against:
    """Runs of a method under events, against the base's of the same places."""

    def __init__(self, pairs):
        finals = [(own["final"], base["final"]) for own, base in pairs if base["final"]]
        changes = [100 * (own / base - 1) if own else math.inf for own, base in finals]
        rare = [(own["rare"], base["rare"]) for own, base in pairs if base.get("rare")]
        self.count, self.lost = len(pairs), sum(own["final"] is None or "gave_up" in own for own, _ in pairs)
        self.mean, self.worst = (statistics.fmean(changes), max(changes)) if changes else (0, 0)
        self.rare = self.rare_base = None
        if rare:
            self.rare_base = statistics.fmean(base for _, base in rare)
            own = statistics.fmean(math.inf if own is None else own for own, _ in rare)
            self.rare = 100 * (own / self.rare_base - 1)
        self.kinds, self.touched = shares([own for own, _ in pairs])
        self.tensors = statistics.fmean(own.get("tally", {}).get("tensor clipped", 0) for own, _ in pairs)

    def cells(self):
        """Each marked if it is not within its bound, and the verdict."""
        checks = [
            (percent(self.mean, 2), self.mean <= MEAN),
            (percent(self.worst, 1), self.worst <= WORST),
            (percent(self.rare, 1), self.rare is None or self.rare <= RARE),
            (f"{self.touched:.2f} %", self.touched < TOUCHED),
        ]
        within = all(ok for _, ok in checks) and self.lost == 0
        return [marked(*check) for check in checks], "pass" if within else "**fail**"


def percent(x, digits):
    if x is None:
        return ""
    return "lost" if x == math.inf else "> +1000 %" if x > 1000 else f"{x:+.{digits}f} %"


def paired(runs, base, method):
    """Runs of the method and of the base, of the same places."""
    bases = {place(r): r for r in runs if r["method"] == base}
    return [(r, bases[place(r)]) for r in runs if r["method"] == method and place(r) in bases]


def events(results, base, listed, out):
    runs = sorted((r for r in results.events if r["list"] == listed), key=lambda r: r["event_number"])
    methods = in_order(r["method"] for r in runs if r["method"] != base)
    of = {m: paired(runs, base, m) for m in methods}
    methods = [m for m in methods if of[m]]
    if not methods:
        return
    rows = []
    for m in methods:
        all_of = Against(of[m])
        cells, verdict = all_of.cells()
        kinds = [f"{v:.2f}" for v in all_of.kinds.values()]
        rows.append([m, str(all_of.count)] + cells + kinds + [str(all_of.lost), verdict])
        out["events"][listed][m] = {**vars(all_of), "pass": verdict == "pass"}
    names = ["mean final loss", "worst", "rare part", "touched"]
    text = table(["method", "runs"] + names + [f"{k}, %" for k in KINDS] + ["lost", "verdict"], rows)
    words = (
        f"\nBounds, against {base} in the same run: mean of the final losses within +{MEAN:g} %, worst run within +{WORST:g} %, mean loss of "
        f"the rare part within +{RARE:g} %,\ninterventions (steps skipped, rolled back, clipped harder, throttled, with lowered momentum) under "
        f"{TOUCHED:g} % of all steps, no run lost. What is not within its bound is bold.\n"
    )
    yield f"Legitimate events of the {listed} list, against {base}", text + words
    for by, title in ((lambda r: r["event"], "event"), (lambda r: r["task"], "task")):
        rows = []
        for key in unique(by(own) for pairs in of.values() for own, _ in pairs):
            cells = []
            for m in methods:
                here = [p for p in of[m] if by(p[0]) == key]
                one = Against(here) if here else None
                within = one and one.mean <= MEAN and one.worst <= WORST
                cells.append(marked(f"{percent(one.mean, 2)} ({percent(one.worst, 1)})", within) if one else "")
            rows.append([key] + cells)
        yield f"Final loss by {title}: mean (worst)", table([title] + methods, rows)
    for m in methods:
        if m in results.ours:
            yield f"Events in detail: {m}", detail(of[m], out["events by event"][f"{listed} {m}"])


def detail(pairs, out):
    rows = []
    for event in unique(own["event"] for own, _ in pairs):
        for task in unique(own["task"] for own, _ in pairs if own["event"] == event):
            here = Against([p for p in pairs if (p[0]["event"], p[0]["task"]) == (event, task)])
            cells, verdict = here.cells()
            if here.rare is not None:
                cells[2] += f" of {here.rare_base:.3g}"
            kinds = [f"{v:.2f}" for v in here.kinds.values()]
            rows.append([event, task, str(here.count)] + cells + kinds + [f"{here.tensors:.1f}", verdict])
            out[f"{event} {task}"] = {**vars(here), "pass": verdict == "pass"}
    head = ["event", "task", "runs", "mean final loss", "worst", "rare part", "touched"]
    return table(head + [f"{k}, %" for k in KINDS] + ["tensors clipped in a run", "verdict"], rows)


def geometric(runs, field, floor=0.0):
    values = [r[field] for r in runs]
    if None in values:
        return math.inf
    return math.exp(statistics.fmean(math.log(max(v, floor, 1e-300)) for v in values))


def noise_free(results, base, listed, out):
    runs = [r for r in results.noise_free if r["list"] == listed]
    methods = in_order(r["method"] for r in runs)
    if base not in methods:
        return
    show = lambda x: "lost" if x == math.inf else f"{x:.1e}"
    losses, ratios, touches = [], [], []
    for task in unique(r["task"] for r in runs):
        raw, ratio, touch = [task], [task], [task]
        for m in methods:
            own = [a for a, _ in paired([r for r in runs if r["task"] == task], base, m)]
            theirs = [b for _, b in paired([r for r in runs if r["task"] == task], base, m)]
            if not own:
                raw, ratio, touch = (row + [""] for row in (raw, ratio, touch))
                continue
            raw.append(f"{show(geometric(own, 'largest_after_300'))} ({show(geometric(own, 'last_100'))})")
            large, last = (
                geometric(own, f, FLOOR) / geometric(theirs, f, FLOOR) for f in ("largest_after_300", "last_100")
            )
            ratio.append(f"{marked(f'{large:.2f}', large <= TWICE)} ({marked(f'{last:.2f}', last <= TWICE)})")
            kinds, touched = shares(own)
            most = max(kinds, key=kinds.get)
            touch.append(f"{touched:.2f}" + (f" {most}" if touched else ""))
            out["noise-free"][listed].setdefault(m, {})[task] = {
                "runs": len(own), "largest": large, "last": last, "pass": large <= TWICE and last <= TWICE, **kinds
            }
        losses.append(raw), ratios.append(ratio), touches.append(touch)
    of = out["noise-free"][listed]
    verdicts = [f"{sum(t['pass'] for t in of[m].values())} of {len(of[m])}" for m in methods]
    words = (
        f"\nBounds: neither is above {TWICE:g} times that of {base}. What is not within its bound is bold. Losses below {FLOOR:g} count as "
        f"{FLOOR:g}: what is below is a matter of chance.\n"
    )
    title = f"Tasks without noise, {listed} list: largest loss after step 300 (mean of the last 100), geometric mean over seeds"
    yield title, table(["task"] + methods, losses)
    yield f"The same as multiples of {base}'s", table(["task"] + methods, ratios + [["within the bounds"] + verdicts]) + words
    yield "Steps touched without noise, per cent, and the most frequent kind", table(["task"] + methods, touches)


def sections(results, base, out):
    for listed in sorted({r["list"] for r in results.events}):
        yield from events(results, base, listed, out)
    for listed in sorted({r["list"] for r in results.noise_free}):
        yield from noise_free(results, base, listed, out)
