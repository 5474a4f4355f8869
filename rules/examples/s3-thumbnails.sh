#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The function of s3-thumbnails.yaml: {"bucket":…,"key":…,"size":…,"max":…} comes on stdin, and a picture that stands for
# the thumbnail is put into the folder named as argument: an SVG with the object's name, so that it needs no image
# library. A real one would fetch the object, scale it to `max` and put the result under thumbnails/ of the bucket.
# Exit 0 is done, 75 asks for another try, anything else is a failure. An event may come twice: the same object gives
# the same file, and the file appears whole or not at all.
set -eu
folder=$1
input=$(cat)

text() { # the member's text as JSON spells it
    printf '%s' "$input" | sed -nE "s/.*\"$1\":\"(([^\"\\\\]|\\\\.)*)\".*/\\1/p"
}

key=$(text key)
[ -n "$key" ] || { echo "no key in the input" >&2; exit 1; }
# Keys are longer than file names may be, and hold what those may not: the end of one, and a sum of it all.
name=$(printf '%s/%s' "$(text bucket)" "$key" | tr -c 'A-Za-z0-9._-' _ | tail -c 80)
name=$name-$(printf '%s' "$input" | cksum | cut -d ' ' -f 1).svg
shown=$(printf '%s' "${key##*/}" | sed 's/&/\&amp;/g; s/</\&lt;/g')

mkdir -p "$folder" || exit 75
cat >"$folder/.$name.$$" <<END
<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120">
<rect width="160" height="120" fill="#ddd"/><circle cx="125" cy="30" r="14" fill="#fb3"/>
<path d="M0 120 L55 45 L95 95 L118 70 L160 120 Z" fill="#688"/>
<text x="8" y="112" font-family="sans-serif" font-size="11">$shown</text>
</svg>
END
mv "$folder/.$name.$$" "$folder/$name"
