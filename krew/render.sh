#!/usr/bin/env bash
# Renders the krew manifest of a release: krew/render.sh VERSION DIST_DIR > casskop.yaml
# DIST_DIR holds the archives that the template names; each needs the binary and LICENSE in it (krew refuses others).
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: $0 VERSION DIST_DIR" >&2; exit 2; }
version=${1#v} dist=$2

while IFS= read -r line; do
  case $line in "# Template"*) continue ;; esac
  line=${line//@VERSION@/$version}
  case $line in
    *uri:*) archive=$dist/${line##*/} ;;
    *@SHA256@*)
      [ -f "$archive" ] || { echo "$0: no $archive" >&2; exit 1; }
      case $archive in
        *.zip) files=$(unzip -Z1 "$archive") ;;
        *) files=$(tar -tzf "$archive") ;;
      esac
      grep -qiE '(^|/)(license|copying)' <<<"$files" || { echo "$0: $archive has no LICENSE" >&2; exit 1; }
      sum=$(sha256sum "$archive")
      line=${line//@SHA256@/${sum%% *}}
      ;;
  esac
  printf '%s\n' "$line"
done <"$(dirname "$0")/casskop.yaml.tmpl"
