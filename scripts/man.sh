#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the manual pages from what the command itself says with --help, so that they cannot differ.
#   scripts/man.sh PATH/TO/drae FOLDER
set -euo pipefail
drae=$1
out=$2
version=$("$drae" --version | awk '{print $2}')
mkdir -p "$out"

# Backslashes, and dots or quotes at the start of a line, mean something to roff.
escape() {
    sed -e 's/\\/\\e/g' -e "s/^\([.']\)/\\\\\&\1/" -e 's/-/\\-/g'
}

page() { # NAME SUMMARY < body
    printf '.TH "%s" 1 "" "drae %s" "drae manual"\n.SH NAME\n%s \\- %s\n' "${1^^}" "$version" "$1" "$2"
    cat
    printf '.SH "EXIT STATUS"\n0 done, 1 other failure, 2 wrong usage, 3 bad input file, 4 device not available, 5 interrupted (state saved).\n'
    printf '.SH NOTES\nFiles named docs/ lie in the source tree.\n'
}

names=$("$drae" | awk '/^  [a-z]+ /{print $1}')
for name in $names; do
    help=$("$drae" "$name" --help)
    summary=$(sed -n "1s/^drae $name: //p" <<<"$help")
    usage=$(awk '/^usage: /{sub(/^usage: /,""); on=1} on&&/^$/{exit} on' <<<"$help")
    about=$(awk '/^usage: /{seen=1} seen&&/^$/{body=1} /^options:/{exit} body' <<<"$help")
    options=$(awk '/^examples:/{exit} on; /^options:/{on=1}' <<<"$help")
    examples=$(awk 'on; /^examples:/{on=1}' <<<"$help")
    {
        printf '.SH SYNOPSIS\n.nf\n%s\n.fi\n.SH DESCRIPTION\n%s\n' \
            "$(escape <<<"$usage")" "$(sed '/^$/d' <<<"$about" | escape)"
        printf '.SH OPTIONS\n.nf\n%s\n.fi\n.SH EXAMPLES\n.nf\n%s\n.fi\n' \
            "$(escape <<<"$options")" "$(escape <<<"$examples")"
    } | page "drae-$name" "$summary" >"$out/drae-$name.1"
done
{
    printf '.SH SYNOPSIS\ndrae COMMAND [options]\n.SH COMMANDS\n'
    "$drae" | awk '/^  [a-z]+ /{n=$1; $1=""; printf ".TP\n\\fBdrae\\-%s\\fR(1)\n%s\n", n, substr($0,2)}'
} | page drae "visual inspection for Blow-Fill-Seal lines" >"$out/drae.1"
