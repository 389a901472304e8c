#!/bin/sh
# Checks the types and builds the component. WHARF names the command where `wharf` is not in PATH.
set -eu
cd "$(dirname "$0")"

# 75 (EX_TEMPFAIL of sysexits.h): the packages could not be had, which says nothing about this folder.
npm install --no-save --no-audit --no-fund --loglevel=error || exit 75
npm run --silent check
"${WHARF:-wharf}" build .
