#!/usr/bin/env bash
# What any CI runs, on a clean clone: rustup and git are all that it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec cargo xtask ci
