#!/bin/sh
# A made-up repository: 20 lanes, 5,000 files in each, half of them hard links to those of the first lane.
# disk.sh <directory that does not exist> ; then, in it: time cargo multilane gc --dry-run --idle 0 --budget 1G
set -eu
mkdir "$1" && cd "$1"
git init --quiet .
mkdir src && touch src/lib.rs
printf '[package]\nname = "a"\nversion = "0.0.0"\nedition = "2024"\n\n[workspace]\n' >Cargo.toml
python3 - <<'PYTHON'
import os
STAMP = '{"toolchain":"rustc","target":"t","lockfile":"l","features":"","backend":""}'
for lane in range(20):
    top = f".lanes/agent-{lane}/{lane:012x}"
    profile = f"{top}/debug"
    os.makedirs(profile)
    for name, text in [(f"{top}/.lane", STAMP), (f"{top}/CACHEDIR.TAG", ""), (f"{profile}/.cargo-lock", "")]:
        open(name, "w").write(text)
    def write(path, size, shared):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if shared and lane > 0:
            os.link(path.replace(top, f".lanes/agent-0/{0:012x}"), path)
        else:
            open(path, "wb").write(b"x" * size)
    for unit in range(500):
        name = f"package{unit}-{unit:016x}"
        kind = ["lib", "test-lib", "run-build-script-build-script"][unit % 3]
        for file in [f"{kind}-x", f"{kind}-x.json", f"dep-{kind}-x", "invoked.timestamp"]:
            write(f"{profile}/.fingerprint/{name}/{file}", 100, False)
        for end in ["", ".d", ".rlib", ".rmeta"]:
            write(f"{profile}/deps/{name}{end}", 8192, True)
        for file in ["out/a", "output"]:
            write(f"{profile}/build/{name}/{file}", 100, True)
PYTHON
find .lanes -type f | wc -l
