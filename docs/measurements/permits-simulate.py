#!/usr/bin/env python3
"""permits-simulate.py TIMINGS PROCESSORS AGENTS [PERMITS]: builds of as many agents on one machine, with permits and without.

TIMINGS is the page of `cargo build --timings`: how long each unit took, which units it let begin, and so what each agent does. All
begin at once; cargo starts as many units of one build as there are processors. Of what runs each gets a processor, or its share of
them. Memory and the disk are not in the model, so what swapping costs is not either.
"""
import heapq, json, re, sys

page, processors, agents = open(sys.argv[1]).read(), int(sys.argv[2]), int(sys.argv[3])
permits = int(sys.argv[4]) if len(sys.argv) > 4 else processors
units = json.loads(re.search(r"const UNIT_DATA = (\[.*?\]);", page, re.S).group(1))
work = {unit["i"]: unit["duration"] for unit in units}
blocks = {unit["i"]: unit["unblocked_units"] + unit["unblocked_rmeta_units"] for unit in units}
needs = {unit: sum(unit in after for after in blocks.values()) for unit in work}


def run(limit):
    """Seconds until all have ended, when each has, and the most that ran at once."""
    missing = [dict(needs) for _ in range(agents)]
    ready = [[unit for unit in work if needs[unit] == 0] for _ in range(agents)]
    started, left, ended = [0] * agents, [len(work)] * agents, [0.0] * agents
    running, queue, now, most, number = {}, [], 0.0, 0, 0
    while any(left):
        for agent in range(agents):
            # cargo has started these; they wait for permits in the order in which they came.
            while ready[agent] and started[agent] < processors:
                heapq.heappush(queue, (number, agent, ready[agent].pop(0)))
                started[agent], number = started[agent] + 1, number + 1
        while queue and len(running) < limit:
            _, agent, unit = heapq.heappop(queue)
            running[agent, unit] = work[unit]
        most = max(most, len(running))
        share = min(1.0, processors / len(running))
        step = min(running.values()) / share
        now += step
        for key in list(running):
            running[key] -= step * share
            if running[key] <= 1e-9:
                del running[key]
                agent, unit = key
                started[agent], left[agent], ended[agent] = started[agent] - 1, left[agent] - 1, now
                for after in blocks[unit]:
                    missing[agent][after] -= 1
                    if missing[agent][after] == 0:
                        ready[agent].append(after)
    return now, ended, most


for name, limit in (("free", 1 << 30), (f"{permits} permits", permits)):
    total, ended, most = run(limit)
    print(f"{name:>12}: {total:7.1f} s in all, the first ends after {min(ended):.1f} s; at most {most} compilers at once")
