#!/usr/bin/env bash
# Print the path of a Chromium; as root on Debian or Ubuntu install it if there is none.
set -euo pipefail

find_one() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [[ -n $name ]] && command -v "$name"; then
      return 0
    fi
  done
  return 1
}

if find_one; then
  exit 0
fi
if [[ -n ${CHROMIUM:-} ]]; then
  echo "CHROMIUM is '$CHROMIUM', which is no program." >&2
  exit 1
fi
if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "Installing the package 'chromium', which the browser's tests drive." >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium >&2
  find_one && exit 0
fi
cat >&2 <<'TEXT'
The browser's tests drive Chromium, and there is none on the PATH. Install it
('sudo apt-get install chromium' on Debian), or set CHROMIUM=/path/to/chromium.
TEXT
exit 1
