#!/bin/sh
# Builds both components into their .wharf/build folders: handler/ with npm, middleware/ with `wharf build`.
# WHARF names the command where `wharf` is not in PATH.
set -eu
cd "$(dirname "$0")"

# Not `npm ci`: the lock file cannot name the packages for some platforms, which were never published.
# 75 (EX_TEMPFAIL of sysexits.h): the packages could not be had, which says nothing about this folder.
npm install --prefix handler --no-save --no-audit --no-fund --loglevel=error || exit 75
mkdir -p handler/.wharf/build
# --sync: without the contract's async calls, which plain functions do not need. --stub-wasi: no imports beyond it.
handler/node_modules/.bin/componentize-qjs --sync --stub-wasi --opt-size \
  --wit ../../../wit --world handler --js handler/handler.js --output handler/.wharf/build/handler.wasm

"${WHARF:-wharf}" build middleware
