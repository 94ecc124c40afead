#!/usr/bin/env python3
"""permits-kills.py WRAPPER REPOSITORY [KILLS]: builds of four agents that share two permits, while random processes of theirs are killed.

WRAPPER is the `.cargo/wrapper/rustc` of a workspace in which multilane has built. Compilers are counted from outside, by their command
lines. At the end nobody has a permit or waits for one, and each tree is built whole.
"""
import os, random, signal, subprocess, sys, tempfile, threading, time

wrapper, repository = os.path.realpath(sys.argv[1]), sys.argv[2]
kills = int(sys.argv[3]) if len(sys.argv) > 3 else 100
PERMITS = 2
work = tempfile.mkdtemp(prefix="permits-kills-", dir=os.environ.get("TMPDIR", "/var/tmp"))
lock_file = f"{work}/of-trial/permits"
env = dict(os.environ, RUSTC_WRAPPER=wrapper, MULTILANE_PERMITS=str(PERMITS), MULTILANE_PERMITS_FILE=lock_file, CARGO_TERM_PROGRESS_WHEN="never")
env.pop("CARGO_TARGET_DIR", None)


def processes():
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = open(f"/proc/{name}/stat").read().rsplit(") ", 1)[1].split()
            words = open(f"/proc/{name}/cmdline").read().split("\0")
            found[int(name)] = (int(stat[1]), stat[0], words)
        except (OSError, IndexError):
            pass
    return found


def below(root, all_of_them):
    children = {}
    for process, (parent, _, _) in all_of_them.items():
        children.setdefault(parent, []).append(process)
    found, at = [root], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found[1:]


def is_compiler(words):
    # Build scripts ask rustc what it knows, without linking: they have express permits.
    return words[0].endswith("rustc") and any(word.startswith("--emit") and "link" in word for word in words)


def taken():
    inode = os.stat(lock_file).st_ino
    lines = [line.split() for line in open("/proc/locks")]
    return [line for line in lines if "POSIX" in line and any(word.endswith(f":{inode}") for word in line)]


def build(tree, *words):
    flags = dict(env, RUSTFLAGS=f"--cfg tree{tree}")
    return subprocess.Popen(["cargo", "test", "--no-run", *words], cwd=f"{work}/{tree}", env=flags, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


for tree in range(4):
    subprocess.run(["git", "clone", "-q", repository, f"{work}/{tree}"], check=True)
subprocess.run(["cargo", "fetch", "-q"], cwd=f"{work}/0", check=True)
done, most, ended = threading.Event(), 0, 0
whole = [0] * 4


def agent(tree):
    while not done.is_set():
        if build(tree).wait() == 0:
            whole[tree] += 1
            subprocess.run(["rm", "-rf", f"{work}/{tree}/target"])


agents = [threading.Thread(target=agent, args=(tree,)) for tree in range(4)]
for thread in agents:
    thread.start()
killed = {}
next_kill = time.monotonic()
while ended < kills:
    all_of_them = processes()
    own = below(os.getpid(), all_of_them)
    # An orphan's parent is another; it is known by where it works.
    own += [process for process, (_, _, words) in all_of_them.items() if process not in own and any(work in word for word in words)]
    # What is still there when all have been looked at was there at the same moment.
    compilers = [process for process in own if is_compiler(all_of_them.get(process, (0, "", [""]))[2])]
    again = processes() if len(compilers) > PERMITS else all_of_them
    most = max(most, sum(is_compiler(again.get(process, (0, "", [""]))[2]) for process in compilers))
    if own and time.monotonic() >= next_kill:
        victim = random.choice(own)
        try:
            os.kill(victim, signal.SIGKILL)
            name = os.path.basename(all_of_them[victim][2][0]) or "?"
            killed[name] = killed.get(name, 0) + 1
            ended += 1
        except (OSError, KeyError):
            pass
        next_kill = time.monotonic() + random.uniform(0.05, 0.6)
    time.sleep(0.01)
done.set()
for thread in agents:
    thread.join()
for tree in range(4):
    assert build(tree).wait() == 0, f"tree {tree} cannot be built"
print(f"{ended} killed: {', '.join(f'{name} {count}' for name, count in sorted(killed.items()))}")
print(f"at most {most} compilers at once, of {PERMITS} permits; whole builds meanwhile: {sum(whole)}; locks left: {len(taken())}")
subprocess.run(["rm", "-rf", work])
sys.exit(most > PERMITS or bool(taken()))
